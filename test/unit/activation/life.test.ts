// How activations begin and end: hooks and their reasons, idleness, failures that leave the id free, turns that never end.
import { describe, expect, it } from 'vitest'
import { Actor, TroupeError, type ActorOptions, type DeactivationReason, type Host, type MethodOptions } from 'troupe'
import { encode } from '../../../core/codec.ts'
import { adaptedStores, hostOf } from './running-host.ts'
import { failureOf, settle, Signal, until, watch } from './signal.ts'

const activations = (host: Host, type: string): number => host.hostStatus().activations[type]!
const endings: [string, DeactivationReason][] = []
const gates = new Map<string, Signal>()
const gate = (id: string): Signal => {
  if (!gates.has(id)) gates.set(id, new Signal())
  return gates.get(id)!
}

class Brief extends Actor {
  calls = 0
  #mine = 0
  call() {
    this.calls++
    return ++this.#mine
  }
  async onDeactivate(reason: DeactivationReason) {
    endings.push([this.ctx.id, reason])
    this.calls = 1000
    if (this.ctx.id.startsWith('slow')) await gate(this.ctx.id).wait()
    if (this.ctx.id.startsWith('bad')) throw new Error('bad end')
    if (this.ctx.id.startsWith('hung')) await new Promise(() => undefined)
  }
  read() {
    return this.calls
  }
  static readonly options: ActorOptions = { idleAfter: 40 }
  static readonly methods = { read: { readonly: true } } satisfies MethodOptions<Brief>
}

describe('idle activations', () => {
  it('end with their hook, and begin again with their state and new memory', async () => {
    const host = await hostOf([Brief])
    const brief = host.actor(Brief, 'idle')
    expect([await brief.call(), await brief.call()]).toEqual([1, 2])
    await until(() => activations(host, 'Brief') === 0, 'it ended')
    expect(endings).toContainEqual(['idle', 'idle'])
    expect(await brief.call()).toBe(1)
    // What the hook changed is not stored.
    expect(await brief.read()).toBe(3)
  })

  it('stay while they are used', async () => {
    const host = await hostOf([Brief])
    const brief = host.actor(Brief, 'used')
    const end = performance.now() + 200
    for (let i = 1; performance.now() < end; i++) {
      expect(await brief.call()).toBe(i)
      await settle(1)
    }
    expect(endings).not.toContainEqual(['used', 'idle'])
  })

  it('lose no call that comes while the hook runs', async () => {
    const host = await hostOf([Brief])
    const brief = host.actor(Brief, 'slow-1')
    await brief.call()
    await until(() => endings.some(([id]) => id === 'slow-1'), 'the hook ran')
    const calls = [brief.call(), brief.call()].map(watch)
    await settle()
    expect(calls.map(c => c.state)).toEqual(['pending', 'pending'])
    gate('slow-1').fire()
    await until(() => calls.every(c => c.state !== 'pending'), 'the calls ran')
    expect(calls.map(c => c.value)).toEqual([1, 2])
    expect(await brief.read()).toBe(3)
  })

  it('end although their hook throws or hangs', async () => {
    const host = await hostOf([Brief])
    await Promise.all(['bad', 'hung'].map(id => host.actor(Brief, id).call()))
    await until(() => activations(host, 'Brief') === 0, 'they ended')
    expect(await host.actor(Brief, 'hung').call()).toBe(1)
  })

  it('wait for their hook when the host stops meanwhile', async () => {
    const host = await hostOf([Brief])
    await host.actor(Brief, 'slow-2').call()
    await until(() => endings.some(([id]) => id === 'slow-2'), 'the hook ran')
    const stopped = watch(host.stop())
    await settle(30)
    expect(stopped.state).toBe('pending')
    gate('slow-2').fire()
    await until(() => stopped.state === 'resolved', 'it stopped')
    expect(endings.filter(([id]) => id === 'slow-2')).toEqual([['slow-2', 'idle']])
  })

  it('are told why when the host stops', async () => {
    const host = await hostOf([Brief])
    await host.actor(Brief, 'stopping').call()
    await host.stop()
    expect(endings).toContainEqual(['stopping', 'stopping'])
  })
})

const trouble = new Map<string, number>()
class Fragile extends Actor {
  visits = 0
  constructor() {
    super()
    if (this.ctx.id === 'constructor' && strike('constructor')) throw new Error('no instance')
  }
  async onActivate() {
    this.visits++
    const { id } = this.ctx
    if (id === 'throws' && strike(id)) throw new Error('not today')
    if (id === 'hangs' && strike(id)) await new Promise(() => undefined)
    if (id === 'self') await this.ctx.actor(Fragile, id).read()
    if (id === 'caller') await this.ctx.actor(Caller, 'x').answer()
    if (id === 'stores') await this.ctx.storage.put('k', 'v')
  }
  read() {
    return this.visits
  }
  stored() {
    return this.ctx.storage.get('k')
  }
  static readonly options: ActorOptions = { turnTimeout: 100, mailbox: 5, idleAfter: 60_000 }
}
class Caller extends Actor {
  ask(id: string) {
    return this.ctx.actor(Fragile, id).read()
  }
  answer() {
    return 1
  }
}
/** True the first time. */
const strike = (id: string): boolean => {
  const seen = trouble.get(id) ?? 0
  trouble.set(id, seen + 1)
  return seen === 0
}

describe('an activation that fails', () => {
  it.each([['throws', /not today/], ['hangs', /onActivate/], ['constructor', /no instance/]])('(%s) tells all that wait, and the id works again', async (id, text) => {
    trouble.clear()
    const host = await hostOf([Fragile])
    const calls = [1, 2, 3].map(() => failureOf(host.actor(Fragile, id).read()))
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: 'ACTIVATION_FAILED', executed: 'no', message: expect.stringMatching(text) })
    expect(activations(host, 'Fragile')).toBe(0)
    expect(await host.actor(Fragile, id).read()).toBe(1)
  })

  it('because it would wait on itself says so at once', async () => {
    const host = await hostOf([Fragile, Caller])
    expect(await failureOf(host.actor(Fragile, 'self').read())).toMatchObject({ code: 'ACTIVATION_FAILED', message: expect.stringContaining('Fragile/self → Fragile/self') })
    expect(await failureOf(host.actor(Caller, 'x').ask('caller'))).toMatchObject({ code: 'ACTIVATION_FAILED', message: expect.stringContaining('Caller/x → Fragile/caller → Caller/x') })
    expect(await host.actor(Caller, 'y').ask('caller')).toBe(1)
  })

  it('because the store does not answer leaves the id free', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Fragile], { store: stores })
    stores.actors.beforeLoad(() => Promise.reject(new TroupeError('STORE_UNAVAILABLE', 'the store is away')))
    expect(await failureOf(host.actor(Fragile, 'a').read())).toMatchObject({ code: 'STORE_UNAVAILABLE', executed: 'no', retryable: true })
    stores.actors.beforeLoad(undefined)
    expect(await host.actor(Fragile, 'a').read()).toBe(1)
  })
})

describe('onActivate', () => {
  it('is the first turn: what it changes is committed before the first answer', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Fragile], { store: stores })
    expect(await host.actor(Fragile, 'stores').read()).toBe(1)
    expect(await host.actor(Fragile, 'stores').stored()).toBe('v')
    expect(stores.actors.writes).toHaveLength(1)
    const again = await hostOf([Fragile], { store: stores })
    expect(await again.actor(Fragile, 'stores').read()).toBe(2)
  })

  it('holds all answers until its commit is durable', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Fragile], { store: stores })
    const release = stores.actors.hold()
    const call = watch(host.actor(Fragile, 'a').read())
    await stores.actors.committing(1)
    await settle()
    expect(call.state).toBe('pending')
    release()
    await until(() => call.state === 'resolved', 'it was answered')
  })

  it('fails when its commit fails, and the next call begins anew', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Fragile], { store: stores })
    stores.actors.answerNext('conflict')
    expect(await failureOf(host.actor(Fragile, 'a').read())).toMatchObject({ code: 'ACTIVATION_FAILED', executed: 'no' })
    expect(await host.actor(Fragile, 'a').read()).toBe(1)
  })
})

describe('calls before the activation is up', () => {
  it('are bounded like others, but the one that begins it always has a place', async () => {
    class Tight extends Actor {
      count = 0
      add() { return ++this.count }
      async slow() { await gate('tight').wait() }
      static readonly options: ActorOptions = { mailbox: 0 }
    }
    const host = await hostOf([Tight, Fragile])
    expect(await host.actor(Tight, 'a').add()).toBe(1)
    const slow = host.actor(Tight, 'a').slow()
    expect(await failureOf(host.actor(Tight, 'a').add())).toMatchObject({ code: 'MAILBOX_FULL', executed: 'no', retryable: true, retryAfterMs: 100 })
    gate('tight').fire()
    await slow
    const calls = await Promise.allSettled(Array.from({ length: 8 }, () => host.actor(Fragile, 'many').read()))
    expect(calls.map(c => c.status === 'fulfilled' ? c.value : (c.reason as TroupeError).code)).toEqual([1, 1, 1, 1, 1, 'MAILBOX_FULL', 'MAILBOX_FULL', 'MAILBOX_FULL'])
  })
})

const leaked: Record<string, unknown> = {}
class Stuck extends Actor {
  value = 'first'
  async hang(name: string) {
    this.value = 'half'
    await this.ctx.storage.put('key', 'half')
    const { signal } = this.ctx
    leaked.signal = signal
    await gate(name).wait('the gate', 20_000)
    this.value = 'late'
    leaked.after = await Promise.all([
      failureOf(Promise.resolve().then(() => this.ctx.signal)), failureOf(this.ctx.storage.put('key', 'late')), failureOf(this.ctx.storage.get('key')),
      failureOf(this.ctx.storage.list()), failureOf(this.ctx.actor(Stuck, 'other').set('leaked')),
    ])
    return 'late'
  }
  set(value: string) {
    this.value = value
  }
  async read() {
    return [this.value, await this.ctx.storage.get('key')]
  }
  async outlive(name: string) {
    void (async () => {
      await gate(name).wait()
      leaked.outlived = await Promise.all([
        failureOf(Promise.resolve().then(() => this.ctx.signal)), failureOf(this.ctx.storage.put('key', 'late')), failureOf(this.ctx.storage.get('key')),
      ])
      leaked.called = await this.ctx.actor(Stuck, 'other').read()
    })()
  }
  static readonly options: ActorOptions = { turnTimeout: 80 }
}

describe('a turn that never ends', () => {
  it('is abandoned: TURN_TIMEOUT, a fresh activation, and its late end changes nothing', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Stuck], { store: stores })
    const stuck = host.actor(Stuck, 'a')
    await stuck.set('stored')
    const hanging = failureOf(stuck.hang('stuck'))
    const waiting = stuck.read()
    expect(await hanging).toMatchObject({ code: 'TURN_TIMEOUT', executed: 'unknown', message: expect.stringContaining('Stuck/a.hang') })
    expect((leaked.signal as AbortSignal).aborted).toBe(true)
    expect((leaked.signal as AbortSignal).reason).toMatchObject({ code: 'TURN_TIMEOUT' })
    expect(await waiting).toEqual(['stored', undefined])
    const writes = stores.actors.writes.length
    gate('stuck').fire()
    await until(() => leaked.after !== undefined, 'the late end')
    expect(leaked.after).toEqual(Array.from({ length: 5 }, () => expect.objectContaining({ code: 'OUTSIDE_TURN' })))
    await settle()
    expect(await stuck.read()).toEqual(['stored', undefined])
    expect(await host.actor(Stuck, 'other').read()).toEqual(['first', undefined])
    expect(stores.actors.writes.length).toBe(writes)
  })

  it('does not take the time of its caller: a shorter timeout leaves the turn going', async () => {
    const host = await hostOf([Stuck])
    const error = await failureOf(host.actor(Stuck, 'b').with({ timeout: 20 }).hang('stuck-b'))
    expect(error).toMatchObject({ code: 'CALL_TIMEOUT', executed: 'unknown' })
    expect((leaked.signal as AbortSignal).aborted).toBe(true)
    expect(await host.actor(Stuck, 'b').read()).toEqual(['first', undefined])
    gate('stuck-b').fire()
  })
})

describe('ctx after a turn has ended', () => {
  it('gives no signal and no storage, but references', async () => {
    const host = await hostOf([Stuck])
    await host.actor(Stuck, 'a').outlive('outlive')
    gate('outlive').fire()
    await until(() => leaked.called !== undefined, 'the late calls')
    expect(leaked.outlived).toEqual(Array.from({ length: 3 }, () => expect.objectContaining({ code: 'OUTSIDE_TURN' })))
    expect(leaked.called).toEqual(['first', undefined])
  })
})

describe('state of another version', () => {
  class Old extends Actor {
    static readonly type = 'Versioned'
    name = 'x'
    large = 'y'.repeat(3000)
    set(name: string) { this.name = name }
  }
  const classOf = (version: number, migrate?: (state: Record<string, unknown>, from: number) => Record<string, unknown>) => class extends Actor {
    static readonly type = 'Versioned'
    static readonly version = version
    static readonly migrate = migrate
    title = ''
    big = ''
    read() { return { ...this } as Record<string, unknown> }
    touch() { this.title += '!' }
  }

  it('is migrated lazily and stored with the next commit', async () => {
    const stores = adaptedStores()
    const old = await hostOf([Old], { store: stores })
    await old.actor(Old, 'a').set('mine')
    await old.stop()
    const froms: number[] = []
    const New = classOf(3, (state, from) => {
      froms.push(from)
      return { title: state.name, big: state.large, bigger: `${String(state.large)}z` }
    })
    const host = await hostOf([New], { store: stores })
    const expected = { title: 'mine', big: 'y'.repeat(3000), bigger: `${'y'.repeat(3000)}z` }
    expect(await host.actor(New, 'a').read()).toEqual(expected)
    expect(stores.actors.writes).toHaveLength(1)
    await host.actor(New, 'a').touch()
    expect(stores.actors.writes[1]!.entries!.map(([name, value]) => [name, value !== null]).sort()).toEqual([['f:big', true], ['f:bigger', true], ['f:large', false]])
    const again = await hostOf([New], { store: stores })
    expect(await again.actor(New, 'a').read()).toEqual({ ...expected, title: 'mine!' })
    expect(froms).toEqual([1])
    // Code that is older than the state must not touch it.
    const older = await hostOf([Old], { store: stores })
    expect(await failureOf(older.actor(Old, 'a').set('z'))).toMatchObject({ code: 'STATE_TOO_NEW', executed: 'no' })
  })

  it.each<[string, ((s: Record<string, unknown>) => any) | undefined]>([
    ['is missing', undefined], ['throws', () => { throw new Error('no') }], ['returns nothing', () => undefined], ['is async', async () => ({})],
  ])('is left alone when migrate %s', async (_, migrate) => {
    const stores = adaptedStores()
    await (await hostOf([Old], { store: stores })).actor(Old, 'a').set('mine')
    const New = classOf(2, migrate)
    const host = await hostOf([New], { store: stores })
    expect(await failureOf(host.actor(New, 'a').touch())).toMatchObject({ code: 'ACTIVATION_FAILED', executed: 'no' })
    const Good = classOf(2, state => ({ title: state.name }))
    const good = await hostOf([Good], { store: stores })
    expect((await good.actor(Good, 'a').read()).title).toBe('mine')
  })

  it.each([
    ['noise', new Uint8Array([0xc1, 1, 2])], ['a head whose large field is missing', encode([1, {}, null, ['gone']], 'head')],
  ])('that is %s is STATE_UNREADABLE, each time and for this actor only', async (_, head) => {
    const stores = adaptedStores()
    await (await hostOf([Old], { store: stores })).actor(Old, 'a').set('mine')
    const { type, shard, id, epoch, nonce } = stores.actors.writes[0]!
    expect(await stores.actors.commit([{ type, shard, id, epoch, nonce, previous: 1, head }])).toEqual(['ok'])
    const host = await hostOf([Old], { store: stores })
    for (let i = 0; i < 2; i++) expect(await failureOf(host.actor(Old, 'a').set('x'))).toMatchObject({ code: 'STATE_UNREADABLE', executed: 'no', message: expect.stringContaining('Versioned/a') })
    await host.actor(Old, 'b').set('fine')
  })
})
