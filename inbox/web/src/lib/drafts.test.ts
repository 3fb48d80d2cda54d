import { expect, test } from "vitest"
import { emptyDraft } from "./compose"
import { chosen, fromItem, heard, joined, nothingKept, parsed, toBody, type DraftItem, type Kept } from "./drafts"

const item = (text: string, at: string): DraftItem => ({ conversation_id: "c", updated_at: at, kind: "message", text }) as DraftItem
const mine = (text: string, changes: Partial<Kept> = {}): Kept => ({ ...nothingKept(), draft: { ...emptyDraft(), text }, dirty: true, ...changes })

test("what another page wrote is taken where nothing is lost by it", () => {
  expect(heard(nothingKept(), item("да", "1"))).toMatchObject({ draft: { text: "да" }, seen_at: "1", dirty: false })
  expect(heard(mine("нет", { dirty: false, seen_at: "1" }), item("да", "2"))).toMatchObject({ draft: { text: "да" }, seen_at: "2" })
  expect(heard(mine("да"), item("да", "2"))).toMatchObject({ seen_at: "2", dirty: false, other: null })
})

test("words that only this page has stay, and the others are shown beside them", () => {
  const kept = heard(mine("моё", { seen_at: "1" }), item("чужое", "2"))
  expect(kept).toMatchObject({ draft: { text: "моё" }, other: { text: "чужое" }, seen_at: "1", dirty: true })
  expect(chosen(kept, true)).toMatchObject({ draft: { text: "чужое" }, seen_at: "2", dirty: false, other: null })
  expect(chosen(kept, false)).toMatchObject({ draft: { text: "моё" }, seen_at: "2", dirty: true, other: null })
})

test("news of what this page itself had kept change nothing", () => {
  const kept = mine("моё и ещё", { seen_at: "2" })
  expect(heard(kept, item("моё", "2"))).toBe(kept)
})

test("sent or thrown away elsewhere, it is gone here too unless something was added", () => {
  expect(heard(mine("да", { dirty: false, seen_at: "1" }), null).draft.text).toBe("")
  expect(heard(mine("да, и ещё", { seen_at: "1" }), null)).toMatchObject({ draft: { text: "да, и ещё" }, seen_at: null, dirty: true })
  const bySms = { ...mine("да", { dirty: false, seen_at: "1" }), draft: { ...emptyDraft(), text: "да", identity_id: "phone", channel_id: "sms" } }
  expect(heard(bySms, null).draft).toMatchObject({ text: "", identity_id: "phone", channel_id: "sms" })
})

test("what is taken back goes before what was begun since", () => {
  const file = { id: "f", name: "f", type: "", size: 1 }
  expect(joined({ ...emptyDraft("note"), text: "один" }, emptyDraft())).toMatchObject({ kind: "note", text: "один" })
  expect(joined({ ...emptyDraft(), text: "один", files: [file] }, { ...emptyDraft(), text: "два", files: [file] })).toMatchObject({ text: "один\nдва", files: [file] })
})

test("a draft is the same after its way to the hub, and one of an earlier page is read", () => {
  const draft = { ...emptyDraft("note"), text: "x", subject: "Торт", identity_id: "i", channel_id: "h", reply_to: "r" }
  expect(fromItem({ conversation_id: "c", updated_at: "1", ...toBody(draft) } as DraftItem)).toEqual(draft)
  expect(parsed("просто слова")).toMatchObject({ draft: { text: "просто слова" }, dirty: true })
  expect(parsed(JSON.stringify(mine("да")))).toEqual(mine("да"))
  expect(parsed(null)).toEqual(nothingKept())
})
