import { expect, test } from "vitest"
import { filledIn } from "./canned"

test("variables are put in; one without a value takes its comma along; other braces stay", () => {
  const values = { name: "Пётр", agent: "Анна", company: "" }
  expect(filledIn("Здравствуйте, {name}! Это {agent}, {company}. {код}", values)).toBe("Здравствуйте, Пётр! Это Анна. {код}")
  expect(filledIn("{name}, добрый день!", { ...values, name: "" })).toBe("добрый день!")
})
