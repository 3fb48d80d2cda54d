import { expect, test } from "vitest"
import en from "@/locales/en/problems.json"
import ru from "@/locales/ru/problems.json"
import { inWords, type Problem, type Words } from "./problems"

const problem = (more: Partial<Problem>): Problem => ({ status: 409, code: "conflict", detail: "the task is done: open it again first", kept: "The earlier state.", do: "Read it.", reason: "", facts: {}, ...more })
function words(language: "ru" | "en"): Words {
  const at = (key: string): string | undefined => {
    const [, family, name] = key.split(".")
    return ((language === "ru" ? ru : en) as unknown as Record<string, Record<string, string>>)[family!]?.[name!]
  }
  return { language, has: (key) => at(key) !== undefined, say: (key, facts = {}) => at(key)!.replace(/\{(\w+)\}/g, (_, name: string) => String(facts[name] ?? "")) }
}

test("a named reason is said in the reader's language, with its facts", () => {
  expect(inWords(problem({ reason: "task_closed" }), words("ru")).message).toBe("Задача уже закрыта. Сначала откройте её снова")
  expect(inWords(problem({ code: "bad_request", reason: "text_long", facts: { length: 5000, most: 1000 } }), words("ru")).message).toBe("В тексте 5000 знаков, а канал берёт не больше 1000")
})

test("a field is named as the form names it; one without words by its own name", () => {
  const wrong = (field: string): string => inWords(problem({ code: "bad_request", reason: "field_wrong", facts: { field } }), words("ru")).message
  expect(wrong("capacity.call")).toBe("Поле «Нагрузка» заполнено не так")
  expect(wrong("weird[0]")).toBe("Поле «weird[0]» заполнено не так")
})

test("without a reason the code speaks in Russian, and the API itself in English", () => {
  expect(inWords(problem({}), words("ru")).message).toBe("Сейчас так нельзя: положение дел уже другое")
  expect(inWords(problem({}), words("en")).message).toBe("the task is done: open it again first")
  expect(inWords(problem({}), words("ru")).kept).toMatch(/[а-я]/)
})

test("a code of a newer hub is told as the hub tells it", () => {
  expect(inWords(problem({ code: "brand_new", detail: "new" }), words("ru"))).toEqual({ message: "new", kept: "The earlier state.", todo: "Read it." })
})

test("what is waited for is in the sentence", () => {
  expect(inWords(problem({ code: "too_many_tries", facts: { after_s: 30 } }), words("ru")).message).toContain("через 30 с")
})
