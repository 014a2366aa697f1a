/**
 * The value of a storage key as it is stored: codec bytes, and before them its end if it has a time to live.
 *
 * 0xc1 begins no MessagePack value, so it marks such an end: eight bytes, a big-endian double of ms since the epoch.
 */
import { decode, encode } from '../../core/codec.ts'

const EXPIRES = 0xc1
const PREFIX_BYTES = 9

/** @throws STATE_NOT_STORABLE naming the path */
export function encodeStored(value: unknown, what: string, expiresAt: number | undefined): Uint8Array {
  const bytes = encode(value, what, 'STATE_NOT_STORABLE')
  if (expiresAt === undefined) return bytes
  const stored = Buffer.allocUnsafe(PREFIX_BYTES + bytes.length)
  stored[0] = EXPIRES
  stored.writeDoubleBE(expiresAt, 1)
  stored.set(bytes, PREFIX_BYTES)
  return stored
}

/** Ms since the epoch; undefined for a value that lasts. */
export const expiryOf = (stored: Uint8Array): number | undefined =>
  stored[0] === EXPIRES ? Buffer.from(stored.buffer, stored.byteOffset, stored.length).readDoubleBE(1) : undefined

/** @throws STATE_UNREADABLE */
export const decodeStored = (stored: Uint8Array, key: string): unknown =>
  decode(stored[0] === EXPIRES ? stored.subarray(PREFIX_BYTES) : stored, key, 'STATE_UNREADABLE')
