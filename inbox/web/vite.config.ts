import { fileURLToPath } from "node:url"
import ui from "@nuxt/ui/vite"
import vue from "@vitejs/plugin-vue"
import { defineConfig } from "vite"
import { bundledIcons } from "./scripts/icons.ts"
import { packed } from "./scripts/packed.ts"
import { quietColors } from "./scripts/colors.ts"
import { namedToasts } from "./scripts/toasts.ts"

const HUB = process.env.HUB_URL ?? "http://127.0.0.1:8080"

export default defineConfig({
  plugins: [
    quietColors(),
    namedToasts(),
    vue(),
    ui({
      colorMode: false,
      autoImport: false,
      components: false,
      ui: { colors: { primary: "teal", neutral: "slate" } },
    }),
    bundledIcons(),
    packed(),
  ],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  // Everything is a file of its own: a data: address would need an exception in the page's policy.
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false }, reportCompressedSize: false },
  server: { proxy: { "/api": HUB, "/demo-logins": HUB, "/live": { target: HUB, ws: true } } },
})
