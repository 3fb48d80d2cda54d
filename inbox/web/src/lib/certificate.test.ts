import { expect, test } from "vitest"
import { certificateText } from "./certificate"

test("a certificate is a line for each fact, whatever stands in it", () => {
  const text = certificateText("Акт", [{ label: "Кто просил", value: "заявка\r\nПодделка: 1" }], [{ label: "Сообщения", count: "7" }], "Готово")
  expect(text.split("\r\n")).toEqual(["Акт", "", "Кто просил: заявка Подделка: 1", "", "Сообщения: 7", "", "Готово", ""])
})
