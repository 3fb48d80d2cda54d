/** Short sounds made on the spot: no file to fetch, none to play twice at once. */
const SOUNDS = { soft: [[660, 0, 0.25, 0.05]], bell: [[880, 0, 0.5, 0.12], [1320, 0.12, 0.6, 0.08]] } as const
export type Sound = keyof typeof SOUNDS
const REST_MS = 1500
let context: AudioContext | undefined
let last = -REST_MS

export function chime(sound: Sound): void {
  if (typeof AudioContext === "undefined" || performance.now() - last < REST_MS) return
  last = performance.now()
  // Browsers keep a page silent until somebody has touched it: then it stays silent, and the title tells.
  context ??= new AudioContext()
  void context.resume().catch(() => undefined)
  for (const [pitch, begins, lasts, loud] of SOUNDS[sound]) {
    const at = context.currentTime + begins
    const [tone, volume] = [context.createOscillator(), context.createGain()]
    tone.frequency.value = pitch
    volume.gain.setValueAtTime(loud, at)
    volume.gain.exponentialRampToValueAtTime(0.0001, at + lasts)
    tone.connect(volume).connect(context.destination)
    tone.start(at)
    tone.stop(at + lasts)
  }
}
