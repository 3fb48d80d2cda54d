/** A form body (`a=1&b=%D0%B9`) as lines that people can read; anything else as it is. */
export function readable(text: string): string {
  if (!/^[\w.[\]%-]+=[^\s]*$/.test(text) || text.startsWith("=")) return text
  return [...new URLSearchParams(text)].map(([name, value]) => `${name} = ${value}`).join("\n")
}
