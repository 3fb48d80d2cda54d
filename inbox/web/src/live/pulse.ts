/** After so long without a word the hub is asked for one. */
export const QUIET_MS = 20_000
/** A connection that gives none for so long is dead, whatever the browser believes: the cable may be out, the router have forgotten us. */
export const ANSWER_MS = 8_000

/** Whether a connection lives. `ask` says a word to the hub, `dead` hears that none came back; once, then the pulse has stopped. */
export class Pulse {
  private timer: ReturnType<typeof setTimeout> | undefined
  private asked = false

  constructor(
    private readonly ask: () => void,
    private readonly dead: () => void,
  ) {}

  /** Something came, or the connection was just opened. */
  heard(): void {
    this.asked = false
    this.after(QUIET_MS, () => this.doubt())
  }
  /** There is reason to think that it may be gone. */
  doubt(): void {
    if (this.asked) return
    this.ask()
    this.expect()
  }
  /** Something must come, or it is dead. */
  expect(): void {
    this.asked = true
    this.after(ANSWER_MS, () => {
      this.stop()
      this.dead()
    })
  }
  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.asked = false
  }
  private after(wait: number, act: () => void): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(act, wait)
  }
}
