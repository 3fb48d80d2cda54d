import { beforeEach, expect, test, vi } from "vitest"

beforeEach(() => vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined }))
const load = () => import("./columns")

test("what was kept is read back in the list's order, own fields last, unknown words left out", async () => {
  const { toColumns } = await load()
  expect(toColumns("custom.level,last,phone,colour,custom.<b>,custom.level")).toEqual(["phone", "last", "custom.level"])
  expect(toColumns("")).toEqual([])
  expect(toColumns(null)).toContain("phone")
})

test("an export has the shown columns under the hub's names, the name first", async () => {
  const { exported } = await load()
  expect(exported(["phone", "last", "custom.level"])).toBe("name,phone,last_at,custom.level")
})
