import { useToast } from "@nuxt/ui/composables"
import { ref } from "vue"
import { useI18n } from "vue-i18n"
import { call } from "@/api/client"
import type { Contact } from "@/api/types"
import { nameOf } from "./people"
import { useTrouble } from "./trouble"

const UNDO_MS = 15_000

/** Merging from anywhere: done, told, and undone with one click while one sees it. `after`: once a merge was undone. */
export function useMerge(after: () => void = () => undefined) {
  const { t } = useI18n()
  const { tried } = useTrouble()
  const toast = useToast()
  const busy = ref("")

  async function undo(mergeId: string): Promise<void> {
    if (busy.value) return
    busy.value = mergeId
    const done = await tried(() => call("post", "/api/v1/merges/{merge_id}/undo", { path: { merge_id: mergeId } }))
    busy.value = ""
    if (!done) return
    toast.add({ title: t("contacts.undone"), description: t("contacts.undone_do"), color: "success", icon: "i-lucide-undo-2" })
    after()
  }
  /** Answers with the card both are on now; null where it was refused, which was told. */
  async function merge(into: Contact, other: Contact, take: string[]): Promise<Contact | null> {
    if (busy.value) return null
    busy.value = into.id
    let card: Contact | null = null
    await tried(async () => {
      const done = await call("post", "/api/v1/contacts/{contact_id}/merge", { path: { contact_id: into.id }, body: { other_id: other.id, take } })
      card = done.contact
      toast.add({
        title: t("contacts.merged"),
        description: t("contacts.merged_do", { name: nameOf(done.contact, t("contacts.unnamed")) }),
        color: "success", icon: "i-lucide-merge", duration: UNDO_MS,
        actions: [{ label: t("work.undo"), icon: "i-lucide-undo-2", color: "neutral", variant: "outline", onClick: () => void undo(done.merge_id) }],
      })
    })
    busy.value = ""
    return card
  }
  return { busy, merge, undo }
}
