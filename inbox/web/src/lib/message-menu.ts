/** The one menu of all messages: which of them it is open for, and where. A menu in each of five thousand bubbles would be too many. */
import { shallowRef } from "vue"
import type { Interaction } from "@/api/types"

export interface MenuPlace { item: Interaction; button: HTMLElement }
export const messageMenu = shallowRef<MenuPlace | null>(null)
