/** A map in this process. */
import type { BareStore } from './bare-store.ts'

export function openBareMemory(valueBytes: number): BareStore {
  const rows = new Map<string, Uint8Array>()
  return {
    servers: {},
    put: key => Promise.resolve(rows.set(key, new Uint8Array(valueBytes))),
    get: key => rows.get(key),
  }
}
