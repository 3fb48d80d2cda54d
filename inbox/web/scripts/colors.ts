// Nuxt UI writes its colours as a <style> element while it runs, which the page's policy forbids. Its colours never
// change here, so they stand in src/styles/tokens.css, and the plugin that writes them is left out.
import type { Plugin } from "vite"

export function quietColors(): Plugin {
  return {
    name: "quiet-colors",
    enforce: "pre",
    load: (id) => (/nuxt\/ui\/dist\/runtime\/plugins\/colors\.(js|mjs)/.test(id) ? "export default () => {}" : undefined),
  }
}
