/**
 * Reading one request body: bounded, without waiting for more than was announced.
 *
 * A body that arrives in one piece with a `content-length` (nearly all do) is handed over as it is. Larger ones are held
 * while they are read, and all of them together are bounded too (P7). When a limit is passed, reading stops and the error
 * is reported; what follows is the replier's business (HttpExchange closes the connection).
 */
import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import { TroupeError } from '../core/errors.ts'

export type BodyReader = (error: TroupeError | undefined, body: Buffer | undefined) => void

/** True when the request has a body to read. */
export const hasBody = (request: IncomingMessage): boolean => request.httpVersionMajor === 2
  ? !(request as unknown as Http2ServerRequest).stream.endAfterHeaders
  : (request.headers['content-length'] ?? '0') !== '0' || request.headers['transfer-encoding'] !== undefined

const tooLarge = (maxBytes: number): TroupeError =>
  new TroupeError('PAYLOAD_TOO_LARGE', `the body is larger than ${maxBytes} bytes; send less, or raise the host's limit`)

/** Why the body need not be read at all, or undefined. `anyEncoding`: it is only passed on. */
export function bodyRefusal(request: IncomingMessage, maxBytes: number, anyEncoding = false): TroupeError | undefined {
  const encoding = anyEncoding ? undefined : request.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    const shown = JSON.stringify(encoding.slice(0, 60))
    return new TroupeError('BAD_REQUEST', `invalid request: content-encoding ${shown} is not supported; send the body as it is`)
  }
  return Number(request.headers['content-length'] ?? 0) > maxBytes ? tooLarge(maxBytes) : undefined
}

/** Bytes of bodies that are being read, of all requests together. */
export class BodyBudget {
  readonly #maxBytes: number
  #held = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** False when there is no room for them. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#maxBytes) return false
    this.#held += bytes
    return true
  }

  give(bytes: number): void {
    this.#held -= bytes
  }
}

const RETRY_MS = 500

const noRoom = (): TroupeError =>
  new TroupeError('OVERLOADED', 'this host reads too many large bodies at once', { retryAfterMs: RETRY_MS })

/**
 * Calls `done` once: with the body, with PAYLOAD_TOO_LARGE or with OVERLOADED. Never when the client goes away before the
 * end of the body.
 */
export function readBody(request: IncomingMessage, maxBytes: number, budget: BodyBudget, done: BodyReader): void {
  const declared = request.headers['content-length']
  const expected = declared === undefined ? -1 : Number(declared)
  let first: Buffer | undefined
  let more: Buffer[] | undefined
  let received = 0
  let held = 0
  let finished = false
  const onData = (chunk: Buffer): void => {
    received += chunk.length
    if (received > maxBytes) return finish(tooLarge(maxBytes))
    if (received === chunk.length) {
      first = chunk
    } else {
      // Held from the second piece on: one piece is no more than the socket's own buffer.
      if (!budget.take(received - held)) return finish(noRoom())
      held = received
      if (more === undefined) {
        more = [first!]
        request.on('close', giveBack)
      }
      more.push(chunk)
    }
    // Node's parser has checked the length: nothing can follow, so `end` need not be awaited.
    if (received === expected) finish(undefined)
  }
  const onEnd = (): void => {
    if (!finished) finish(undefined)
  }
  const giveBack = (): void => {
    budget.give(held)
    held = 0
  }
  const finish = (error: TroupeError | undefined): void => {
    // Taking off listeners costs more than the flag: it is done only where more data may come.
    finished = true
    if (error !== undefined) request.off('data', onData).pause()
    const body = error !== undefined ? undefined : more === undefined ? first : Buffer.concat(more, received)
    if (more !== undefined) request.off('close', giveBack)
    giveBack()
    done(error, body)
  }
  request.on('data', onData).on('end', onEnd)
}
