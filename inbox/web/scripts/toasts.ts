// The region of notices is called "Notifications (F8)" in every language; Nuxt UI's `label` does not reach it.
import type { Plugin } from "vite"

const OPENING = "<ToastViewport"

export function namedToasts(): Plugin {
  return {
    name: "named-toasts",
    enforce: "pre",
    transform(code, id) {
      if (!/nuxt\/ui\/dist\/runtime\/components\/Toaster\.vue$/.test(id)) return
      if (!code.includes(OPENING)) throw new Error("Nuxt UI's Toaster has changed: see whether its region takes our label by itself")
      return { code: code.replace(OPENING, `${OPENING} :label="props.label"`), map: null }
    },
  }
}
