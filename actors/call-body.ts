/**
 * Argument lists and results as bytes, the same for every gateway.
 *
 * JSON: nothing = no argument, an array = the argument list, any other value = one argument. Codec bytes
 * (`application/x-msgpack`): always the argument list; they carry what JSON cannot. Any other content type is read as
 * JSON, because `curl -d 5` says that it sends a form.
 */
import { isUtf8 } from 'node:buffer'
import { decode, encode } from '../core/codec.ts'
import { TroupeError } from '../core/errors.ts'
import { jsonText } from './json-values.ts'

export const JSON_TYPE = 'application/json'
export const CODEC_TYPE = 'application/x-msgpack'
/** A stream of JSON lines. */
export const LINES_TYPE = 'application/x-ndjson'
/** A stream of frames (stream-frames.ts). */
export const FRAMES_TYPE = 'application/x-msgpack-stream'

export const MAX_JSON_DEPTH = 200

const none: readonly unknown[] = Object.freeze([])

/** True when a `content-type` or `accept` header asks for codec bytes. */
export const saysCodec = (header: string | undefined): boolean => header !== undefined && /application\/x-msgpack/i.test(header)

/** The arguments in a request body. @throws MALFORMED_BODY */
export function argumentsOf(body: Uint8Array | undefined, codec: boolean): readonly unknown[] {
  if (body === undefined || body.length === 0) return none
  if (codec) {
    const value = decode(body, 'the argument list', 'MALFORMED_BODY')
    if (Array.isArray(value)) return value
    throw malformed('codec bytes must be an array, the argument list')
  }
  const value = parseJson(body)
  return Array.isArray(value) ? value : [value]
}

/** @throws MALFORMED_BODY when the bytes are no JSON, no UTF-8, or nested deeper than 200 levels */
export function parseJson(body: Uint8Array): unknown {
  if (!isUtf8(body)) throw malformed('it is not UTF-8')
  // Before parsing: a depth of 100,000 would overflow the stack of whoever walks the value later.
  if (nestedTooDeep(body)) throw malformed(`it is nested deeper than ${MAX_JSON_DEPTH} levels`)
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()) as unknown
  } catch (error) {
    throw malformed((error as Error).message)
  }
}

const malformed = (why: string): TroupeError => new TroupeError('MALFORMED_BODY', `failed deserializing HTTP body: ${why}`)

/** Codec bytes or JSON text of a result; no bytes for undefined. @throws RESULT_NOT_ENCODABLE */
export function resultBody(value: unknown, codec: boolean): Uint8Array | string | undefined {
  if (value === undefined) return undefined
  return codec ? encode(value, 'the result', 'RESULT_NOT_ENCODABLE') : jsonText(value)
}

/** Counts open brackets outside strings; text that is no JSON may give any answer, since parsing refuses it anyway. */
function nestedTooDeep(body: Uint8Array): boolean {
  if (body.length <= 2 * MAX_JSON_DEPTH) return false
  let depth = 0
  for (let i = 0; i < body.length; i++) {
    const byte = body[i]
    if (byte === 0x22) {
      for (i++; i < body.length && body[i] !== 0x22; i++) if (body[i] === 0x5c) i++
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > MAX_JSON_DEPTH) return true
    } else if (byte === 0x5d || byte === 0x7d) {
      depth--
    }
  }
  return false
}
