import { useToast } from "@nuxt/ui/composables"
import { useI18n } from "vue-i18n"
import { ApiError } from "@/api/client"

/** Tells a refusal to whoever asked: what happened, what was kept, what to do. */
export function useTrouble() {
  const toast = useToast()
  const { t } = useI18n()

  function show(error: unknown): void {
    if (!(error instanceof ApiError)) throw error
    toast.add({
      title: error.message,
      description: [error.kept, error.todo, error.code === "internal" && error.requestId ? t("problems.request", { id: error.requestId }) : ""].filter(Boolean).join(" "),
      color: "error",
      icon: "i-lucide-circle-alert",
    })
  }
  /** False: it was refused, and that was told. */
  async function tried(act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act()
      return true
    } catch (error) {
      show(error)
      return false
    }
  }
  return { show, tried }
}
