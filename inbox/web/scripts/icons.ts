// Bundles the icons that the sources name as `i-lucide-…`, and no others: nothing is asked from an icon service.
import { readdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Plugin } from "vite"

const SOURCES = fileURLToPath(new URL("../src", import.meta.url))
const NAME = "virtual:icons"
const NAMED = /\bi-lucide-([a-z0-9-]+)/g
// Drawn by Nuxt UI's own components that the page uses.
const OF_COMPONENTS = ["x", "check", "chevron-down", "chevron-right", "loader-circle", "search", "arrow-up", "arrow-right"]

interface Collection {
  icons: Record<string, { body: string }>
  aliases: Record<string, { parent: string }>
}

export function namedIcons(folder = SOURCES): string[] {
  const names = new Set(OF_COMPONENTS)
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !/\.(vue|ts)$/.test(entry.name)) continue
    for (const [, name] of readFileSync(join(entry.parentPath, entry.name), "utf8").matchAll(NAMED)) names.add(name!)
  }
  return [...names].sort()
}

function picked(): string {
  const all = createRequire(import.meta.url)("@iconify-json/lucide/icons.json") as Collection
  const icons: Record<string, { body: string }> = {}
  for (const name of namedIcons()) {
    const icon = all.icons[name] ?? all.icons[all.aliases[name]?.parent ?? ""]
    if (!icon) throw new Error(`there is no icon i-lucide-${name}`)
    icons[name] = { body: icon.body }
  }
  return JSON.stringify({ prefix: "lucide", width: 24, height: 24, icons })
}

export function bundledIcons(): Plugin {
  return {
    name: "bundled-icons",
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load: (id) => (id === `\0${NAME}` ? `export default ${picked()}` : undefined),
  }
}
