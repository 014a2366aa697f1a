/**
 * Streams at the caller: items as they come, asked for only when the reader has room; leaving the loop ends the stream at
 * its actor.
 */
import type { IncomingMessage } from 'node:http'
import { isActorError } from '../actors/errors.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import type { CallGuard } from './client-guard.ts'
import { errorOf } from './error-body.ts'
import { isStream } from './http-stream.ts'
import { FrameReader } from './stream-frames.ts'

/** The items in the body of a reply; it can be iterated once. */
export function streamOf(response: IncomingMessage, guard: CallGuard, maxItemBytes: number): AsyncIterableIterator<unknown> {
  const items = readItems(response, guard, maxItemBytes)
  let left = false
  guard.watch(() => response.destroy(new Error('stopped by the caller')))
  // A break before anybody reads is told at the first read.
  response.on('error', () => undefined)
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      try {
        return await items.next()
      } catch (error) {
        if (left) return { done: true, value: undefined }
        throw error
      }
    },
    // Not left to the generator alone: it would wait for the item that a reader is waiting for.
    async return() {
      left = true
      guard.end()
      response.destroy()
      await items.return(undefined).catch(() => undefined)
      return { done: true, value: undefined }
    },
  }
}

async function* readItems(response: IncomingMessage, guard: CallGuard, maxItemBytes: number): AsyncGenerator<unknown, void> {
  const reader = new FrameReader(maxItemBytes)
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      for (const part of reader.read(chunk)) {
        if ('error' in part) throw errorOf(part.error, statusOf(part.error))
        yield part.item
      }
    }
    if (!reader.whole) throw new TroupeError('PEER_LOST', `${guard.what}: the stream ended in the middle of an item`)
  } catch (cause) {
    if (TroupeError.is(cause) || isActorError(cause)) throw cause
    throw guard.stopped('unknown') ?? new TroupeError('PEER_LOST', `${guard.what}: the stream broke: ${messageOf(cause)}`, { cause })
  } finally {
    guard.end()
  }
}

const statusOf = (error: unknown): number => {
  const status = (error as { status?: unknown } | null)?.status
  return typeof status === 'number' ? status : 500
}

/** A promise of a call's result; it can also be iterated, when the result is a stream. */
export type CallResult = Promise<unknown> & AsyncIterable<unknown>

/**
 * Makes a call's result iterable: the caller knows whether the method is a generator, we do not
 * before the reply. Iterating awaits the reply first.
 */
export function asStream(result: Promise<unknown>, what: string): CallResult {
  return Object.assign(result, { [Symbol.asyncIterator]: () => iterate(result, what) })
}

function iterate(result: Promise<unknown>, what: string): AsyncIterator<unknown> {
  const opened = result.then(value => {
    if (isStream(value)) return value[Symbol.asyncIterator]()
    throw new TroupeError('PROTOCOL', `${what} returned a value, not a stream; await it instead of iterating`, { executed: 'yes' })
  })
  return {
    next: async () => (await opened).next(),
    return: async () => {
      const iterator = await opened.catch(() => undefined)
      await iterator?.return?.()
      return { done: true, value: undefined }
    },
  }
}
