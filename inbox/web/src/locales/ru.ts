import { gathered, type Words } from "./words"

export default gathered(import.meta.glob<Words>("./ru/*.json", { eager: true, import: "default" }))
