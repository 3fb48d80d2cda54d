import { defineStore } from "pinia"
import { ref } from "vue"
import { call } from "@/api/client"

/** Whether this is the demo workspace, and the buttons of its simulated telephone. */
export const useDemo = defineStore("demo", () => {
  const on = ref(false)
  const pressed = ref<Record<string, "answer" | "hang_up">>({})

  async function load(): Promise<void> {
    const found = await call("get", "/api/v1/demo").catch(() => null)
    on.value = !!found?.demo
  }
  async function press(id: string, button: "answer" | "hang_up"): Promise<void> {
    await call("post", "/api/v1/demo/phone", { body: { call_id: id, press: button } })
    pressed.value = { ...pressed.value, [id]: button }
  }
  void load()
  return { on, pressed, load, press }
})
