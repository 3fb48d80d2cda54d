import { computed, watch } from "vue"
import type { Conversation } from "@/api/types"
import { mentionsIn } from "@/lib/caret"
import { emptyDraft, isBlank, obstacleOf, pickWay, type Draft, type Obstacle, type Way } from "@/lib/compose"
import { habits, loadUndo, undoSeconds } from "@/lib/composing"
import { useAgents } from "@/stores/directory"
import { useDrafts } from "@/stores/drafts"
import { useInteractions } from "@/stores/interactions"
import { useUploads } from "@/stores/uploads"
import { useWays } from "@/stores/ways"

/** What is being written in a conversation, by which way it would go, and whether it can. */
export function useComposer(row: () => Conversation) {
  const drafts = useDrafts()
  const store = useInteractions()
  const uploads = useUploads()
  const ways = useWays()
  const agents = useAgents()
  const id = computed(() => row().id)
  const kept = computed(() => drafts.rows.get(id.value))
  const draft = computed<Draft>(() => kept.value?.draft ?? emptyDraft())
  const known = computed(() => ways.rows.get(row().contact_id))
  const way = computed(() => (known.value ? pickWay(known.value, draft.value, row()) : null))
  const own = computed(() => !way.value || (way.value.identity_id === row().identity_id && way.value.channel_id === row().channel_id))
  /** Why it can't go; "no_way": by no address. While that is not known yet, one writes as to any message. */
  const obstacle = computed<Obstacle | "no_way">(() => {
    if (draft.value.kind === "note" || !known.value) return ""
    return way.value ? obstacleOf(way.value, draft.value) : "no_way"
  })
  const uploading = computed(() => uploads.going(id.value))
  const ready = computed(() => !isBlank(draft.value) && !uploading.value && !obstacle.value)

  watch(() => [id.value, row().contact_id] as const, ([conversation, contact]) => {
    drafts.of(conversation)
    void ways.load(contact).catch(() => undefined)
  }, { immediate: true })

  void loadUndo().catch(() => undefined)

  const set = (changes: Partial<Draft>): void => drafts.change(id.value, changes)
  const take = (one: Way): void => set({ identity_id: one.identity_id, channel_id: one.channel_id })
  /** On its way: the field is empty at once, the message on the screen. `meta`: a template, which needs no text. */
  async function send({ send_at = null, meta = {} }: { send_at?: string | null; meta?: Record<string, unknown> } = {}): Promise<boolean> {
    if (!ready.value && !meta.template) return false
    const conversation = id.value
    const now = draft.value
    const note = now.kind === "note"
    const to = note || own.value || !way.value ? { identity_id: null, channel_id: null } : { identity_id: way.value.identity_id, channel_id: way.value.channel_id }
    const copy: Draft = { ...now, ...to, files: now.files.map((file) => ({ ...file })), reply_to: way.value?.able.reply_to && own.value ? now.reply_to : null }
    const mentions = note ? mentionsIn(now.text, [...agents.rows.values()]) : []
    uploads.sweep(conversation)
    await drafts.clear(conversation)
    store.send(conversation, copy, { mentions, meta, send_at, hold_s: !note && habits.undo && !send_at ? undoSeconds.value : 0 })
    return true
  }
  return { id, kept, draft, ways: known, way, own, obstacle, uploading, ready, set, take, send }
}
