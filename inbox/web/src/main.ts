import "./styles/main.css"
import { addCollection } from "@iconify/vue"
import ui from "@nuxt/ui/vue-plugin"
import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query"
import { createPinia } from "pinia"
import { createApp } from "vue"
import icons from "virtual:icons"
import App from "./App.vue"
import { onSignedOut, tellProblems } from "./api/client"
import { i18n, ready } from "./i18n"
import { inWords } from "./lib/problems"
import "./lib/theme"
import { router } from "./router"
import { useSession } from "./stores/session"

addCollection(icons)

const app = createApp(App)
app.use(createPinia())
// The client itself tries again; a socket keeps lists fresh, so a window that gets the focus has nothing to ask.
app.use(VueQueryPlugin, { queryClient: new QueryClient({ defaultOptions: { queries: { retry: false, refetchOnWindowFocus: false, staleTime: 30_000 } } }) })
app.use(i18n)
app.use(router)
app.use(ui)

const { t, te, locale } = i18n.global
tellProblems((problem) => inWords(problem, { language: locale.value, has: (key) => te(key), say: (key, facts) => t(key, facts ?? {}) }))
onSignedOut(() => {
  useSession().forget()
  const to = router.currentRoute.value
  if (to.name !== "sign-in") void router.push({ name: "sign-in", query: { to: to.fullPath } })
})

await ready()
app.mount("#app")
if (import.meta.env.PROD && "serviceWorker" in navigator) void navigator.serviceWorker.register("/sw.js").catch(() => undefined)
