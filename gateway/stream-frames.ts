/**
 * Streams of results as bytes, both ways.
 *
 * Codec clients: a frame is a kind (1 byte: 0 item, 1 error), a length (4 bytes, big endian) and that many codec bytes;
 * the end of the HTTP body is the end of the stream, and a connection that breaks earlier is seen as such. Everybody
 * else: one JSON value a line, an error as a last line `{"error":{…}}`.
 */
import { decode, encode } from '../core/codec.ts'
import { TroupeError } from '../core/errors.ts'
import type { Failure } from './error-body.ts'
import { jsonText } from '../actors/json-values.ts'

const HEADER_BYTES = 5
const ITEM = 0
const ERROR = 1

export type StreamPart = { readonly item: unknown } | { readonly error: unknown }

function frame(kind: number, bytes: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(HEADER_BYTES + bytes.length)
  out[0] = kind
  out.writeUInt32BE(bytes.length, 1)
  out.set(bytes, HEADER_BYTES)
  return out
}

/** @throws RESULT_NOT_ENCODABLE */
export const itemChunk = (item: unknown, codec: boolean): Buffer | string =>
  codec ? frame(ITEM, encode(item, 'the stream item', 'RESULT_NOT_ENCODABLE')) : `${jsonText(item)}\n`

/** The last chunk of a stream that failed: the error's body, and its status, since the reply's own was sent long before. */
export function errorChunk(failure: Failure, codec: boolean): Buffer | string {
  const body = { ...failure.body, status: failure.status }
  try {
    return errorBytes(body, codec)
  } catch {
    // Only an author's data can be unencodable: the error itself still arrives.
    const { data: _, ...rest } = body
    return errorBytes(rest, codec)
  }
}

const errorBytes = (body: object, codec: boolean): Buffer | string =>
  codec ? frame(ERROR, encode(body, 'the error')) : `${jsonText({ error: body })}\n`

/** Cuts chunks of any size into parts; one instance a stream. */
export class FrameReader {
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #have = 0
  /** Nothing can be cut off before this many bytes are here: large items are joined once, not chunk by chunk. */
  #need = HEADER_BYTES

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The parts completed by `chunk`. @throws PROTOCOL on bytes that are no frames · RESULT_TOO_LARGE */
  read(chunk: Buffer): StreamPart[] {
    this.#chunks.push(chunk)
    this.#have += chunk.length
    if (this.#have < this.#need) return []
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#have)
    const parts: StreamPart[] = []
    let at = 0
    this.#need = HEADER_BYTES
    while (bytes.length - at >= HEADER_BYTES) {
      const kind = bytes[at]
      const length = bytes.readUInt32BE(at + 1)
      if (kind !== ITEM && kind !== ERROR) throw new TroupeError('PROTOCOL', `the stream holds an unknown frame of kind ${kind}`)
      if (length > this.#maxBytes) {
        throw new TroupeError('RESULT_TOO_LARGE', `a stream item of ${length} bytes is over the limit of ${this.#maxBytes}`)
      }
      const end = at + HEADER_BYTES + length
      if (bytes.length < end) {
        this.#need = end - at
        break
      }
      const value = decode(bytes.subarray(at + HEADER_BYTES, end), 'a stream item')
      parts.push(kind === ITEM ? { item: value } : { error: value })
      at = end
    }
    const rest = bytes.subarray(at)
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#have = rest.length
    return parts
  }

  /** True when the stream ended between two frames. */
  get whole(): boolean {
    return this.#have === 0
  }
}
