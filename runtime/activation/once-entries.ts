/**
 * Entries that keep calls from taking effect twice: `k:KEY` a stored reply, `i:SENDER` the last send applied from there,
 * `x:` when old ones of both are swept next. And what a key's repeats are compared by. Pure.
 */
import { createHash } from 'node:crypto'
import { encode } from '../../core/codec.ts'
import { MAX_ENTRY_NAME_BYTES } from '../../stores/actor-store.ts'

export const REPLY_PREFIX = 'k:'
export const INBOX_PREFIX = 'i:'
export const SWEEP_ENTRY = 'x:'

export const MAX_KEY_BYTES = 255
/** A sender that nothing was heard of for so long will not repeat a send whose outcome it does not know. */
export const KEEP_INBOX_MS = 30 * 24 * 60 * 60_000

/** Fingerprint, wall ms of the turn, encoded result. */
export type StoredReply = readonly [fingerprint: Uint8Array | undefined, at: number, value: Uint8Array]

export const replyEntry = (key: string): string => REPLY_PREFIX + key

/** Senders of long names are kept by their hash. */
export function inboxEntry(sender: string): string {
  const name = INBOX_PREFIX + sender
  if (name.length * 3 <= MAX_ENTRY_NAME_BYTES || Buffer.byteLength(name) <= MAX_ENTRY_NAME_BYTES) return name
  return `${INBOX_PREFIX}#${createHash('sha256').update(sender).digest('base64url')}`
}

const SHORT = 48

/** Equal for equal method and arguments. @throws NOT_ENCODABLE */
export function fingerprintOf(methodName: string, args: readonly unknown[]): Uint8Array {
  const bytes = encode([methodName, args], 'args')
  return bytes.length <= SHORT ? bytes : createHash('sha256').update(bytes).digest()
}

/** Why `key` is no idempotency key, or undefined when it is one. */
export function keyProblem(key: unknown): string | undefined {
  if (typeof key !== 'string') return `must be a string, not ${key === null ? 'null' : typeof key}`
  if (key.length === 0) return 'is empty'
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return `is longer than ${MAX_KEY_BYTES} bytes`
  if (!key.isWellFormed()) return 'holds half of a surrogate pair'
  return undefined
}
