/** A table as CSV that Excel opens right: semicolons, quotes doubled, a mark of the encoding, nothing that it takes for a formula. */
export function csvOf(rows: readonly (readonly string[])[]): string {
  const cell = (text: string): string => {
    const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
    return /[";\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
  }
  return `\uFEFF${rows.map((row) => row.map(cell).join(";")).join("\r\n")}\r\n`
}
export function save(name: string, text: string): void {
  const a = document.createElement("a")
  a.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }))
  a.download = name
  a.click()
  URL.revokeObjectURL(a.href)
}
