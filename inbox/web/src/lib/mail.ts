/** Whether a mail's HTML says more than its text: pictures, tables, links behind words, emphasis. */
export const isRich = (html: string | undefined): boolean => !!html && /<(?:img|table|a|ul|ol|h[1-6]|font|b|strong|i|em|u|hr)\b|\sstyle="[^"]*(?:color|background|font)/i.test(html)
/** Pictures of other servers, which are not asked for until somebody wants them. */
export const hasForeign = (html: string | undefined): boolean => !!html && /<img\b[^>]*\sdata-src="https?:/i.test(html)
