import type { RouteRecordRaw } from "vue-router"

/** A part of the page. One file src/areas/<name>.ts exports `area`; nothing else has to mention it. Its words are in locales/. */
export interface Area {
  name: string
  /** Under the shell; paths start with /<name>, which inbox/page.py must know too. */
  routes: RouteRecordRaw[]
  menu?: MenuEntry
  palette?: PaletteSource[]
  /** What `?` lists; the view itself binds them with `useKeys`. */
  keys?: KeyHelp[]
}
export interface MenuEntry {
  /** Words' key. */
  label: string
  icon: string
  to: string
  order: number
  /** Absent: for everybody. */
  roles?: readonly string[]
  /** A number beside the entry; 0 shows nothing. */
  count?: () => number
}
export interface PaletteSource {
  label: string
  search: (words: string, signal: AbortSignal) => Promise<PaletteItem[]>
}
export interface PaletteItem {
  id: string
  label: string
  hint?: string
  icon: string
  to: string
}
export interface KeyHelp {
  press: string
  label: string
}
