/** Refusals of the hub in the reader's language: by their code and, where there is one, the named reason with its facts. */
export interface Problem {
  status: number
  code: string
  detail: string
  kept: string
  do: string
  reason: string
  facts: Record<string, string | number>
}
export interface Said { message: string; kept: string; todo: string }
/** The page's words: whether there are some under a key, and what they say with these facts. */
export interface Words { language: string; has: (key: string) => boolean; say: (key: string, facts?: Record<string, string | number>) => string }

const leaf = (path: string): string => path.split(/[.[]/)[0] ?? path

/** `field` of the facts is a name of the API's: people read the form's. */
function factsOf(problem: Problem, words: Words): Record<string, string | number> {
  const field = String(problem.facts.field ?? "")
  const key = `problems.field.${leaf(field)}`
  return field && words.has(key) ? { ...problem.facts, field: words.say(key) } : problem.facts
}

/** What has no words here is told as the API told it; so is English without a reason, as the API's sentence says more. */
export function inWords(problem: Problem, words: Words): Said {
  const { code, reason } = problem
  if (!words.has(`problems.said.${code}`)) return { message: problem.detail, kept: problem.kept, todo: problem.do }
  const key = reason && words.has(`problems.reason.${reason}`) ? `problems.reason.${reason}` : ""
  const plain = words.language === "en" && problem.detail ? problem.detail : words.say(`problems.said.${code}`, problem.facts)
  return { message: key ? words.say(key, factsOf(problem, words)) : plain, kept: words.say(`problems.kept.${code}`), todo: words.say(`problems.do.${code}`) }
}
