/**
 * A stream whose reader asks for nothing for a minute is ended: nobody takes that for its good end, and nobody keeps it.
 * Nor does a signal that outlives its streams.
 */
import { getEventListeners } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { Actor, createHost } from 'troupe'
import { ManualClock } from '../../core/clock.ts'
import { silentLogger } from '../../core/logger.ts'
import { TroupeError } from '../../core/errors.ts'
import { READER_IDLE_MS } from '../../runtime/activation/stream-turn.ts'
import { Incoming } from '../../runtime/dispatch/incoming.ts'
import { kind } from '../../runtime/dispatch/messages.ts'
import type { Message, PeerLink } from '../../runtime/transport/transport.ts'
import { failureOf, settle } from '../unit/activation/signal.ts'

let ended = 0
class Feed extends Actor {
  async *numbers(count: number) {
    try {
      for (let i = 1; i <= count; i++) yield i
    } finally {
      ended++
    }
  }
  touch() {
    return 1
  }
}

test('a reader that comes back too late gets an error, not the end of the stream', async () => {
  const clock = new ManualClock()
  const host = await createHost({ actors: [Feed], store: 'memory:', clock })
  onTestFinished(() => { void host.stop() })
  const items = host.actor(Feed, 'a').numbers(3)[Symbol.asyncIterator]()
  expect(await items.next()).toEqual({ done: false, value: 1 })
  for (let waited = 0; waited < READER_IDLE_MS + 1_000; waited += 1_000) {
    await clock.advance(1_000)
    await settle()
  }
  expect(ended).toBe(1)
  expect(await host.actor(Feed, 'a').touch()).toBe(1)
  expect(await failureOf(items.next())).toMatchObject({ code: 'CANCELLED', executed: 'yes' })
  expect(await items.next()).toEqual({ done: true, value: undefined })
})

test('a peer that reads a stream is told of its end without asking', async () => {
  const sent: Message[] = []
  const link = { peerId: 'peer', send: (message: Message) => sent.push(message) > 0 } as unknown as PeerLink
  const stream: AsyncIterableIterator<unknown> & { onEnded?: (why: unknown) => void } = {
    [Symbol.asyncIterator]() { return this },
    next: async () => ({ done: false, value: 1 }),
  }
  const incoming = new Incoming({ route: call => call.succeed(stream), status: () => new Uint8Array(), log: silentLogger })
  incoming.receive(link, [kind.call, 7, 'Feed', 'a', 'numbers', [], 1_000, null, 0], 1)
  stream.onEnded!(new TroupeError('CANCELLED', 'over'))
  expect(sent.map(message => message.slice(0, 2))).toEqual([[kind.stream, 7], [kind.error, 7]])
  incoming.receive(link, [kind.next, 7, 1], 1)
  await settle()
  expect(sent).toHaveLength(2)
})

test('a signal that outlives its streams keeps no listener of theirs', async () => {
  const host = await createHost({ actors: [Feed], store: 'memory:' })
  onTestFinished(() => host.stop())
  const { signal } = new AbortController()
  const feed = host.actor(Feed, 'b', { signal })
  for (let i = 0; i < 3; i++) {
    for await (const item of feed.numbers(3)) if (item === i + 1) break
    for await (const item of feed.numbers(2)) expect(item).toBeGreaterThan(0)
  }
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})
