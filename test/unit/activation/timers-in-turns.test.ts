// Timers on real hosts: each tick is a turn; ticks of one timer never overlap, a failing one stops nothing, and none outlives its activation.
import { describe, expect, it } from 'vitest'
import { Actor, type ActorOptions, type TimerSchedule } from 'troupe'
import { adaptedStores, hostOf } from './running-host.ts'
import { failureOf, settle, Signal, until } from './signal.ts'

const ticks = new Map<string, number>()
const gates = new Map<string, Signal>()
const count = (id: string): number => ticks.get(id) ?? 0
let outside = new Signal<unknown>()

class Clockwork extends Actor {
  seen: unknown[] = []
  #inside = 0
  set(name: string, schedule: TimerSchedule, method = '_tick', ...args: unknown[]) {
    this.ctx.timers.set(name, schedule, method, ...args)
  }
  async _tick(...args: unknown[]) {
    const { id } = this.ctx
    ticks.set(id, count(id) + 1)
    if (++this.#inside > 1) throw new Error('two ticks at once')
    await gates.get(id)?.wait()
    this.#inside--
    this.seen.push(args)
  }
  _fails() {
    const { id } = this.ctx
    ticks.set(id, count(id) + 1)
    this.seen.push('never stored')
    throw new Error('a bad tick')
  }
  _lastTick() {
    ticks.set(this.ctx.id, count(this.ctx.id) + 1)
    expect(this.ctx.timers.delete('t')).toBe(true)
  }
  _mutates(list: number[]) {
    ticks.set(this.ctx.id, count(this.ctx.id) + 1)
    list.push(1)
    this.seen.push(list.length)
  }
  setAndThrow() {
    this.ctx.timers.set('t', { first: 1 }, this._tick)
    throw new Error('on purpose')
  }
  many(n: number) {
    for (let i = 0; i < n; i++) this.ctx.timers.set(`t${i}`, { first: '1h' }, this._tick)
  }
  remove(name: string) {
    return this.ctx.timers.delete(name)
  }
  list() {
    return this.ctx.timers.list()
  }
  read() {
    return this.seen
  }
  later() {
    setTimeout(() => {
      try {
        this.ctx.timers.set('t', { first: 1 }, this._tick)
        outside.fire(undefined)
      } catch (error) {
        outside.fire(error)
      }
    }, 150)
  }
}

describe('a timer', () => {
  it('ticks as turns of its activation: what a tick changes is stored', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Clockwork], { store: stores })
    const actor = host.actor(Clockwork, 'ticks')
    await actor.set('t', { every: 2, times: 3 }, '_tick', 'a', { b: 1n })
    await until(() => count('ticks') === 3, 'three ticks')
    expect(await actor.read()).toEqual([['a', { b: 1n }], ['a', { b: 1n }], ['a', { b: 1n }]])
    expect(await actor.list()).toEqual([])
    expect(stores.actors.writes.filter(w => w.id === 'ticks').length).toBeGreaterThan(0)
    expect(stores.actors.writes.flatMap(w => w.entries ?? [])).toEqual([])
  })

  it('never overlaps itself or another turn, and a slow tick is made up for by none', async () => {
    const host = await hostOf([Clockwork])
    const actor = host.actor(Clockwork, 'slow')
    const open = new Signal()
    gates.set('slow', open)
    await actor.set('t', { every: 5 })
    await until(() => count('slow') === 1, 'the first tick')
    const read = actor.read()
    const end = performance.now() + 60
    await until(() => performance.now() > end, 'twelve ticks would have been due')
    expect(count('slow')).toBe(1)
    gates.delete('slow')
    open.fire()
    expect(await read).toEqual([[]])
    expect(count('slow')).toBeLessThanOrEqual(2)
    await until(() => count('slow') >= 4, 'it goes on')
    expect((await actor.read()).every(args => (args as unknown[]).length === 0)).toBe(true)
    expect(await actor.remove('t')).toBe(true)
  })

  it('goes on after a tick that failed, whose changes are taken back', async () => {
    const host = await hostOf([Clockwork])
    const actor = host.actor(Clockwork, 'fails')
    await actor.set('t', { every: 2, times: 4 }, '_fails')
    await until(() => count('fails') === 4, 'four ticks')
    expect(await actor.read()).toEqual([])
  })

  it('may be deleted by its own tick, or replaced under its name', async () => {
    const host = await hostOf([Clockwork])
    const actor = host.actor(Clockwork, 'own')
    await actor.set('t', { every: 2 }, '_lastTick')
    await until(() => count('own') === 1, 'its tick')
    expect(await actor.list()).toEqual([])
    await actor.set('t', { every: '1h' })
    await actor.set('t', { first: 1 }, '_tick', 'new')
    await until(() => count('own') === 2, 'the other one')
    expect(await actor.read()).toEqual([['new']])
    expect(await actor.list()).toEqual([])
    expect(await actor.remove('t')).toBe(false)
  })

  it('is memory of its activation, as private fields are: a turn that throws takes none of it back', async () => {
    const host = await hostOf([Clockwork])
    await failureOf(host.actor(Clockwork, 'threw').setAndThrow())
    await until(() => count('threw') === 1, 'its tick')
  })

  it('gives each tick arguments of its own', async () => {
    const host = await hostOf([Clockwork])
    const actor = host.actor(Clockwork, 'args')
    await actor.set('t', { every: 1, times: 3 }, '_mutates', [])
    await until(() => count('args') === 3, 'three ticks')
    expect(await actor.read()).toEqual([1, 1, 1])
  })
})

describe('the end of an activation', () => {
  class Brief extends Clockwork {
    static readonly type = 'Brief'
    static readonly options: ActorOptions = { idleAfter: 30 }
  }

  it('ends its timers: ticks do not keep it alive', async () => {
    const host = await hostOf([Brief])
    await host.actor(Brief, 'idle').set('t', { every: 5 })
    await until(() => host.hostStatus().activations.Brief === 0, 'it was collected')
    const ticked = count('idle')
    expect(ticked).toBeGreaterThan(0)
    const end = performance.now() + 40
    await until(() => performance.now() > end, 'more ticks would have come')
    expect(count('idle')).toBe(ticked)
    expect(await host.actor(Brief, 'idle').list()).toEqual([])
  })

  it('waits for timers that keep it alive', async () => {
    const host = await hostOf([Brief])
    await host.actor(Brief, 'alive').set('t', { every: 5, keepAlive: true })
    const end = performance.now() + 150
    await until(() => performance.now() > end, 'five times idleAfter is over')
    expect(host.hostStatus().activations.Brief).toBe(1)
    expect(count('alive')).toBeGreaterThan(5)
    await host.actor(Brief, 'alive').remove('t')
    await until(() => host.hostStatus().activations.Brief === 0, 'it was collected')
  })

  it('by a failed commit ends them as well', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Clockwork], { store: stores })
    const actor = host.actor(Clockwork, 'cut')
    await actor.set('other', { every: '1h' })
    stores.actors.answerNext('conflict')
    await actor.set('t', { every: 2 })
    await until(() => count('cut') === 1, 'the tick whose commit fails')
    await settle()
    expect(await actor.list()).toEqual([])
    await settle(30)
    expect(count('cut')).toBe(1)
  })

  it('lets none be set', async () => {
    const host = await hostOf([Brief])
    outside = new Signal()
    await host.actor(Brief, 'gone').later()
    expect(await outside.wait()).toMatchObject({ code: 'OUTSIDE_TURN' })
  })
})

describe('wrong timers', () => {
  it.each([
    ['nothing', undefined], ['empty', {}], ['zero', { every: 0 }], ['negative', { first: -1 }], ['NaN', { every: NaN }], ['months', { every: 'P1M' }], ['times alone', { first: 1, times: 2 }],
    ['times 0', { every: 1, times: 0 }], ['keepAlive', { every: 1, keepAlive: 'yes' }], ['unknown', { evry: 1 }],
  ])('(%s) are refused with BAD_SCHEDULE', async (_what, schedule) => {
    const host = await hostOf([Clockwork])
    expect(await failureOf(host.actor(Clockwork, 'bad').set('t', schedule as TimerSchedule))).toMatchObject({ code: 'BAD_SCHEDULE' })
    expect(await host.actor(Clockwork, 'bad').list()).toEqual([])
  })

  it('of bad names and targets, or too many, are refused by name', async () => {
    const host = await hostOf([Clockwork])
    const actor = host.actor(Clockwork, 'bad')
    for (const name of ['', 'a/b', 'x'.repeat(257)]) expect(await failureOf(actor.set(name, { first: 1 }))).toMatchObject({ code: 'BAD_REQUEST' })
    expect(await failureOf(actor.set('t', { first: 1 }, 'nothing'))).toMatchObject({ code: 'UNKNOWN_METHOD' })
    await actor.many(1_000)
    expect(await failureOf(actor.set('one more', { first: 1 }))).toMatchObject({ code: 'QUOTA_EXCEEDED' })
    await actor.set('t5', { first: '2h' })
    expect((await actor.list()).length).toBe(1_000)
  })
})
