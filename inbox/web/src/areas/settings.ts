import type { RouteComponent, RouteRecordRaw } from "vue-router"
import { PAGES, pagesFor } from "@/components/settings/pages"
import { i18n } from "@/i18n"
import { useSession } from "@/stores/session"
import type { Area, PaletteItem } from "./types"

// Each page is a file of its own, read when it is opened.
const views = import.meta.glob<RouteComponent>("../views/settings/*Page.vue", { import: "default" })
const viewOf = (name: string): (() => Promise<RouteComponent>) => {
  const found = views[`../views/settings/${name[0]!.toUpperCase()}${name.slice(1)}Page.vue`]
  if (!found) throw new Error(`settings have no page ${name}`)
  return found
}
const children: RouteRecordRaw[] = [
  { path: "", name: "settings", component: () => import("@/views/settings/SettingsHome.vue") },
  { path: "channels/:channel", component: () => import("@/views/settings/ChannelPage.vue"), props: true },
  ...PAGES.map((page): RouteRecordRaw => ({ path: page.name, component: viewOf(page.name) })),
]

async function findPages(words: string): Promise<PaletteItem[]> {
  const { t } = i18n.global
  const wanted = words.toLowerCase()
  return pagesFor(useSession().agent?.role)
    .map((page) => ({ id: page.name, label: t(`settings.page_${page.name}`), hint: t(`settings.page_${page.name}_hint`), icon: page.icon, to: `/settings/${page.name}` }))
    .filter((page) => `${page.label} ${page.hint}`.toLowerCase().includes(wanted))
}

export const area: Area = {
  name: "settings",
  routes: [{ path: "/settings", component: () => import("@/views/settings/SettingsView.vue"), children }],
  menu: { label: "settings.title", icon: "i-lucide-settings", to: "/settings", order: 90 },
  palette: [{ label: "settings.title", search: findPages }],
  keys: [{ press: "c", label: "settings.key_add" }],
}
