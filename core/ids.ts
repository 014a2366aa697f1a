/**
 * Names of actors: which are legal, and which shard they fall into.
 *
 * Rules of names are those of the Dapr API (types and ids may hold `|`, `@`, `:`, spaces and any Unicode; never
 * `/ \ # ?`, control characters, `.` or `..`), plus a length. Ids are compared code unit by code unit: no
 * normalisation, so NFC and NFD spellings are two actors, and nothing is ever joined with a separator that an id may
 * contain. The shard is the high bits of a 32-bit hash of (type, id), so that a shard can be split later.
 */
import { TroupeError } from './errors.ts'

export const MAX_ID_BYTES = 1024
export const MAX_NAME_BYTES = 256

/** One actor: its type and id. */
export interface ActorKey {
  readonly type: string
  readonly id: string
}

// eslint-disable-next-line no-control-regex
const illegal = /[\u0000-\u001f\u007f/\\#?]/
const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

/** Why `value` is no legal name, or undefined when it is one. */
export function nameProblem(value: unknown, maxBytes: number): string | undefined {
  if (typeof value !== 'string') return `must be a string, not ${value === null ? 'null' : typeof value}`
  if (value.length === 0) return 'is empty'
  // 3 bytes is the most a UTF-16 code unit takes in UTF-8: short names need no counting.
  if (value.length * 3 > maxBytes && Buffer.byteLength(value) > maxBytes) return `is longer than ${maxBytes} bytes`
  if (value === '.' || value === '..') return `is '${value}'`
  if (illegal.test(value)) return 'holds a character of / \\ # ? or a control character'
  if (loneSurrogate.test(value)) return 'holds half of a surrogate pair'
  return undefined
}

function checkName(what: string, value: unknown, maxBytes: number): void {
  const problem = nameProblem(value, maxBytes)
  if (problem !== undefined) {
    const shown = typeof value === 'string' ? ` (${JSON.stringify(value.slice(0, 60))})` : ''
    throw new TroupeError('BAD_REQUEST', `invalid request: invalid ${what}: it ${problem}${shown}`)
  }
}

/** @throws BAD_REQUEST when `type` is no legal actor type. */
export const checkType = (type: unknown): void => checkName('actorType', type, MAX_NAME_BYTES)
/** @throws BAD_REQUEST when `id` is no legal actor id. */
export const checkId = (id: unknown): void => checkName('actorId', id, MAX_ID_BYTES)

/** Longest key of storage. */
export const MAX_KEY_BYTES = 256

/** Keys of an actor's storage may hold anything that is text. @throws BAD_REQUEST */
export function checkKey(key: unknown): void {
  if (typeof key === 'string' && key.length > 0 && Buffer.byteLength(key) <= MAX_KEY_BYTES && key.isWellFormed()) return
  throw new TroupeError('BAD_REQUEST', `storage keys are strings of 1 to ${MAX_KEY_BYTES} bytes`, { data: { problem: nameProblem(key, MAX_KEY_BYTES) } })
}

/** @throws BAD_REQUEST when `name` is no legal name of a method, reminder or timer; `what` says which. */
export const checkMember = (what: 'method' | 'reminder' | 'timer', name: unknown): void => checkName(what, name, MAX_NAME_BYTES)

/** `Type/id` for messages and logs. */
export const showKey = (key: ActorKey): string => `${key.type}/${key.id}`

/** Murmur3's 32-bit mixing over UTF-16 code units; `seed` chains several strings without joining them. */
export function hash32(text: string, seed = 0): number {
  let h = seed | 0
  for (let i = 0; i < text.length; i++) {
    let k = Math.imul(text.charCodeAt(i), 0xcc9e2d51)
    k = (k << 15) | (k >>> 17)
    h ^= Math.imul(k, 0x1b873593)
    h = (h << 13) | (h >>> 19)
    h = (Math.imul(h, 5) + 0xe6546b64) | 0
  }
  h ^= text.length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Shard of `key` within a type: `typeSeed` is `hash32(type)`, `bits` the cluster's shard bits (10 = 1,024 shards). */
export const shardOf = (typeSeed: number, key: string, bits: number): number =>
  bits === 0 ? 0 : hash32(key, typeSeed) >>> (32 - bits)
