import type { components } from "./schema"

type Schemas = components["schemas"]
/** A card with all its right pane; a list has `Contact`. */
export type Card = Schemas["CardItem"]
export type Identity = Schemas["IdentityItem"]
export type Consent = Schemas["ConsentItem"]
export type ConversationBrief = Schemas["ConversationBrief"]
export type Field = Schemas["FieldItem"]
export type Suggestion = Schemas["Suggestion"]
export type CallRow = Schemas["CallItem"]
export type CallDetail = Schemas["CallDetail"]
export type Disposition = Schemas["DispositionItem"]
export type Pop = Schemas["Pop"]
export type Caller = Schemas["Caller"]
export type Task = Schemas["TaskItem"]
export type TaskBrief = Schemas["TaskBrief"]
