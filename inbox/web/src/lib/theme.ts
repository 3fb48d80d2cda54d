import { computed, ref, watchEffect } from "vue"

export type Theme = "light" | "dark" | "system"
const THEMES: readonly Theme[] = ["system", "light", "dark"]
const kept = localStorage.getItem("theme") as Theme | null
export const theme = ref<Theme>(kept && THEMES.includes(kept) ? kept : "system")
const system = matchMedia("(prefers-color-scheme: dark)")
const systemDark = ref(system.matches)
system.addEventListener("change", (event) => (systemDark.value = event.matches))

export const isDark = computed(() => theme.value === "dark" || (theme.value === "system" && systemDark.value))

watchEffect(() => {
  document.documentElement.classList.toggle("dark", isDark.value)
  localStorage.setItem("theme", theme.value)
})

export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length]!
}
