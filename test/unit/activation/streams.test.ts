// Async generator methods: items in order, commits at yields, readers that leave, throw, hurry or wait.
import { describe, expect, it } from 'vitest'
import { Actor, ActorError, type ActorOptions, type MethodOptions } from 'troupe'
import { adaptedStores, hostOf } from './running-host.ts'
import { failureOf, settle, Signal, until, watch } from './signal.ts'

class Stop extends ActorError<{ at: number }> {}
const seen: string[] = []
const never = new Signal()
const given: { signal?: AbortSignal } = {}

class Feed extends Actor {
  count = 0
  extra: unknown = undefined
  async *upTo(n: number) {
    try {
      for (let i = 1; i <= n; i++) {
        seen.push(`make ${i}`)
        yield { i }
      }
    } finally {
      seen.push('finally')
    }
  }
  async *counting(n: number, then?: string) {
    for (let i = 1; i <= n; i++) {
      this.count++
      await this.ctx.storage.put(`k${i}`, i)
      yield this.count
    }
    this.count += 100
    if (then === 'throw') throw new Stop({ at: this.count })
    if (then === 'function') this.extra = () => 1
  }
  async *waiting() {
    given.signal = this.ctx.signal
    yield 1
    await never.wait('never', 20_000)
    yield 2
  }
  async *bad() {
    yield 1
    yield (() => 1) as unknown as number
  }
  async *slyly() {
    yield 1
    this.count = 5
  }
  read() { return this.count }
  keys() { return this.ctx.storage.list() }
  touch() { return 1 }
  static readonly methods = { upTo: { readonly: true }, waiting: { readonly: true }, slyly: { readonly: true }, read: { readonly: true } } satisfies MethodOptions<Feed>
  static readonly options: ActorOptions = { turnTimeout: 150 }
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}

describe('a stream', () => {
  it('gives its items in order, by class and by name', async () => {
    const host = await hostOf([Feed])
    expect(await collect(host.actor(Feed, 'a').upTo(3))).toEqual([{ i: 1 }, { i: 2 }, { i: 3 }])
    expect(await collect(host.actor('Feed', 'a').upTo!(2))).toEqual([{ i: 1 }, { i: 2 }])
  })

  it('runs no further ahead than it is read', async () => {
    const host = await hostOf([Feed])
    seen.length = 0
    const items = host.actor(Feed, 'a').upTo(100)[Symbol.asyncIterator]()
    expect(seen).toEqual([])
    await items.next()
    await items.next()
    await settle()
    expect(seen).toEqual(['make 1', 'make 2'])
    await items.return!()
    expect(seen).toEqual(['make 1', 'make 2', 'finally'])
  })

  it('ends with its reader: finally blocks run, and writers get their turn', async () => {
    const host = await hostOf([Feed])
    seen.length = 0
    for await (const item of host.actor(Feed, 'a').upTo(100)) if (item.i === 2) break
    expect(seen).toEqual(['make 1', 'make 2', 'finally'])
    expect(await host.actor(Feed, 'a').touch()).toBe(1)
  })

  it('that writes commits at each yield, and keeps others out until it ends', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Feed], { store: stores })
    const feed = host.actor(Feed, 'a')
    const items = feed.counting(2)[Symbol.asyncIterator]()
    expect(await items.next()).toEqual({ done: false, value: 1 })
    expect(stores.actors.writes.length).toBe(1)
    const reader = watch(feed.read())
    await settle()
    expect(reader.state).toBe('pending')
    expect(await items.next()).toEqual({ done: false, value: 2 })
    expect(await items.next()).toEqual({ done: true, value: undefined })
    await until(() => reader.state === 'resolved', 'the reader ran')
    expect(reader.value).toBe(102)
    expect([...(await feed.keys()).keys()]).toEqual(['k1', 'k2'])
  })

  it('gives an item only when what came before it is durable', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Feed], { store: stores })
    const release = stores.actors.hold()
    const item = watch(host.actor(Feed, 'a').counting(2)[Symbol.asyncIterator]().next())
    await stores.actors.committing(1)
    await settle()
    expect(item.state).toBe('pending')
    release()
    await until(() => item.state === 'resolved', 'it was given')
  })

  it('fails when its commit does, and nothing of it stays', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Feed], { store: stores })
    stores.actors.answerNext('conflict')
    expect(await failureOf(collect(host.actor(Feed, 'a').counting(2)))).toMatchObject({ code: 'STORE_CONFLICT' })
    expect(await host.actor(Feed, 'a').read()).toBe(0)
  })

  it('that throws keeps what its yields committed, takes back the rest, and tells its reader', async () => {
    const host = await hostOf([Feed])
    const items: number[] = []
    const error = await failureOf((async () => { for await (const item of host.actor(Feed, 'a').counting(2, 'throw')) items.push(item) })())
    expect(items).toEqual([1, 2])
    expect(Stop.is(error) && error.data).toEqual({ at: 102 })
    expect(await host.actor(Feed, 'a').read()).toBe(2)
  })

  it('that ends with what cannot be stored tells its reader', async () => {
    const host = await hostOf([Feed])
    expect(await failureOf(collect(host.actor(Feed, 'a').counting(1, 'function')))).toMatchObject({ code: 'STATE_NOT_STORABLE', message: expect.stringContaining('extra is a function') })
    expect(await host.actor(Feed, 'a').read()).toBe(1)
  })

  it('that is readonly and changes something tells its reader', async () => {
    const host = await hostOf([Feed])
    expect(await failureOf(collect(host.actor(Feed, 'a').slyly()))).toMatchObject({ code: 'READONLY_VIOLATION' })
    expect(await host.actor(Feed, 'a').read()).toBe(0)
  })

  it('with an item that cannot travel ends there', async () => {
    const host = await hostOf([Feed])
    expect(await failureOf(collect(host.actor(Feed, 'a').bad()))).toMatchObject({ code: 'RESULT_NOT_ENCODABLE' })
    expect(await host.actor(Feed, 'a').touch()).toBe(1)
  })

  it('has the turn deadline for each item anew', async () => {
    const host = await hostOf([Feed])
    const items = host.actor(Feed, 'a').waiting()[Symbol.asyncIterator]()
    expect(await items.next()).toEqual({ done: false, value: 1 })
    expect(await failureOf(items.next())).toMatchObject({ code: 'TURN_TIMEOUT', executed: 'unknown' })
    expect(given.signal!.aborted).toBe(true)
    expect(await items.next()).toEqual({ done: true, value: undefined })
    expect(await host.actor(Feed, 'a').touch()).toBe(1)
  })

  it('tells its generator through ctx.signal that its reader left while it waits', async () => {
    const host = await hostOf([Feed])
    const controller = new AbortController()
    const items = host.actor(Feed, 'b').with({ signal: controller.signal }).waiting()[Symbol.asyncIterator]()
    await items.next()
    const second = watch(items.next())
    await settle()
    controller.abort()
    await until(() => given.signal!.aborted, 'it was told')
    expect(given.signal!.reason).toMatchObject({ code: 'CANCELLED' })
    await until(() => second.state !== 'pending', 'the item was settled')
  })
})
