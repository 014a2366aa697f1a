/**
 * A stream of items as an HTTP body: one chunk an item, sent as it comes.
 *
 * The next item is asked for only when the client has room for it; a client that stops reading for too long, or goes
 * away, ends the stream at its actor (`return()`). An error after the first byte travels as the last part of the body.
 */
import type { ServerResponse } from 'node:http'
import { TroupeError } from '../core/errors.ts'
import { FRAMES_TYPE, LINES_TYPE } from '../actors/call-body.ts'
import { failureOf } from './error-body.ts'
import type { ExchangeOwner, HttpExchange } from './http-exchange.ts'
import { errorChunk, itemChunk } from './stream-frames.ts'

export const isStream = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value

/** A stream that nobody will read is ended at its actor. */
export function endUnread(stream: AsyncIterable<unknown>): void {
  leave(stream[Symbol.asyncIterator]())
}

// Not awaited: it may take as long as the actor's turn, and nobody is there to be told.
function leave(iterator: AsyncIterator<unknown>): void {
  void (async () => iterator.return?.())().catch(() => undefined)
}

/** Sends all of `stream`, `headers` first. Never rejects. */
export async function streamItems(
  exchange: HttpExchange, owner: ExchangeOwner, stream: AsyncIterable<unknown>, headers: string[],
): Promise<void> {
  const { response } = exchange
  const codec = exchange.wantsCodec
  const iterator = stream[Symbol.asyncIterator]()
  const onClose = (): void => leave(iterator)
  headers.push('content-type', codec ? FRAMES_TYPE : LINES_TYPE)
  exchange.writeHead(200, headers, owner.draining)
  response.flushHeaders()
  response.on('close', onClose)
  try {
    for (;;) {
      const step = await iterator.next()
      if (exchange.closed) return
      if (step.done === true) break
      if (!response.write(itemChunk(step.value, codec))) await room(response, exchange, owner)
      if (exchange.closed) return
    }
  } catch (error) {
    const failure = failureOf(error)
    if (!failure.expected) owner.log.error({ err: error, url: exchange.request.url }, 'a stream failed for a reason that nobody expected')
    leave(iterator)
    if (!exchange.closed) response.write(errorChunk(failure, codec))
  }
  response.off('close', onClose)
  if (!exchange.closed) response.end()
}

/** Waits until the client has read enough, or is gone. @throws CANCELLED after closing a connection that stalls */
function room(response: ServerResponse, exchange: HttpExchange, owner: ExchangeOwner): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      timer.cancel()
      response.off('drain', onRoom).off('close', onRoom)
      if (error === undefined) resolve()
      else reject(error)
    }
    const onRoom = (): void => settle()
    const timer = owner.clock.after(owner.stallTimeoutMs, () => {
      settle(new TroupeError('CANCELLED', `the client read nothing for ${owner.stallTimeoutMs} ms`))
      exchange.cut()
    })
    response.on('drain', onRoom).on('close', onRoom)
  })
}
