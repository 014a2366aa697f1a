// P6: a call with an idempotency key takes effect once, and its repeats get the stored reply.
import { describe, expect, it } from 'vitest'
import { Actor, ActorError, type ActorOptions, type Host, type MethodOptions } from 'troupe'
import type { EntryChange } from '../../../stores/actor-store.ts'
import { eventually } from './eventually.ts'
import { MovedClock, Nudge } from './moved-clock.ts'
import { adaptedStores, hostOf, lmdbFolder } from './running-host.ts'
import { failureOf, settle, Signal, watch } from './signal.ts'

class Poor extends ActorError<{ missing: number }> {}

/** What turns of an id wait for, and how often one began. */
const gates = new Map<string, Signal>()
const runs = new Map<string, number>()

class Till extends Actor {
  total = 0
  #began(): void {
    runs.set(this.ctx.id, (runs.get(this.ctx.id) ?? 0) + 1)
  }
  add(n: number) {
    this.#began()
    return (this.total += n)
  }
  async slowly(n: number) {
    this.#began()
    await gates.get(this.ctx.id)?.wait()
    return (this.total += n)
  }
  give(what: unknown) {
    this.#began()
    this.total++
    return what
  }
  twice(text: string) {
    this.total++
    return [text, text]
  }
  nothing() {
    this.#began()
    this.total++
  }
  async failsFirst(times: number, how: 'actor' | 'plain') {
    this.#began()
    this.total++
    await this.ctx.storage.put('trace', 1)
    if (runs.get(this.ctx.id)! <= times) throw how === 'actor' ? new Poor({ missing: 3 }) : new Error('not now')
    return this.total
  }
  async inside(key: string, throws = false) {
    const ref = this.ctx.actor(Till, this.ctx.id).with({ idempotencyKey: key })
    const results = [await ref.add(1), await ref.add(1)]
    if (throws) throw new Error('outer')
    return results
  }
  async toOther(id: string, key: string) {
    const ref = this.ctx.actor(Till, id).with({ idempotencyKey: key })
    return [await ref.add(2), await ref.add(2)]
  }
  read() {
    this.#began()
    return this.total
  }
  async trace() {
    return this.ctx.storage.get('trace')
  }
  async *items() {
    yield 1
  }
  static readonly options: ActorOptions = { reentrancy: 'call-chain', keepReplies: '2s' }
  static readonly methods = { read: { readonly: true }, trace: { readonly: true } } satisfies MethodOptions<Till>
}

const keyed = (host: Host, id: string, idempotencyKey: string, signal?: AbortSignal) =>
  host.actor(Till, id).with(signal === undefined ? { idempotencyKey } : { idempotencyKey, signal })

describe('a call with an idempotency key', () => {
  it('runs once; its repeats get the stored reply, on this host and after a restart', async () => {
    const store = lmdbFolder()
    let host = await hostOf([Till], { store })
    expect(await keyed(host, 'a', 'k').add(5)).toBe(5)
    expect(await keyed(host, 'a', 'k').add(5)).toBe(5)
    expect(await keyed(host, 'a', 'other').add(5)).toBe(10)
    await host.stop()
    host = await hostOf([Till], { store })
    expect(await keyed(host, 'a', 'k').add(5)).toBe(5)
    expect(await keyed(host, 'a', 'other').add(5)).toBe(10)
    expect(await keyed(host, 'b', 'k').add(5)).toBe(5)
    expect(await host.actor(Till, 'a').read()).toBe(10)
  })

  it('stores its reply with the commit of its turn', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Till], { store: stores })
    await keyed(host, 'commit', 'k').add(5)
    expect(stores.actors.writes.length).toBe(1)
    expect(stores.actors.writes[0]!.head).not.toBeNull()
    expect(stores.actors.writes[0]!.entries!.map(([name]) => name).sort()).toEqual(['k:k', 'x:'])
  })

  const results: readonly [string, unknown][] = [
    ['undefined', undefined], ['null', null], ['zero', 0], ['false', false], ['text', ''], ['bigint', 12n], ['date', new Date(5)], ['map', new Map([['a', new Set([1n])]])],
    ['bytes', new Uint8Array([1, 2])], ['deep', { a: [{ b: undefined, c: NaN }] }],
  ]
  it.each(results)('gives its repeats a result of the same kind (%s), nobody else\'s object', async (name, value) => {
    const host = await hostOf([Till])
    const id = `kind ${name}`
    const [first, joined] = await Promise.all([keyed(host, id, 'k').give(value), keyed(host, id, 'k').give(value)])
    const later = await keyed(host, id, 'k').give(value)
    for (const each of [first, joined, later]) expect(each).toEqual(value)
    if (typeof value === 'object' && value !== null) expect(new Set([first, joined, later, value]).size).toBe(4)
    expect(await host.actor(Till, id).read()).toBe(1)
    expect(await keyed(host, id, 'none').nothing()).toBeUndefined()
    expect(await keyed(host, id, 'none').nothing()).toBeUndefined()
    expect(await host.actor(Till, id).read()).toBe(2)
  })

  it('shares one run with those that come while it runs, or while its commit is on its way', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Till], { store: stores })
    const open = new Signal()
    gates.set('shared', open)
    const calls = Array.from({ length: 5 }, () => keyed(host, 'shared', 'k').slowly(3))
    await settle()
    const release = stores.actors.hold()
    open.fire()
    await stores.actors.committing(1)
    const late = keyed(host, 'shared', 'k').slowly(3)
    const seen = watch(late)
    await settle()
    // Nobody is told before the commit is durable.
    expect(seen.state).toBe('pending')
    release()
    expect(await Promise.all([...calls, late])).toEqual([3, 3, 3, 3, 3, 3])
    expect(runs.get('shared')).toBe(1)
  })

  it('with other arguments, or another method, is a conflict: before, while and after it runs', async () => {
    const host = await hostOf([Till])
    const open = new Signal()
    gates.set('conflict', open)
    const running = keyed(host, 'conflict', 'k').slowly(1)
    await settle()
    const conflict = { code: 'IDEMPOTENCY_CONFLICT', executed: 'no', retryable: false }
    expect(await failureOf(keyed(host, 'conflict', 'k').slowly(2))).toMatchObject(conflict)
    open.fire()
    await running
    expect(await failureOf(keyed(host, 'conflict', 'k').slowly(2))).toMatchObject(conflict)
    expect(await failureOf(keyed(host, 'conflict', 'k').add(1))).toMatchObject(conflict)
    expect(await keyed(host, 'conflict', 'k').slowly(1)).toBe(1)
    expect(await host.actor(Till, 'conflict').read()).toBe(1)
  })

  it.each(['actor', 'plain'] as const)('that throws (%s) leaves nothing, those that joined get the error, and the next repeat runs', async how => {
    const stores = adaptedStores()
    const host = await hostOf([Till], { store: stores })
    const id = `throws ${how}`
    const errors = await Promise.all([failureOf(keyed(host, id, 'k').failsFirst(1, how)), failureOf(keyed(host, id, 'k').failsFirst(1, how))])
    for (const error of errors) {
      if (how === 'actor') expect(Poor.is(error) && error.data).toEqual({ missing: 3 })
      else expect(error).toMatchObject({ code: 'METHOD_FAILED', executed: 'yes' })
    }
    expect(stores.actors.writes).toEqual([])
    expect(await host.actor(Till, id).trace()).toBeUndefined()
    expect(await keyed(host, id, 'k').failsFirst(1, how)).toBe(1)
    expect(await keyed(host, id, 'k').failsFirst(1, how)).toBe(1)
  })

  it.each(['stored', 'not stored'] as const)('whose commit is unknown (%s) takes effect once when it is repeated', async truth => {
    const stores = adaptedStores()
    const host = await hostOf([Till], { store: stores })
    await host.actor(Till, truth).add(1)
    if (truth === 'stored') stores.actors.storeAndAnswer('unknown')
    else stores.actors.answerNext('unknown')
    const lost = await Promise.all([failureOf(keyed(host, truth, 'k').add(5)), failureOf(keyed(host, truth, 'k').add(5))])
    for (const error of lost) expect(error).toMatchObject({ code: 'COMMIT_UNKNOWN', executed: 'unknown' })
    expect(await keyed(host, truth, 'k').add(5)).toBe(6)
    expect(await host.actor(Till, truth).read()).toBe(6)
  })

  it('goes on for those that joined when its first caller gives up, before or after it began', async () => {
    const host = await hostOf([Till])
    const busy = new Signal()
    gates.set('gives up', busy)
    const before = host.actor(Till, 'gives up').slowly(1)
    await settle()
    const abort = new AbortController()
    const first = failureOf(keyed(host, 'gives up', 'k', abort.signal).add(2))
    const joined = keyed(host, 'gives up', 'k').add(2)
    const third = keyed(host, 'gives up', 'k').add(2)
    await settle()
    abort.abort()
    expect(await first).toMatchObject({ code: 'CANCELLED', executed: 'no' })
    busy.fire()
    expect(await Promise.all([before, joined, third])).toEqual([1, 3, 3])

    const open = new Signal()
    gates.set('gives up', open)
    const abortLater = new AbortController()
    const running = failureOf(keyed(host, 'gives up', 'k2', abortLater.signal).slowly(5))
    const waits = keyed(host, 'gives up', 'k2').slowly(5)
    await settle()
    abortLater.abort()
    expect(await running).toMatchObject({ code: 'CANCELLED', executed: 'unknown' })
    open.fire()
    expect(await waits).toBe(8)
    expect(await keyed(host, 'gives up', 'k2').slowly(5)).toBe(8)
  })

  it('that all gave up before it began does not run', async () => {
    const host = await hostOf([Till])
    const busy = new Signal()
    gates.set('all', busy)
    const before = host.actor(Till, 'all').slowly(1)
    await settle()
    const abort = new AbortController()
    const calls = [1, 2, 3].map(() => failureOf(keyed(host, 'all', 'k', abort.signal).add(2)))
    await settle()
    abort.abort()
    for (const call of calls) expect(await call).toMatchObject({ code: 'CANCELLED', executed: 'no' })
    busy.fire()
    await before
    expect(await host.actor(Till, 'all').read()).toBe(1)
    expect(await keyed(host, 'all', 'k').add(2)).toBe(3)
  })

  it('that finds no place in the mailbox is refused, with those that joined it, and may be repeated', async () => {
    class Narrow extends Till {
      static readonly type = 'Narrow'
      static override readonly options: ActorOptions = { mailbox: 1 }
    }
    const host = await hostOf([Narrow])
    const open = new Signal()
    gates.set('narrow', open)
    const running = host.actor(Narrow, 'narrow').slowly(1)
    await settle()
    const waiting = host.actor(Narrow, 'narrow').add(1)
    const ref = host.actor(Narrow, 'narrow').with({ idempotencyKey: 'k' })
    for (const error of await Promise.all([failureOf(ref.add(1)), failureOf(ref.add(1))])) expect(error).toMatchObject({ code: 'MAILBOX_FULL', executed: 'no', retryable: true })
    open.fire()
    await Promise.all([running, waiting])
    expect(await ref.add(1)).toBe(3)
  })

  it('that finds no place is refused with the thousand that joined it', async () => {
    class Wide extends Till {
      static readonly type = 'Wide'
      static override readonly options: ActorOptions = { mailbox: 3_000 }
    }
    const host = await hostOf([Wide])
    const open = new Signal()
    gates.set('wide', open)
    await host.actor(Wide, 'wide').add(1)
    const running = host.actor(Wide, 'wide').slowly(1)
    const waiting = Array.from({ length: 3_000 }, () => host.actor(Wide, 'wide').add(0))
    const ref = host.actor(Wide, 'wide').with({ idempotencyKey: 'k' })
    const refused = Array.from({ length: 3_000 }, () => failureOf(ref.add(1)))
    for (const error of await Promise.all(refused)) expect(error.code).toBe('MAILBOX_FULL')
    open.fire()
    await Promise.all([running, ...waiting])
    expect(await ref.add(1)).toBe(3)
  })

  it('whose result is too large to travel again is refused, wherever its first caller is', async () => {
    const host = await hostOf([Till], { maxPayloadBytes: 10_000 })
    const text = 'x'.repeat(9_000)
    expect(await host.actor(Till, 'large').give(text)).toBe(text)
    expect(await keyed(host, 'large', 'fits').give(text)).toBe(text)
    expect(await failureOf(keyed(host, 'large', 'k').twice(text))).toMatchObject({ code: 'RESULT_TOO_LARGE', executed: 'yes' })
    expect(await host.actor(Till, 'large').read()).toBe(2)
  })

  it('on a readonly method runs each time and stores nothing; on a stream it is refused', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Till], { store: stores })
    await keyed(host, 'readonly', 'k').read()
    await keyed(host, 'readonly', 'k').read()
    expect(runs.get('readonly')).toBe(2)
    expect(stores.actors.writes).toEqual([])
    const stream = keyed(host, 'readonly', 'k').items()
    expect(await failureOf(stream[Symbol.asyncIterator]().next())).toMatchObject({ code: 'BAD_REQUEST', executed: 'no' })
  })

  it('from within a turn of the same actor, and of another one', async () => {
    const host = await hostOf([Till])
    expect(await host.actor(Till, 'nest').inside('k')).toEqual([1, 1])
    expect(await host.actor(Till, 'nest').inside('k')).toEqual([1, 1])
    // A nested turn that was answered stays true though the outer one throws.
    await failureOf(host.actor(Till, 'nest').inside('k3', true))
    expect(await keyed(host, 'nest', 'k3').add(1)).toBe(2)
    expect(await host.actor(Till, 'nest').toOther('other', 'k')).toEqual([2, 2])
    expect(await host.actor(Till, 'other').read()).toBe(2)
  })

  it('of a wrong form is refused', async () => {
    const host = await hostOf([Till])
    for (const key of ['', 'x'.repeat(256), '\ud800', 5, null]) {
      expect(await failureOf(host.call({ type: 'Till', id: 'a', method: 'add', args: [1], idempotencyKey: key as string })), String(key)).toMatchObject({ code: 'BAD_REQUEST', executed: 'no' })
      expect(() => host.actor(Till, 'a').with({ idempotencyKey: key as string })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
    }
    expect(await host.actor(Till, 'a').with({ idempotencyKey: 'ключ 🔑' }).add(1)).toBe(1)
    expect(await host.actor(Till, 'a').with({ idempotencyKey: 'ключ 🔑' }).add(1)).toBe(1)
  })
})

describe('stored replies', () => {
  it('are kept for keepReplies, then swept with the rows of senders long gone', async () => {
    const stores = adaptedStores()
    const clock = new MovedClock()
    const host = await hostOf([Till, Nudge, Sender], { store: stores, clock })
    await host.actor(Sender, 'old').send('swept')
    await eventually(() => host.actor(Till, 'swept').read(), total => total === 1, 'the send came')
    for (let i = 0; i < 30; i++) await keyed(host, 'swept', `k${i}`).add(1)
    await clock.jump(1_500, host)
    expect(await keyed(host, 'swept', 'k0').add(1)).toBe(2)
    expect(await keyed(host, 'swept', 'young').add(1)).toBe(32)
    await clock.jump(600, host)
    // Old, whether it was swept by now or not.
    expect(await keyed(host, 'swept', 'k0').add(1)).toBe(33)
    expect(await keyed(host, 'swept', 'young').add(1)).toBe(32)
    await eventually(async () => left(stores.actors.writes), names => names.filter(n => n.startsWith('k:')).length === 2, 'the others are gone')
    expect(left(stores.actors.writes).sort()).toEqual(['i:Sender/old', 'k:k0', 'k:young', 'x:'])
    for (let day = 0; day < 2; day++) await clock.jump(16 * 86_400_000, host)
    await eventually(async () => left(stores.actors.writes), names => names.length === 0, 'all are gone')
    // The actor begins to keep replies anew.
    await keyed(host, 'swept', 'again').add(1)
    expect(left(stores.actors.writes).sort()).toEqual(['k:again', 'x:'])
  })

  /** Entries that the store holds of the actor `swept`, by what was committed. */
  function left(writes: readonly { readonly id: string; readonly entries?: readonly EntryChange[] }[]): string[] {
    const entries = new Map<string, Uint8Array | null>()
    for (const write of writes) if (write.id === 'swept') for (const [name, value] of write.entries ?? []) entries.set(name, value)
    return [...entries].filter(([, value]) => value !== null).map(([name]) => name)
  }
})

class Sender extends Actor {
  send(to: string) {
    this.ctx.send(Till, to).add(1)
  }
}
