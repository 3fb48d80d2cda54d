import type { Component } from "vue"
import type { InteractionKind } from "@/api/types"
import CallBubble from "./CallBubble.vue"
import EmailBubble from "./EmailBubble.vue"
import FormBubble from "./FormBubble.vue"
import MessageBubble from "./MessageBubble.vue"
import NoteBubble from "./NoteBubble.vue"

/** A new kind of interaction does not compile until it has a bubble. */
export const bubbles = { message: MessageBubble, email: EmailBubble, call: CallBubble, form: FormBubble, note: NoteBubble } satisfies Record<InteractionKind, Component>
