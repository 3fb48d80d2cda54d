export const TASK_KINDS = ["todo", "call_back", "meeting", "complaint"] as const
export type TaskKind = (typeof TASK_KINDS)[number]
export const TASK_ICONS: Record<string, string> = { todo: "i-lucide-square-check", call_back: "i-lucide-phone-missed", meeting: "i-lucide-users", complaint: "i-lucide-triangle-alert" }
