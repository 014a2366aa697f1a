// P2 and P5 on real hosts: a reminder exists if and only if its turn's state does, and an occurrence takes effect once.
import { setImmediate as nextTick } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Actor, type ActorOptions, type Firing, type Host, type ReminderInfo, type ReminderSchedule } from 'troupe'
import type { ActorWrite } from '../../../stores/actor-store.ts'
import { eventually } from './eventually.ts'
import { MovedClock, Nudge } from './moved-clock.ts'
import { adaptedStores, hostOf } from './running-host.ts'
import { failureOf, settle, Signal, until } from './signal.ts'

interface Ring {
  readonly name: string
  readonly due: number
  readonly count: number
  readonly attempt: number
  readonly missed: number
  readonly args: readonly unknown[]
}

/** Runs in this process, durable or not: what tests wait for. */
const ran: { readonly key: string; readonly due: number; readonly at: number }[] = []
const runsOf = (id: string): number => ran.filter(run => run.key === id).length
/** What happens to the runs of an id: how many of the next ones throw. */
const failing = new Map<string, number>()
/** What turns of an id wait for. */
const holding = new Map<string, Signal>()

class Bell extends Actor {
  rings: Ring[] = []
  #noted(args: unknown[]): Firing {
    const firing = args.pop() as Firing
    ran.push({ key: this.ctx.id, due: firing.due.getTime(), at: Date.now() })
    this.rings.push({
      name: firing.reminder, due: firing.due.getTime(), count: firing.count, attempt: firing.attempt, missed: firing.missed, args,
    })
    const fails = failing.get(this.ctx.id) ?? 0
    if (fails > 0) {
      failing.set(this.ctx.id, fails - 1)
      throw new Error('the bell is broken')
    }
    return firing
  }
  async set(name: string, schedule: ReminderSchedule, method: string | undefined = '_ring', ...args: unknown[]) {
    await this.ctx.reminders.set(name, schedule, method, ...args)
  }
  _ring(...args: unknown[]) {
    this.#noted(args)
  }
  async _later(...args: unknown[]) {
    await nextTick()
    this.#noted(args)
  }
  _once(...args: unknown[]) {
    this.#noted(args).cancel()
  }
  async _again(...args: unknown[]) {
    this.#noted(args)
    if (this.rings.length < 3) await this.ctx.reminders.set('again', { in: 5 }, this._again, this.rings.length)
  }
  async _deletes(...args: unknown[]) {
    const { reminder } = this.#noted(args)
    await this.ctx.reminders.delete(reminder)
  }
  async _movesAndThrows(...args: unknown[]) {
    const { reminder } = this.#noted(args)
    if (this.rings.length === 1 && runsOf(this.ctx.id) === 1) {
      await this.ctx.reminders.delete(reminder)
      await this.ctx.reminders.set('other', { in: 5 }, this._ring)
      throw new Error('after moving')
    }
  }
  onReminder(name: string, data: unknown, firing: Firing) {
    this.#noted([name, data, firing])
  }
  list() {
    return this.ctx.reminders.list()
  }
  get(name: string) {
    return this.ctx.reminders.get(name)
  }
  remove(name: string) {
    return this.ctx.reminders.delete(name)
  }
  heard() {
    return this.rings
  }
  async setAndThrow() {
    this.rings = []
    await this.ctx.reminders.set('kept', { in: '10h' }, this._ring)
    await this.ctx.reminders.set('new', { in: 1 }, this._ring)
    await this.ctx.storage.put('key', 1)
    this.ctx.send(Bell, 'sent to').heardOf('a turn that threw')
    await this.ctx.reminders.delete('gone')
    throw new Error('on purpose')
  }
  heardOf(what: string) {
    this.rings.push({ name: what, due: 0, count: 0, attempt: 0, missed: 0, args: [] })
  }
  async stored(key: string) {
    return this.ctx.storage.get(key)
  }
  async holdThen(what: 'delete' | 'move' | 'nothing') {
    const { id } = this.ctx
    await holding.get(id)!.wait()
    if (what === 'delete') await this.ctx.reminders.delete('r')
    if (what === 'move') await this.ctx.reminders.set('r', { in: '1h' }, this._ring)
  }
}

const bellOf = (host: Host, id: string) => host.actor(Bell, id)
const names = (list: readonly ReminderInfo[]): string[] => list.map(each => each.name)
/** Rows of reminders in what a commit was given. */
const reminderRows = (writes: readonly ActorWrite[]): unknown[] => writes.flatMap(w => w.entries ?? []).filter(([name]) => name.startsWith('r:')).map(([name, value, due]) => [name, value === null ? null : 'row', due])

describe('a reminder', () => {
  it('runs its method with its arguments and the occurrence, never early, and is gone after its last', async () => {
    const host = await hostOf([Bell])
    const bell = bellOf(host, 'runs')
    const before = Date.now()
    await bell.set('r', { in: 30 }, '_ring', 'a', { deep: [1n] })
    expect(await bell.list()).toMatchObject([{ name: 'r', method: '_ring', args: ['a', { deep: [1n] }], count: 0, failures: 0, dead: undefined }])
    await until(() => runsOf('runs') === 1, 'it ran')
    const [ring] = await bell.heard()
    expect(ring).toEqual({ name: 'r', due: ran.find(r => r.key === 'runs')!.due, count: 1, attempt: 1, missed: 0, args: ['a', { deep: [1n] }] })
    expect(ring!.due).toBeGreaterThanOrEqual(before + 30)
    expect(await bell.list()).toEqual([])
    for (const run of ran) expect(run.at).toBeGreaterThanOrEqual(run.due)
  })

  it('is written with the state of its turn, in one commit, and advanced with what its run changed', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Bell], { store: stores })
    const bell = bellOf(host, 'one commit')
    await bell.set('r', { every: 5, times: 2 })
    await until(() => runsOf('one commit') === 2, 'both runs')
    await bell.heard()
    await until(() => stores.actors.writes.length >= 3, 'their commits')
    const writes = stores.actors.writes.filter(w => w.id === 'one commit')
    expect(writes.length).toBe(3)
    expect(reminderRows(writes)).toEqual([['r:r', 'row', expect.any(Number)], ['r:r', 'row', expect.any(Number)], ['r:r', null, null]])
    // The head is in each: what the run changed and its advance land together.
    for (const write of writes) expect(write.head).not.toBeNull()
  })

  it('of a turn that throws never was, and what the turn deleted or replaced still is', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Bell], { store: stores })
    const bell = bellOf(host, 'throws')
    await bell.set('gone', { in: '1h' })
    await bell.set('kept', { in: '1h' })
    const before = await bell.list()
    const writes = stores.actors.writes.length
    expect(await failureOf(bell.setAndThrow())).toMatchObject({ message: 'on purpose', executed: 'yes' })
    expect(await bell.list()).toEqual(before)
    expect(await bell.stored('key')).toBeUndefined()
    expect(await host.actor(Bell, 'throws').manage.sends.list()).toEqual([])
    await settle(50)
    expect(runsOf('throws')).toBe(0)
    expect(await bellOf(host, 'sent to').heard()).toEqual([])
    expect(stores.actors.writes.length).toBe(writes)
    // The tally of reminders went back as well.
    await bell.remove('gone')
    await bell.remove('kept')
    expect(await bell.list()).toEqual([])
  })

  it('runs on the hook when it names no method', async () => {
    const host = await hostOf([Bell])
    const bell = bellOf(host, 'hook')
    await bell.manage.reminders.set('h', { in: 5 }, undefined, { some: 'data' })
    await until(() => runsOf('hook') === 1, 'it ran')
    expect(await bell.heard()).toMatchObject([{ name: 'h', args: ['h', { some: 'data' }] }])
  })

  it('wakes an actor that was collected', async () => {
    class Sleepy extends Bell {
      static readonly type = 'Sleepy'
      static readonly options: ActorOptions = { idleAfter: 20 }
    }
    const host = await hostOf([Sleepy])
    await host.actor(Sleepy, 'sleepy').set('r', { in: 250 })
    await until(() => host.hostStatus().activations.Sleepy === 0, 'it was collected')
    expect(runsOf('sleepy')).toBe(0)
    await until(() => runsOf('sleepy') === 1, 'it ran')
    expect(await host.actor(Sleepy, 'sleepy').heard()).toMatchObject([{ name: 'r', count: 1 }])
  })

  it('may be set anew, deleted or cancelled by its own run', async () => {
    const host = await hostOf([Bell])
    const again = bellOf(host, 'again')
    await again.set('again', { in: 5 }, '_again')
    await until(() => runsOf('again') === 3, 'three runs')
    expect((await again.heard()).map(r => r.args)).toEqual([[], [1], [2]])
    expect(await again.list()).toEqual([])

    const deletes = bellOf(host, 'deletes')
    await deletes.set('r', { every: 5 }, '_deletes')
    const cancels = bellOf(host, 'cancels')
    await cancels.set('r', { every: 5 }, '_once')
    await until(() => runsOf('deletes') === 1 && runsOf('cancels') === 1, 'both ran')
    expect(await deletes.list()).toEqual([])
    expect(await cancels.list()).toEqual([])
    await settle(50)
    expect([runsOf('deletes'), runsOf('cancels')]).toEqual([1, 1])
  })

  it.each(['delete', 'move', 'nothing'] as const)('that is due while another turn runs is what that turn makes of it (%s), its commit durable or not', async what => {
    const stores = adaptedStores()
    const host = await hostOf([Bell], { store: stores })
    const id = `busy ${what}`
    const bell = bellOf(host, id)
    const open = new Signal()
    holding.set(id, open)
    await bell.set('r', { in: 5 })
    const busy = bell.holdThen(what)
    const end = performance.now() + 30
    await until(() => performance.now() > end, 'it is due and waits')
    const release = stores.actors.hold()
    open.fire()
    await settle(20)
    expect(runsOf(id)).toBe(what === 'nothing' ? 1 : 0)
    release()
    await busy
    await settle(20)
    expect((await bell.heard()).length).toBe(what === 'nothing' ? 1 : 0)
    expect(names(await bell.list())).toEqual(what === 'move' ? ['r'] : [])
  })

  it('due years away, with periods longer than timers last, runs when its time has come', async () => {
    const clock = new MovedClock()
    const host = await hostOf([Bell, Nudge], { clock })
    const bell = bellOf(host, 'years')
    const year = 365 * 86_400_000
    await bell.set('at', { at: new Date(clock.wallMs() + 20 * year) })
    await bell.set('every', { every: 2 ** 31 + 5, times: 3 })
    await settle()
    for (let i = 1; i <= 3; i++) {
      await clock.jump(2 ** 31 - 1_000, host)
      await settle()
      expect(runsOf('years')).toBe(i - 1)
      await clock.jump(1_005, host)
      await until(() => runsOf('years') === i, `run ${i}`)
      await bell.heard()
    }
    await clock.jump(20 * year, host)
    await until(() => runsOf('years') === 4, 'twenty years')
    expect((await bell.heard()).map(ring => ring.name)).toEqual(['every', 'every', 'every', 'at'])
  })

  it('keeps what its failed run did to it from happening', async () => {
    const host = await hostOf([Bell])
    const bell = bellOf(host, 'moves')
    await bell.set('r', { in: 5, retry: { attempts: 3, backoff: 5 } }, '_movesAndThrows')
    await until(() => runsOf('moves') === 2, 'the retry')
    expect(await bell.heard()).toMatchObject([{ name: 'r', attempt: 2 }])
    expect(await bell.list()).toEqual([])
  })
})

describe('a reminder that fails', () => {
  it('is tried again, then is a dead letter, and runs when it is retried', async () => {
    const host = await hostOf([Bell])
    const bell = bellOf(host, 'dead')
    failing.set('dead', 3)
    await bell.set('r', { in: 5, retry: { attempts: 3, backoff: 5 } }, '_ring', 'x')
    await until(() => runsOf('dead') === 3, 'three tries')
    await until(() => failing.get('dead') === 0, 'all failed')
    const dead = await eventually(() => bell.get('r'), info => info?.dead !== undefined, 'it is dead')
    expect(dead).toMatchObject({ name: 'r', due: undefined, failures: 3, dead: { error: 'METHOD_FAILED: the bell is broken', at: expect.any(Date) }, args: ['x'] })
    expect((await host.listReminders('Bell', { dead: true })).reminders).toMatchObject([{ id: 'dead', name: 'r' }])
    expect(await bell.heard()).toEqual([])
    expect(await failureOf(bell.manage.reminders.retry('other'))).toMatchObject({ code: 'REMINDER_NOT_FOUND' })
    await bell.manage.reminders.retry('r')
    await until(() => runsOf('dead') === 4, 'the retry')
    expect(await bell.heard()).toMatchObject([{ name: 'r', args: ['x'], attempt: 1 }])
    expect(await bell.list()).toEqual([])
  })

  it.each(['_ring', '_later'])('(%s) leaves a recurring one going on, with the dead occurrence beside it', async method => {
    const id = `goes on ${method}`
    const host = await hostOf([Bell])
    const bell = bellOf(host, id)
    failing.set(id, 2)
    await bell.set('r', { every: 20, times: 4, missed: 'all', retry: { attempts: 2, backoff: 1 } }, method)
    await until(() => runsOf(id) === 5, 'two tries of one, three of the rest')
    expect(await eventually(() => bell.list(), list => list.length === 1, 'only the dead one is left')).toMatchObject([{ name: 'r', due: undefined, dead: { error: 'METHOD_FAILED: the bell is broken' } }])
    const dead = ran.find(r => r.key === id)!.due
    const dues = (await bell.heard()).map(r => r.due)
    expect(dues).toEqual([dead + 20, dead + 40, dead + 60])
    await bell.manage.reminders.retry('r')
    await until(() => runsOf(id) === 6, 'the retry')
    expect((await bell.heard()).map(r => r.due)).toEqual([...dues, dead])
    expect(await bell.list()).toEqual([])
  })

  it('is deleted with its dead occurrence', async () => {
    const host = await hostOf([Bell])
    const bell = bellOf(host, 'deleted')
    failing.set('deleted', 1)
    await bell.set('r', { every: '1h', first: 1, retry: { attempts: 1 } })
    expect(names(await eventually(() => bell.list(), list => list.length > 1, 'one occurrence is dead'))).toEqual(['r', 'r'])
    expect(await bell.remove('r')).toBe(true)
    expect(await bell.list()).toEqual([])
    expect(await bell.remove('r')).toBe(false)
  })

  it('because its turn took too long is tried again on a fresh activation', async () => {
    class Slow extends Bell {
      static readonly type = 'Slow'
      static readonly options: ActorOptions = { turnTimeout: 50 }
      #hung = false
      async _hang(firing: Firing) {
        if (firing.attempt === 1 && !this.#hung) {
          this.#hung = true
          this.rings.push({ name: 'never stored', due: 0, count: 0, attempt: 0, missed: 0, args: [] })
          await new Promise(() => undefined)
        }
        this._ring(firing)
      }
    }
    const host = await hostOf([Slow])
    await host.actor(Slow, 'slow').set('r', { in: 1, retry: { backoff: 1 } }, '_hang')
    await until(() => runsOf('slow') === 1, 'the second try')
    expect(await host.actor(Slow, 'slow').heard()).toMatchObject([{ name: 'r', attempt: 2, count: 1 }])
  })
})

describe('missed occurrences', () => {
  it.each([
    ['once', [[1, 0], [2, 4]]], ['all', [[1, 0], [2, 0], [3, 0], [4, 0], [5, 0], [6, 0]]], ['skip', [[1, 0], [2, 0]]],
  ] as const)('(%s) while the clock jumped', async (missed, expected) => {
    const clock = new MovedClock()
    const host = await hostOf([Bell, Nudge], { clock })
    const id = `missed ${missed}`
    const bell = bellOf(host, id)
    const first = Math.ceil(clock.wallMs())
    await bell.set('r', { every: '1h', first: new Date(first), missed })
    await until(() => runsOf(id) === 1, 'the first')
    await bell.heard()
    // Five more hours are over; the last of them two minutes ago.
    await clock.jump(5 * 3_600_000 + 120_000, host)
    if (missed === 'skip') {
      const passed = (info: ReminderInfo | undefined): boolean => info?.due?.getTime() === first + 6 * 3_600_000
      expect(await eventually(() => bell.get('r'), passed, 'five are passed over')).toMatchObject({ count: 1 })
      await clock.jump(3_600_000 - 120_000, host)
    }
    await until(() => runsOf(id) === expected.length, 'all runs')
    const rings = await bell.heard()
    expect(rings.map(r => [r.count, r.missed])).toEqual(expected)
    expect(rings.map(r => (r.due - first) / 3_600_000)).toEqual(missed === 'once' ? [0, 5] : missed === 'all' ? [0, 1, 2, 3, 4, 5] : [0, 6])
  })

  it('does not run what is not due by a clock that was set back', async () => {
    const clock = new MovedClock()
    const host = await hostOf([Bell, Nudge], { clock })
    const bell = bellOf(host, 'back')
    await bell.set('r', { in: 100 })
    await clock.jump(-3_600_000, host)
    const end = performance.now() + 200
    await until(() => performance.now() > end, 'it would have been due')
    expect(runsOf('back')).toBe(0)
    await clock.jump(3_600_000, host)
    await until(() => runsOf('back') === 1, 'it ran')
  })
})

describe('a commit with reminders that fails', () => {
  it.each(['fenced', 'conflict'] as const)('(%s) leaves none of them', async answer => {
    const stores = adaptedStores()
    const host = await hostOf([Bell], { store: stores })
    const id = `failed ${answer}`
    const bell = bellOf(host, id)
    await bell.set('old', { in: '1h' })
    stores.actors.answerNext(answer)
    expect(await failureOf(bell.set('r', { in: 1 }))).toMatchObject({ code: answer === 'fenced' ? 'FENCED' : 'STORE_CONFLICT' })
    expect(names(await bell.list())).toEqual(['old'])
    expect(runsOf(id)).toBe(0)
    await bell.set('r', { in: 1 })
    await until(() => runsOf(id) === 1, 'it runs')
    expect(names(await bell.list())).toEqual(['old'])
  })

  it.each(['stored', 'not stored'] as const)('(unknown, %s) is what the store says', async truth => {
    const stores = adaptedStores()
    const host = await hostOf([Bell], { store: stores })
    const id = `unknown ${truth}`
    const bell = bellOf(host, id)
    await bell.set('old', { in: '1h' })
    if (truth === 'stored') stores.actors.storeAndAnswer('unknown')
    else stores.actors.answerNext('unknown')
    expect(await failureOf(bell.set('r', { in: 20 }))).toMatchObject({ code: 'COMMIT_UNKNOWN', executed: 'unknown' })
    if (truth === 'stored') await until(() => runsOf(id) === 1, 'it runs')
    expect(names(await bell.list())).toEqual(['old'])
    expect((await bell.heard()).length).toBe(truth === 'stored' ? 1 : 0)
  })

  it.each(['fenced', 'conflict', 'unknown', 'unknown but stored'] as const)('(%s) at its advance: the occurrence takes effect once', async answer => {
    const stores = adaptedStores()
    const host = await hostOf([Bell], { store: stores })
    const id = `advance ${answer}`
    const bell = bellOf(host, id)
    const release = stores.actors.hold()
    const set = bell.set('r', { every: 30, times: 3, missed: 'all' })
    await stores.actors.committing(1)
    release()
    await set
    if (answer === 'unknown but stored') stores.actors.storeAndAnswer('unknown')
    else stores.actors.answerNext(answer)
    await until(() => runsOf(id) === (answer === 'unknown but stored' ? 3 : 4), 'all runs')
    const rings = await eventually(() => bell.heard(), heard => heard.length === 3, 'all are stored')
    const first = rings[0]!.due
    expect(rings.map(r => [r.due - first, r.count])).toEqual([[0, 1], [30, 2], [60, 3]])
    expect(await bell.list()).toEqual([])
  })
})
