import { defineStore } from "pinia"
import { reactive } from "vue"
import { ApiError, newKey } from "@/api/client"
import { fileObstacle, type Way } from "@/lib/compose"
import { upload } from "@/lib/upload"
import { useDrafts } from "./drafts"

/** `share`: how much is there, from 0 to 1; `problem`: a word why not, its retry is worth while where `again`. */
export interface Upload { key: string; conversation: string; name: string; type: string; size: number; share: number; problem: string; again: boolean }
interface Parts { file: File; stop: AbortController; place: number }

/** Files on their way up; those that are there belong to the draft. */
export const useUploads = defineStore("uploads", () => {
  const rows = reactive(new Map<string, Upload>())
  /** Pictures that this page itself uploaded, to be seen without asking for them. */
  const previews = reactive(new Map<string, string>())
  const parts = new Map<string, Parts>()
  /** As they were picked, whichever is there first. */
  const places = new Map<string, number>()
  let last = 0
  const drafts = useDrafts()

  const of = (conversation: string): Upload[] => [...rows.values()].filter((one) => one.conversation === conversation)
  const going = (conversation: string): boolean => of(conversation).some((one) => !one.problem)

  function add(conversation: string, files: Iterable<File>, able: Way["able"] | null): void {
    for (const file of files) {
      const count = drafts.of(conversation).draft.files.length + of(conversation).length
      const problem = fileObstacle(file, count, able)
      const one: Upload = { key: newKey(), conversation, name: file.name || "image.png", type: file.type, size: file.size, share: 0, problem, again: false }
      rows.set(one.key, one)
      parts.set(one.key, { file, stop: new AbortController(), place: ++last })
      if (!problem) void start(one.key)
    }
  }
  async function start(key: string): Promise<void> {
    const [one, part] = [rows.get(key), parts.get(key)]
    if (!one || !part) return
    Object.assign(one, { problem: "", again: false, share: 0 })
    try {
      const done = await upload(part.file, (share) => void (one.share = share), part.stop.signal)
      if (part.file.type.startsWith("image/")) previews.set(done.id, URL.createObjectURL(part.file))
      forget(key)
      const { draft } = drafts.of(one.conversation)
      places.set(done.id, part.place)
      const placeOf = (id: string): number => places.get(id) ?? 0
      drafts.change(one.conversation, { files: [...draft.files, done].sort((a, b) => placeOf(a.id) - placeOf(b.id)) })
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      const kept = rows.get(key)
      if (kept) Object.assign(kept, error.status === 413 ? { problem: "big_file" } : { problem: error.status ? "refused" : "unreachable", again: true })
    }
  }
  /** Another way takes what this one did not. */
  function recheck(conversation: string, able: Way["able"] | null): void {
    for (const one of of(conversation)) {
      if (one.problem !== "no_files" && one.problem !== "big_file") continue
      one.problem = fileObstacle(one, 0, able)
      if (!one.problem) void start(one.key)
    }
  }
  function forget(key: string): void {
    rows.delete(key)
    parts.delete(key)
  }
  function remove(key: string): void {
    parts.get(key)?.stop.abort()
    forget(key)
  }
  /** Those that could not be taken are forgotten with the message they were meant for. */
  const sweep = (conversation: string): void => of(conversation).forEach((one) => one.problem && forget(one.key))
  function detach(conversation: string, id: string): void {
    const preview = previews.get(id)
    if (preview) URL.revokeObjectURL(preview)
    previews.delete(id)
    drafts.change(conversation, { files: drafts.of(conversation).draft.files.filter((file) => file.id !== id) })
  }
  return { rows, previews, of, going, add, start, remove, detach, sweep, recheck }
})
