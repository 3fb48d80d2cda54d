/** Pages of the settings, in the order of the menu. */
export interface SettingsEntry { name: string; icon: string; roles?: readonly string[] }

const ADMIN = ["admin"] as const
export const PAGES: readonly SettingsEntry[] = [
  { name: "profile", icon: "i-lucide-user" },
  { name: "canned", icon: "i-lucide-message-square-text" },
  { name: "absences", icon: "i-lucide-calendar-off" },
  { name: "team", icon: "i-lucide-activity", roles: ["supervisor", "admin"] },
  { name: "channels", icon: "i-lucide-plug", roles: ADMIN },
  { name: "agents", icon: "i-lucide-users", roles: ADMIN },
  { name: "queues", icon: "i-lucide-layers", roles: ADMIN },
  { name: "rules", icon: "i-lucide-split", roles: ADMIN },
  { name: "dispositions", icon: "i-lucide-flag", roles: ADMIN },
  { name: "fields", icon: "i-lucide-text-cursor-input", roles: ADMIN },
  { name: "company", icon: "i-lucide-building-2", roles: ADMIN },
  { name: "tokens", icon: "i-lucide-key-round", roles: ADMIN },
  { name: "erasures", icon: "i-lucide-shield-check", roles: ADMIN },
  { name: "audit", icon: "i-lucide-history", roles: ADMIN },
]
export const pagesFor = (role: string | undefined): SettingsEntry[] => PAGES.filter((page) => !page.roles || (role !== undefined && page.roles.includes(role)))
