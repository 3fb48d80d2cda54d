import { shallowReactive } from "vue"

const KEPT = "mail.images"
const MOST = 500

function read(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT) ?? "[]")
    return Array.isArray(kept) ? kept.filter((one): one is string => typeof one === "string") : []
  } catch {
    return []
  }
}
const trusted = shallowReactive(new Set(read()))
const fold = (address: string): string => address.trim().toLowerCase()

/** Senders whose pictures of other servers are always shown, on this device: each of them thereby learns what is read. */
export function useImages() {
  const isTrusted = (address: string): boolean => !!address && trusted.has(fold(address))
  function trust(address: string): void {
    trusted.add(fold(address))
    localStorage.setItem(KEPT, JSON.stringify([...trusted].slice(-MOST)))
  }
  return { isTrusted, trust }
}
