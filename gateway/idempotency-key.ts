/**
 * Idempotency keys as they arrive at doors: 1 to 255 visible ASCII characters.
 *
 * The IETF draft of the header (draft-ietf-httpapi-idempotency-key-header) has its value in double quotes: `"abc"` and
 * `abc` are the same key. What a key does is the host's business.
 */
import { TroupeError } from '../core/errors.ts'

export const MAX_KEY_BYTES = 255

/** Why `key` is none, or undefined when it is one. */
export function keyProblem(key: unknown): string | undefined {
  if (typeof key !== 'string') return 'it must be a string'
  if (key === '') return 'it is empty'
  if (key.length > MAX_KEY_BYTES) return `it is longer than ${MAX_KEY_BYTES} bytes`
  return /^[\x21-\x7e]+$/.test(key) ? undefined : 'it must be visible ASCII without spaces'
}

/** The key in a header's value; undefined when there is no header. @throws BAD_REQUEST */
export function readKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  const text = String(header).trim()
  const key = text.startsWith('"') ? unquoted(text) : text
  const problem = key === undefined ? 'it begins with a quote and is no quoted string' : keyProblem(key)
  if (problem === undefined) return key
  throw badKey(`${problem} (${JSON.stringify(text.slice(0, 60))}); give 1 to ${MAX_KEY_BYTES} characters, such as a UUID`)
}

/** A string of structured fields (RFC 8941, 3.3.3): only `"` and `\` are escaped. */
function unquoted(text: string): string | undefined {
  const inner = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text)?.[1]
  return inner?.replace(/\\(["\\])/g, '$1')
}

/** What a request without a call gets that brings a key: nothing would keep it. @throws BAD_REQUEST */
export function refuseKey(header: unknown): void {
  if (header !== undefined) throw badKey('this is no call of a method, and only those take one; leave it out')
}

const badKey = (why: string): TroupeError => new TroupeError('BAD_REQUEST', `invalid request: idempotency-key: ${why}`)
