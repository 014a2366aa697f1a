// Calls that take effect once, at the edges of an activation's life and of a caller's patience.
import { describe, expect, it } from 'vitest'
import { Actor, TroupeError, type ActorOptions, type Host } from 'troupe'
import type { EntryRead } from '../../../stores/actor-store.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'
import { SystemClock } from '../../../core/clock.ts'
import { AdaptedStore } from './adapted-store.ts'
import { eventually } from './eventually.ts'
import { adaptedStores, hostOf } from './running-host.ts'
import { failureOf, settle, Signal, until, watch } from './signal.ts'

const gates = new Map<string, Signal>()
const runs = new Map<string, number>()

class Safe extends Actor {
  total = 0
  add(n: number) {
    return (this.total += n)
  }
  async slowly(gate: string) {
    runs.set(gate, (runs.get(gate) ?? 0) + 1)
    await gates.get(gate)!.wait()
    return ++this.total
  }
  async hang() {
    await new Promise(() => undefined)
  }
  async round(id: string): Promise<number> {
    await this.ctx.actor(Relay, id).with({ idempotencyKey: 'r' }).back(this.ctx.id)
    return ++this.total
  }
  read() {
    return this.total
  }
  static readonly options: ActorOptions = { turnTimeout: 1000 }
}

class Relay extends Actor {
  async back(to: string): Promise<number> {
    return this.ctx.actor(Safe, to).with({ idempotencyKey: 'loop' }).round(this.ctx.id)
  }
}

class Sender extends Actor {
  sent = 0
  post(to: string, n = 1) {
    for (let i = 0; i < n; i++) this.ctx.send(Safe, to).add(1)
    this.sent++
  }
  note() {
    this.sent++
  }
}

const keyed = (host: Host, id: string, idempotencyKey: string, signal?: AbortSignal) =>
  host.actor(Safe, id).with(signal === undefined ? { idempotencyKey } : { idempotencyKey, signal })

/** Counts what it reads of inboxes. */
class CountedInbox extends AdaptedStore {
  asked = 0
  override loadEntries(reads: readonly EntryRead[]) {
    this.asked += reads.filter(({ names }) => names[0]!.startsWith('i:')).length
    return super.loadEntries(reads)
  }
}

/** Its look-ups of replies and inboxes wait, and fail when a test says so. */
class FailingLookUps extends AdaptedStore {
  #held: Signal | undefined

  holdLookUps(): () => void {
    const held = this.#held = new Signal()
    return () => held.fire()
  }
  letNewOnesPass(): void {
    this.#held = undefined
  }
  override loadEntries(reads: readonly EntryRead[]) {
    const held = this.#held
    if (held === undefined) return super.loadEntries(reads)
    return reads.map(() => held.wait().then(() => { throw new TroupeError('STORE_UNAVAILABLE', 'the store did not answer') }))
  }
}

describe('calls that take effect once', () => {
  it.each(['a keyed call', 'a send'])('are left alone at the next activation by the look-up of the one that ended: %s', async what => {
    const actors = new FailingLookUps(new MemoryActorStore())
    const host = await hostOf([Safe, Sender], { store: { actors, cluster: new MemoryClusterStore(new SystemClock()) } })
    const id = `looked up for ${what}`
    await host.actor(Safe, id).add(1)
    const failLookUp = actors.holdLookUps()
    const call = what === 'a send' ? watch(host.actor(Sender, 's').post(id)) : watch(keyed(host, id, 'k').add(1))
    await settle()
    // The activation ends; what waited for its look-up goes on to the next one, and waits there behind a turn.
    actors.letNewOnesPass()
    actors.answerNext('conflict')
    gates.set(id, new Signal())
    const lost = failureOf(host.actor(Safe, id).add(100))
    const slow = lost.then(() => host.actor(Safe, id).slowly(id))
    await until(() => runs.get(id) === 1, 'the next activation runs a turn')
    failLookUp()
    await settle()
    gates.get(id)!.fire()
    await slow
    await until(() => call.state !== 'pending', 'the call is answered')
    expect(call.state).toBe('resolved')
    await eventually(() => host.actor(Safe, id).read(), total => total === 3, 'it is applied')
    // And its mailbox still knows who waits.
    expect(await host.actor(Safe, id).add(1)).toBe(4)
  })

  it('find the next activation when theirs ended before its write did', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Safe, Sender], { store: stores })
    await host.actor(Safe, 'ended').add(1)
    const release = stores.actors.hold()
    const adding = failureOf(host.actor(Safe, 'ended').add(1))
    await stores.actors.committing(2)
    // Its turn runs while the write before it is held, and is abandoned.
    expect((await failureOf(host.actor(Safe, 'ended').hang())).code).toBe('TURN_TIMEOUT')
    const call = watch(keyed(host, 'ended', 'k').add(5))
    await settle()
    expect(call.state).toBe('pending')
    release()
    expect((await adding).code).toBe('COMMIT_UNKNOWN')
    await until(() => call.state !== 'pending', 'the keyed call is answered', 2000)
    expect(call).toMatchObject({ state: 'resolved', value: 7 })
  })

  it('wait at an actor that is stored meanwhile, and their repeats with them, and run once', async () => {
    const actors = new CountedInbox(new MemoryActorStore())
    const host = await hostOf([Safe, Sender], { store: { actors, cluster: new MemoryClusterStore(new SystemClock()) }, shardBits: 1 })
    for (const gate of ['one', 'two']) gates.set(gate, new Signal())
    const first = host.actor(Safe, 'target').slowly('one')
    const second = host.actor(Safe, 'target').slowly('two')
    // Nothing of the target is stored: the send waits behind the two turns without asking.
    await host.actor(Sender, 's').post('target')
    await settle()
    expect(actors.asked).toBe(0)
    gates.get('one')!.fire()
    await first
    // What the store holds of the sender's shard comes into doubt: its sends are read again and delivered again.
    actors.answerNext('conflict')
    await failureOf(host.actor(Sender, 's').note())
    await settle(50)
    gates.get('two')!.fire()
    await second
    await eventually(() => host.actor(Safe, 'target').read(), total => total === 3, 'the send is applied')
    await settle(50)
    expect(await host.actor(Safe, 'target').read()).toBe(3)
    expect(actors.asked).toBe(0)
  })

  it('say that they may have run when they give up waiting for one that runs', async () => {
    const host = await hostOf([Safe])
    gates.set('joined', new Signal())
    const running = keyed(host, 'joined', 'k').slowly('joined')
    await until(() => runs.get('joined') === 1, 'it runs')
    const stop = new AbortController()
    const joined = failureOf(keyed(host, 'joined', 'k', stop.signal).slowly('joined'))
    await settle()
    stop.abort()
    expect(await joined).toMatchObject({ code: 'CANCELLED', executed: 'unknown' })
    gates.get('joined')!.fire()
    expect(await running).toBe(1)
  })

  it('are a cycle when they would wait for themselves', async () => {
    const host = await hostOf([Safe, Relay])
    const error = await failureOf(host.actor(Safe, 'cycle').with({ idempotencyKey: 'loop' }).round('r'))
    expect(error.code).toBe('CALL_CYCLE')
  })

  it('reach an actor that more senders send to at once than it remembers', async () => {
    const host = await hostOf([Safe, Sender])
    await host.actor(Safe, 'hot').add(1)
    const senders = Array.from({ length: 3000 }, (_, i) => `s${i}`)
    await Promise.all(senders.map(id => host.actor(Sender, id).post('hot', 2)))
    await eventually(() => host.actor(Safe, 'hot').read(), total => total >= 6001, 'all are applied', 20_000)
    expect(await host.actor(Safe, 'hot').read()).toBe(6001)
  }, 30_000)
})
