import { expect, test } from "vitest"
import { browserOf } from "./browsers"

test("a browser is called what people call it", () => {
  expect(browserOf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 YaBrowser/25.8 Safari/537.36")).toBe("Yandex, Windows")
  expect(browserOf("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Mobile Safari/604.1")).toBe("Safari, iOS")
  expect(browserOf("curl/7.88.1")).toBe("curl")
  expect(browserOf("")).toBe("")
})
