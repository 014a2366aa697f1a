/** Entries that clients add to the metadata of a host (`DoorFacts.extended`), bounded in number and size. */
import { TroupeError } from '../../core/errors.ts'
import type { DoorFacts } from './door-facts.ts'

export const MAX_ENTRIES = 256
export const MAX_KEY_BYTES = 256
export const MAX_VALUE_BYTES = 4096

/** @throws BAD_REQUEST · QUOTA_EXCEEDED */
export function setExtended({ extended }: Pick<DoorFacts, 'extended'>, key: string, value: string): void {
  if (key === '') throw bad('the key is empty; name the entry')
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw bad(`the key is longer than ${MAX_KEY_BYTES} bytes`)
  if (Buffer.byteLength(value) > MAX_VALUE_BYTES) throw bad(`the value is longer than ${MAX_VALUE_BYTES} bytes`)
  if (!extended.has(key) && extended.size >= MAX_ENTRIES) {
    throw new TroupeError('QUOTA_EXCEEDED', `metadata: there are ${MAX_ENTRIES} entries already; set one of those anew`)
  }
  extended.set(key, value)
}

const bad = (why: string): TroupeError => new TroupeError('BAD_REQUEST', `invalid request: metadata: ${why}`)
