interface Fact { label: string; value: string }
interface Count { label: string; count: string }

/** A certificate as plain text, for the file of whoever asked. */
export function certificateText(title: string, facts: readonly Fact[], counts: readonly Count[], state: string): string {
  const line = (label: string, value: string): string => `${label}: ${value.replace(/\s+/g, " ")}`
  return [title, "", ...facts.map((one) => line(one.label, one.value)), "", ...counts.map((one) => line(one.label, one.count)), "", state, ""].join("\r\n")
}
