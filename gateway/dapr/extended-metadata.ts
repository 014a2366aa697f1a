/** What clients set as metadata of a host (`PUT /v1.0/metadata/KEY`, `SetMetadata`): shown to all, so bounded for all. */
import { TroupeError } from '../../core/errors.ts'
import type { DoorFacts } from './door-facts.ts'

const MOST_KEYS = 100
const MAX_KEY_BYTES = 256
export const MAX_METADATA_BYTES = 16 * 1024

/** @throws BAD_REQUEST · PAYLOAD_TOO_LARGE */
export function setExtended({ extended }: DoorFacts, key: string, value: string): void {
  if (key === '') throw new TroupeError('BAD_REQUEST', 'invalid request: invalid metadata key: it is empty')
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw new TroupeError('BAD_REQUEST', `invalid request: invalid metadata key: it is longer than ${MAX_KEY_BYTES} bytes`)
  if (Buffer.byteLength(value) > MAX_METADATA_BYTES) {
    throw new TroupeError('PAYLOAD_TOO_LARGE', `the value of metadata ${JSON.stringify(key)} is larger than ${MAX_METADATA_BYTES} bytes; set less`)
  }
  if (!extended.has(key) && extended.size >= MOST_KEYS) {
    throw new TroupeError('BAD_REQUEST', `invalid request: this host has ${MOST_KEYS} keys of metadata already; set one of them anew`)
  }
  extended.set(key, value)
}
