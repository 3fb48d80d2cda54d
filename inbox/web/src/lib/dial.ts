import { useToast } from "@nuxt/ui/composables"
import { ref } from "vue"
import { useI18n } from "vue-i18n"
import { call, newKey } from "@/api/client"
import { useTrouble } from "./trouble"

/** Click to call: one's own phone rings first. */
export function useDial() {
  const { t } = useI18n()
  const { tried } = useTrouble()
  const toast = useToast()
  const dialling = ref("")

  async function dial(whom: { contact_id?: string; identity?: string; number?: string }): Promise<void> {
    const name = whom.identity ?? whom.number ?? whom.contact_id ?? ""
    if (dialling.value) return
    dialling.value = name
    const ok = await tried(() => call("post", "/api/v1/calls", { body: whom, key: newKey() }))
    dialling.value = ""
    if (ok) toast.add({ title: t("work.dialling"), description: t("work.dialling_do"), color: "success", icon: "i-lucide-phone-outgoing" })
  }
  return { dial, dialling }
}
