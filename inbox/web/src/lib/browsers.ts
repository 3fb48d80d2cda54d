const BROWSERS: readonly (readonly [RegExp, string])[] = [[/YaBrowser/, "Yandex"], [/Edg\//, "Edge"], [/OPR\//, "Opera"], [/Firefox\//, "Firefox"], [/Chrome\//, "Chrome"], [/Safari\//, "Safari"]]
const SYSTEMS: readonly (readonly [RegExp, string])[] = [[/Android/, "Android"], [/iPhone|iPad/, "iOS"], [/Windows/, "Windows"], [/Mac OS X/, "macOS"], [/Linux/, "Linux"]]

/** A user agent as people say it: "Chrome, Windows"; else its first word. */
export function browserOf(agent: string): string {
  const [browser, system] = [BROWSERS, SYSTEMS].map((list) => list.find(([pattern]) => pattern.test(agent))?.[1])
  return [browser ?? agent.split(/[/ ]/)[0], system].filter(Boolean).join(", ")
}
