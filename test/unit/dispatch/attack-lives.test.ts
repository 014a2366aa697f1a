// What must not cross from one life of a host to the next, and what must: turns of reminders, calls that wait, doors that ask about
// types. Real host, candidate and streams; a memory store that can be held back.
import { describe, expect, it, onTestFinished } from 'vitest'
import { Actor, createHost, TroupeError, type Host } from '../../../index.ts'
import { SystemClock } from '../../../core/clock.ts'
import type { HostOptions } from '../../../runtime/host-options.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'
import { Signal, until } from '../activation/signal.ts'

class SharedStore extends MemoryActorStore {
  override readonly shared = true as never
}

/** Renewals can be held back, and looks at the leader row too; a lease can be kept from being revoked. */
class HeldStore extends MemoryClusterStore {
  away = false
  keep = false
  override async renewLease(lease: Parameters<MemoryClusterStore['renewLease']>[0]): ReturnType<MemoryClusterStore['renewLease']> {
    if (this.away) throw new TroupeError('STORE_UNAVAILABLE', 'held back by the test')
    return super.renewLease(lease)
  }
  override async revokeLease(id: string): ReturnType<MemoryClusterStore['revokeLease']> {
    return this.keep ? 'held' : super.revokeLease(id)
  }
}

const turn: { begun: Signal; end: Signal; aborted: unknown } = { begun: new Signal(), end: new Signal(), aborted: undefined }
const newTurn = (): void => { Object.assign(turn, { begun: new Signal(), end: new Signal(), aborted: undefined }) }

class Bell extends Actor {
  rings = 0
  async set(): Promise<void> {
    await this.ctx.reminders.set('ring', { in: 1 }, this._ring)
  }
  _ring(): void {
    this.rings++
  }
  count(): number {
    return this.rings
  }
  static readonly methods = { count: { readonly: true } }
}

class Keeper extends Actor {
  count = 0
  add(): number {
    return ++this.count
  }
  async slow(): Promise<number> {
    const { signal } = this.ctx
    signal.addEventListener('abort', () => { turn.aborted = signal.reason })
    turn.begun.fire()
    await turn.end.wait('the end of the slow turn', 20_000)
    return ++this.count
  }
}

const attempts: number[] = []

/** Its reminder, and the send that it gets, call another actor when the test says so. */
class Runner extends Actor {
  runs = 0
  async set(): Promise<void> {
    await this.ctx.reminders.set('run', { in: 1, retry: { attempts: 2, backoff: 50 } }, this._run)
  }
  async _run({ attempt }: { attempt: number }): Promise<void> {
    attempts.push(attempt)
    turn.begun.fire()
    await turn.end.wait('the end of the turn')
    await this.ctx.actor(Keeper, 'called').add()
    this.runs++
  }
  async send(): Promise<void> {
    await this.ctx.send(Runner, 'target', { retry: { attempts: 1 } }).receive()
  }
  async receive(): Promise<void> {
    turn.begun.fire()
    await turn.end.wait('the end of the turn')
    await this.ctx.actor(Keeper, 'called').add()
    this.runs++
  }
  count(): number {
    return this.runs
  }
  static readonly methods = { count: { readonly: true } }
}

class Caller extends Actor {
  found = 0
  async onActivate(): Promise<void> {
    this.found = await this.ctx.actor(Keeper, 'asked').add()
  }
  get(): number {
    return this.found
  }
}

async function started(more: Partial<HostOptions> = {}): Promise<{ host: Host; store: HeldStore }> {
  const store = new HeldStore(new SystemClock())
  const host = await createHost({ actors: [Keeper, Bell, Caller, Runner], store: { actors: new SharedStore(), cluster: store }, hostId: 'one', leaseTtl: 400, ...more })
  onTestFinished(() => host.stop())
  return { host, store }
}

/** Ends the lease of this life, and waits for the next. */
async function fence(host: Host, store: HeldStore): Promise<void> {
  const before = host.incarnation
  await store.endLease(before)
  await until(() => host.incarnation !== before && host.phase === 'serving', 'it serves as a new incarnation', 10_000)
}

describe('a life that was abandoned', () => {
  it('runs no reminder in the next one: it is asked about in vain', async () => {
    const first = new Signal()
    const asked = new Signal()
    let asks = 0
    const { host, store } = await started({
      authorize: request => {
        if (request.kind !== 'reminder' || ++asks > 1) return true
        asked.fire()
        return first.wait('the hook').then(() => true)
      },
    })
    const bell = host.actor(Bell, 'bell')
    await bell.set()
    await asked.wait('the reminder is due')
    await fence(host, store)
    await until(() => asks === 2, 'the next life has found the reminder')
    await expect.poll(() => bell.count()).toBe(1)
    first.fire()
    // What the old life asked about is answered now; whatever follows from it has been said when these calls are answered.
    await new Promise(resolve => setTimeout(resolve, 200))
    expect(await bell.count()).toBe(1)
  })

  it('is no reason to tell a door that a type is unknown', async () => {
    const { host, store } = await started()
    await host.actor(Keeper, 'one').add()
    const before = host.incarnation
    await store.endLease(before)
    await until(() => host.incarnation !== before, 'a new life begins')
    expect(host.phase).toBe('starting')
    expect(await host.listReminders('Keeper', { limit: 10 } as never)).toMatchObject({ reminders: [] })
    expect(host.locate('Keeper', 'one')).toMatchObject({ member: undefined })
    await until(() => host.phase === 'serving', 'it serves again')
    expect(() => host.locate('Unheard', 'one')).toThrow(expect.objectContaining({ code: 'UNKNOWN_TYPE' }))
  })
})

describe('a host that stops', () => {
  it('aborts its turns when its lease is revoked meanwhile: they are others\' now', async () => {
    const { host, store } = await started({ drainTimeout: 30_000 })
    newTurn()
    const slow = host.actor(Keeper, 'slow').slow().catch((error: unknown) => error)
    await turn.begun.wait()
    const stopped = host.stop()
    await until(() => host.phase === 'draining', 'it drains')
    await store.endLease(host.incarnation)
    await until(() => turn.aborted !== undefined, 'the turn is aborted')
    expect(turn.aborted).toMatchObject({ code: 'FENCED' })
    expect(await slow).toMatchObject({ code: 'FENCED', executed: 'unknown' })
    await stopped
    turn.end.fire()
  }, 20_000)
})

describe('a host whose lease has run out', () => {
  it('does not begin to activate an actor either: its onActivate waits as calls do', async () => {
    const { host, store } = await started()
    await host.actor(Keeper, 'one').add()
    store.keep = store.away = true
    await until(() => host.hostStatus().leaseLeftMs! < 0, 'the lease has run out')
    const got = host.actor(Caller, 'new').get().catch((error: unknown) => error)
    await new Promise(resolve => setTimeout(resolve, 150))
    store.away = false
    expect(await got).toBe(1)
  })

  it('waits anew each time: an outage that nobody asked about the end of is none any more', async () => {
    const { host, store } = await started()
    const one = host.actor(Keeper, 'one')
    await one.add()
    store.keep = true
    const outage = async (): Promise<void> => {
      store.away = true
      await until(() => host.hostStatus().leaseLeftMs! < 0, 'the lease has run out')
    }
    await outage()
    expect(await one.add().catch((error: unknown) => error)).toMatchObject({ code: 'NO_LEASE' })
    store.away = false
    await until(() => host.hostStatus().leaseLeftMs! > 0, 'it has its lease again')
    await new Promise(resolve => setTimeout(resolve, 100))
    await outage()
    const waiting = one.add().catch((error: unknown) => error)
    await new Promise(resolve => setTimeout(resolve, 300))
    store.away = false
    expect(await waiting).toBe(2)
  }, 20_000)
})

describe('a turn that could call nobody because the lease ran out', () => {
  it.each([['reminder', 'one', 'set'], ['send', 'target', 'send']] as const)('is no failure of the %s that it ran', async (_what, id, start) => {
    const { host, store } = await started()
    newTurn()
    attempts.length = 0
    await host.actor(Runner, 'one')[start]()
    await turn.begun.wait()
    store.keep = store.away = true
    await until(() => host.hostStatus().leaseLeftMs! < 0, 'the lease has run out')
    turn.end.fire()
    await new Promise(resolve => setTimeout(resolve, 50))
    store.away = false
    await expect.poll(() => host.actor(Runner, id).count(), { timeout: 5000 }).toBe(1)
    if (start === 'set') expect(attempts).toEqual([1, 1])
  })
})

describe('rejoining again and again', () => {
  it('answers each call that was waiting, once', async () => {
    const { host, store } = await started()
    const one = host.actor(Keeper, 'one')
    let count = await one.add()
    for (let i = 0; i < 10; i++) {
      const before = host.incarnation
      await store.endLease(before)
      await until(() => host.incarnation !== before, 'a new life')
      expect(await one.add()).toBe(++count)
    }
  }, 30_000)
})
