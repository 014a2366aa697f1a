// What a host does while its lease has run out, when it gets it back, and when it was revoked. Real host, candidate and streams; a
// memory store that can be held back.
import { describe, expect, it, onTestFinished } from 'vitest'
import { Actor, createHost, TroupeError, type Host } from '../../../index.ts'
import { SystemClock } from '../../../core/clock.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'
import { until } from '../activation/signal.ts'

class SharedStore extends MemoryActorStore {
  override readonly shared = true as never
}

/** Renewals can be held back, as when the store is away for this host. */
class HeldStore extends MemoryClusterStore {
  away = false
  override async renewLease(lease: Parameters<MemoryClusterStore['renewLease']>[0]): ReturnType<MemoryClusterStore['renewLease']> {
    if (this.away) throw new TroupeError('STORE_UNAVAILABLE', 'held back by the test')
    return super.renewLease(lease)
  }
  /** While renewals are held back nobody shall take the lease. */
  keep = true
  override async revokeLease(id: string): ReturnType<MemoryClusterStore['revokeLease']> {
    return this.keep ? 'held' : super.revokeLease(id)
  }
}

const gate: { open?: () => void; begun?: () => void; aborted?: unknown } = {}

class Keeper extends Actor {
  count = 0
  #seen = 0
  add(): number {
    this.#seen++
    return ++this.count
  }
  seen(): number {
    return this.#seen
  }
  async slow(): Promise<number> {
    const { signal } = this.ctx
    signal.addEventListener('abort', () => { gate.aborted = signal.reason })
    await new Promise<void>(resolve => { gate.open = resolve; gate.begun?.() })
    return ++this.count
  }
  async slowThenCall(other: string): Promise<unknown> {
    await new Promise<void>(resolve => { gate.open = resolve; gate.begun?.() })
    return this.ctx.actor(Keeper, other).add()
  }
  static readonly methods = { seen: { readonly: true } }
}

async function started(): Promise<{ host: Host; store: HeldStore }> {
  const store = new HeldStore(new SystemClock())
  const host = await createHost({ actors: [Keeper], store: { actors: new SharedStore(), cluster: store }, hostId: 'one', leaseTtl: 400 })
  onTestFinished(() => host.stop())
  return { host, store }
}

const begun = (): Promise<void> => new Promise(resolve => { gate.begun = resolve })

/** The host asks no more: its lease has run out. */
async function runOut(host: Host, store: HeldStore): Promise<void> {
  store.away = true
  await until(() => host.hostStatus().leaseLeftMs! < 0, 'the lease has run out')
}

describe('a host whose lease has run out', () => {
  it('starts no turn, forgets nothing, and goes on when it is renewed', async () => {
    const { host, store } = await started()
    const one = host.actor(Keeper, 'one')
    await one.add()
    await runOut(host, store)
    let answered = false
    const waiting = Promise.all([one.add(), one.seen(), host.actor(Keeper, 'two').add()]).finally(() => { answered = true })
    await new Promise(resolve => setTimeout(resolve, 150))
    expect(answered).toBe(false)
    store.away = false
    expect(await waiting).toEqual([2, 2, 1])
    expect(host.phase).toBe('serving')
  })

  it('tells callers whose time is over that nothing ran, and why', async () => {
    const { host, store } = await started()
    await host.actor(Keeper, 'one').add()
    await runOut(host, store)
    const failed = await host.actor(Keeper, 'one', { timeout: 100 }).add().catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 'NO_LEASE', executed: 'no', retryable: true })
    store.away = false
    expect(await host.actor(Keeper, 'one').add()).toBe(2)
  })

  it('lets nobody wait for it for longer than 5 s', async () => {
    const { host, store } = await started()
    await host.actor(Keeper, 'one').add()
    await runOut(host, store)
    const sinceMs = performance.now()
    expect(await host.actor(Keeper, 'one').add().catch((error: unknown) => error)).toMatchObject({ code: 'NO_LEASE', executed: 'no' })
    expect(performance.now() - sinceMs).toBeLessThan(10_000)
    const nextMs = performance.now()
    expect(await host.actor(Keeper, 'one').add().catch((error: unknown) => error)).toMatchObject({ code: 'NO_LEASE', executed: 'no' })
    expect(performance.now() - nextMs).toBeLessThan(1_000)
    store.away = false
    await until(() => host.hostStatus().leaseLeftMs! > 0, 'it has its lease again')
    expect(await host.actor(Keeper, 'one').add()).toBe(2)
  }, 20_000)

  it('keeps what a running turn has left until it may store it', async () => {
    const { host, store } = await started()
    const turn = begun()
    const slow = host.actor(Keeper, 'one').slow()
    await turn
    await runOut(host, store)
    let answered = false
    void slow.finally(() => { answered = true })
    gate.open!()
    await new Promise(resolve => setTimeout(resolve, 150))
    expect(answered).toBe(false)
    store.away = false
    expect(await slow).toBe(1)
  })

  it('lets none of its turns call anybody', async () => {
    const { host, store } = await started()
    const turn = begun()
    const slow = host.actor(Keeper, 'one').slowThenCall('two')
    await turn
    await runOut(host, store)
    gate.open!()
    await expect(slow).rejects.toMatchObject({ code: 'NO_LEASE' })
    store.away = false
    expect(await host.actor(Keeper, 'two').add()).toBe(1)
  })
})

describe('a host whose lease was revoked', () => {
  it('aborts its turns, drops its memory, and serves again as a new incarnation in the same process', async () => {
    const { host, store } = await started()
    const one = host.actor(Keeper, 'one')
    await one.add()
    await one.add()
    const before = host.incarnation
    const turn = begun()
    const slow = host.actor(Keeper, 'slow').slow()
    const lost = slow.catch((error: unknown) => error)
    await turn
    gate.aborted = undefined
    await runOut(host, store)
    const waiting = one.add()
    store.keep = false
    await store.endLease(before)
    store.away = false
    expect(await lost).toMatchObject({ code: 'FENCED', executed: 'unknown' })
    expect(gate.aborted).toMatchObject({ code: 'FENCED' })
    // It had not started: it goes on in the next life, which has loaded what was stored.
    expect(await waiting).toBe(3)
    expect(await one.seen()).toBe(1)
    expect(host.incarnation).not.toBe(before)
    await until(() => host.phase === 'serving', 'it serves again')
    gate.open!()
    expect(await host.actor(Keeper, 'slow').add()).toBe(1)
  })
})
