/**
 * Reading one request body: bounded, without waiting for more than was announced.
 *
 * A body that arrives in one piece with a `content-length` (nearly all do) is handed over as it is. When the limit is
 * passed, reading stops and the error is reported; what follows is the replier's business (HttpExchange closes the connection).
 */
import type { IncomingMessage } from 'node:http'
import { TroupeError } from '../core/errors.ts'

export type BodyReader = (error: TroupeError | undefined, body: Buffer | undefined) => void

/** True when the request has a body to read. */
export const hasBody = (request: IncomingMessage): boolean =>
  (request.headers['content-length'] ?? '0') !== '0' || request.headers['transfer-encoding'] !== undefined

const tooLarge = (maxBytes: number): TroupeError =>
  new TroupeError('PAYLOAD_TOO_LARGE', `the body is larger than ${maxBytes} bytes; send less, or raise the host's limit`)

/** Why the body need not be read at all, or undefined. */
export function bodyRefusal(request: IncomingMessage, maxBytes: number): TroupeError | undefined {
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    return new TroupeError('BAD_REQUEST', `invalid request: content-encoding ${JSON.stringify(encoding)} is not supported; send the body as it is`)
  }
  return Number(request.headers['content-length'] ?? 0) > maxBytes ? tooLarge(maxBytes) : undefined
}

/** Calls `done` once, with the body or with PAYLOAD_TOO_LARGE; never when the client goes away before the end of the body. */
export function readBody(request: IncomingMessage, maxBytes: number, done: BodyReader): void {
  const declared = request.headers['content-length']
  const expected = declared === undefined ? -1 : Number(declared)
  let first: Buffer | undefined
  let more: Buffer[] | undefined
  let received = 0
  const onData = (chunk: Buffer): void => {
    received += chunk.length
    if (received > maxBytes) {
      request.off('data', onData).off('end', onEnd).pause()
      return done(tooLarge(maxBytes), undefined)
    }
    if (first === undefined) first = chunk
    else (more ??= [first]).push(chunk)
    // Node's parser has checked the length: nothing can follow, so `end` need not be awaited.
    if (received === expected) {
      request.off('end', onEnd)
      done(undefined, more === undefined ? first : Buffer.concat(more, received))
    }
  }
  const onEnd = (): void => done(undefined, more === undefined ? first : Buffer.concat(more, received))
  request.on('data', onData).on('end', onEnd)
}
