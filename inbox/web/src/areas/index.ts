import type { Area, KeyHelp, MenuEntry, PaletteSource } from "./types"

const files = import.meta.glob<{ area: Area }>(["./*.ts", "!./index.ts", "!./types.ts", "!./*.test.ts"], { eager: true })

export const areas: Area[] = Object.values(files).map((file) => file.area)
export const palette: PaletteSource[] = areas.flatMap((area) => area.palette ?? [])
export const keys: KeyHelp[] = areas.flatMap((area) => area.keys ?? [])

export function menuFor(role: string | undefined): MenuEntry[] {
  const entries = areas.flatMap((area) => area.menu ?? []).filter((entry) => !entry.roles || (role !== undefined && entry.roles.includes(role)))
  return entries.sort((a, b) => a.order - b.order)
}
