// Wrong reminders are refused by name, through ctx and from outside, and nothing of them stays: what is due goes on.
import { describe, expect, it } from 'vitest'
import { Actor, type ActorOptions, type Firing, type Host, type MethodOptions, type ReminderSchedule } from 'troupe'
import { eventually } from './eventually.ts'
import { adaptedStores, hostOf } from './running-host.ts'
import { failureOf, Signal } from './signal.ts'

let outside = new Signal<unknown>()

class Clerk extends Actor {
  ticks = 0
  readonly #arrow = (): number => 1
  async set(name: unknown, schedule: unknown, ...rest: unknown[]) {
    this.ticks += 100
    await this.ctx.reminders.set(name as string, schedule as ReminderSchedule, ...rest as ['_tick'])
  }
  async setArrow() {
    await this.ctx.reminders.set('r', { in: '1h' }, this.#arrow)
  }
  async setBound() {
    await this.ctx.reminders.set('r', { in: '1h' }, this._tick.bind(this))
  }
  async setFunction() {
    await this.ctx.reminders.set('r', { in: '1h' }, this._tick, () => 1)
  }
  async setAll(count: number, from = 0) {
    for (let i = from; i < from + count; i++) await this.ctx.reminders.set(`r${i}`, { in: '10h' }, this._tick)
  }
  async replaceAll(count: number) {
    for (let i = 0; i < count; i++) await this.ctx.reminders.set(`r${i}`, { in: '20h' }, this._tick)
  }
  async deleteOne(name: string) {
    return this.ctx.reminders.delete(name)
  }
  async get(name: unknown) {
    return this.ctx.reminders.get(name as string)
  }
  async list(options?: unknown) {
    return this.ctx.reminders.list(options as { limit?: number })
  }
  async readonlySet() {
    await this.ctx.reminders.set('r', { in: '1h' }, this._tick)
  }
  later() {
    setTimeout(() => { void this.ctx.reminders.set('r', { in: '1h' }, this._tick).then(() => outside.fire(undefined), error => outside.fire(error)) })
  }
  _tick(_firing?: Firing) {
    this.ticks++
  }
  tick() {
    this.ticks++
  }
  async *stream() {
    yield 1
  }
  read() {
    return this.ticks
  }
  static readonly options: ActorOptions = { maxReminders: 5 }
  static readonly methods = { readonlySet: { readonly: true }, read: { readonly: true } } satisfies MethodOptions<Clerk>
}

/** A reminder set after the wrong one runs, and nothing but it is there. */
async function alive(host: Host, id: string): Promise<void> {
  expect(await host.actor(Clerk, id).manage.reminders.list()).toEqual([])
  await host.actor(Clerk, id).manage.reminders.set('alive', { in: 1 }, 'tick')
  await eventually(() => host.actor(Clerk, id).read(), ticks => ticks === 1, 'a good reminder runs')
}

describe('schedules that are none', () => {
  const circular: Record<string, unknown> = {}
  circular.in = circular
  const schedules: readonly [string, unknown][] = [
    ['nothing', undefined], ['null', null], ['text', 'daily'], ['a number', 5], ['a list', [{ in: 5 }]], ['empty', {}], ['two kinds', { in: 5, at: 5 }],
    ['an unknown key', { in: 5, missing: 'once' }], ['circular', circular],
    ['a day that does not exist', { at: '2027-02-30T00:00:00Z' }], ['a month that does not exist', { at: '2027-13-01T00:00:00Z' }], ['no offset', { at: '2027-01-01T00:00:00' }],
    ['year 10000', { at: '+010000-01-01T00:00:00Z' }], ['an invalid Date', { at: new Date(NaN) }], ['NaN', { at: NaN }], ['Infinity', { at: Infinity }],
    ['beyond dates', { at: 8.64e15 + 1 }], ['1e309', { in: Number('1e309') }], ['1e309 as text', { in: '1e309ms' }], ['negative', { in: -1 }], ['negative text', { in: '-5s' }],
    ['NaN wait', { in: NaN }], ['an empty wait', { in: '' }], ['a fraction', { in: 0.5 }],
    ['period 0', { every: 0 }], ['period 0 as text', { every: 'PT0S' }], ['R0', { every: 'R0/PT0S' }], ['R0 of a second', { every: 'R0/PT1S' }],
    ['a negative period', { every: -5 }], ['a period of NaN', { every: NaN }], ['times 0', { every: 5, times: 0 }],
    ['times 1.5', { every: 5, times: 1.5 }], ['until before first', { every: '1h', until: '1s' }], ['until without an occurrence', { cron: '0 0 1 1 *', until: '1s' }],
    ['an unknown zone', { cron: '* * * * *', tz: 'Mars/Olympus' }], ['a zone inside cron', { cron: 'TZ=UTC * * * * *' }], ['CRON_TZ', { cron: 'CRON_TZ=UTC * * * * *' }],
    ['four fields', { cron: '* * * *' }], ['a field beyond', { cron: '61 * * * *' }], ['a day that never comes', { cron: '0 0 30 2 *' }], ['empty cron', { cron: '' }],
    ['an unknown policy', { in: 5, missed: 'never' }], ['no attempts', { in: 5, retry: { attempts: 0 } }], ['a long backoff', { in: 5, retry: { backoff: '2h' } }],
    ['overwrite as text', { in: 5, overwrite: 'no' }], ['long text', { cron: '*'.repeat(100_000) }],
  ]

  it.each(schedules)('(%s) are refused by ctx and from outside', async (what, schedule) => {
    const host = await hostOf([Clerk])
    const clerk = host.actor(Clerk, what)
    if (what === 'circular') {
      // It cannot travel.
      expect(await failureOf(clerk.manage.reminders.set('r', schedule as ReminderSchedule, 'tick'))).toMatchObject({ code: expect.stringMatching(/NOT_ENCODABLE|BAD_SCHEDULE/) })
    } else {
      expect(await failureOf(clerk.set('r', schedule, '_tick'))).toMatchObject({ code: 'BAD_SCHEDULE', executed: 'yes', message: expect.stringMatching(/^schedule: /) })
      expect(await failureOf(clerk.manage.reminders.set('r', schedule as ReminderSchedule, 'tick'))).toMatchObject({ code: 'BAD_SCHEDULE', message: expect.stringMatching(/^schedule: /) })
    }
    await alive(host, what)
  })
})

describe('names', () => {
  it.each([
    ['empty', ''], ['long', 'x'.repeat(257)], ['long in bytes', 'ü'.repeat(129)], ['slash', 'a/b'], ['backslash', 'a\\b'], ['hash', 'a#b'], ['question mark', 'a?b'],
    ['control', 'a\nb'], ['zero', 'a\0'], ['dot', '.'], ['dots', '..'], ['half a surrogate', '\ud800'], ['number', 5], ['null', null], ['object', {}],
  ])('(%s) are refused wherever they are given', async (what, name) => {
    const host = await hostOf([Clerk])
    const clerk = host.actor(Clerk, what)
    const { reminders } = clerk.manage
    const given = name as string
    const calls = [
      () => clerk.set(given, { in: '1h' }, '_tick'), () => clerk.get(given), () => clerk.deleteOne(given),
      () => reminders.set(given, { in: '1h' }, 'tick'), () => reminders.get(given), () => reminders.delete(given), () => reminders.retry(given),
    ]
    for (const call of calls) expect(await failureOf(call())).toMatchObject({ code: 'BAD_REQUEST', message: expect.stringContaining('reminder') })
    await alive(host, what)
  })

  it('of 256 bytes, and of any other characters, are names', async () => {
    const host = await hostOf([Clerk])
    const { reminders } = host.actor(Clerk, 'names').manage
    for (const name of ['x'.repeat(256), 'ü'.repeat(128), 'a b|c@d:e', '日本', '__proto__']) {
      await reminders.set(name, { in: '1h' }, 'tick')
      expect(await reminders.get(name)).toMatchObject({ name })
      expect(await reminders.delete(name)).toBe(true)
      expect(await reminders.get(name)).toBeUndefined()
    }
    await alive(host, 'names')
  })
})

describe('targets and data', () => {
  it('that do not exist, are no methods of the class, or cannot be called from outside are refused', async () => {
    const host = await hostOf([Clerk])
    const clerk = host.actor(Clerk, 'targets')
    const { reminders } = clerk.manage
    const unknown = { code: 'UNKNOWN_METHOD' }
    for (const target of ['nothing', 'constructor', 'toString', 'ctx', 'stream', 'arrow', '', 'onActivate']) {
      expect(await failureOf(clerk.set('r', { in: '1h' }, target)), target).toMatchObject(unknown)
      expect(await failureOf(reminders.set('r', { in: '1h' }, target)), target).toMatchObject(unknown)
    }
    expect(await failureOf(reminders.set('r', { in: '1h' }, '_tick'))).toMatchObject({ ...unknown, message: expect.stringContaining('outside') })
    for (const target of [5, {}]) expect(await failureOf(reminders.set('r', { in: '1h' }, target as never))).toMatchObject(unknown)
    expect(await failureOf(clerk.setArrow())).toMatchObject({ ...unknown, message: expect.stringContaining('arrow') })
    expect(await failureOf(clerk.setBound())).toMatchObject(unknown)
    // No method and no hook onReminder.
    for (const call of [() => clerk.set('r', { in: '1h' }), () => reminders.set('r', { in: '1h' })]) expect(await failureOf(call())).toMatchObject({ ...unknown, message: expect.stringContaining('onReminder') })
    await alive(host, 'targets')
  })

  it('over the limit, or that cannot be stored, are refused', async () => {
    const host = await hostOf([Clerk])
    const clerk = host.actor(Clerk, 'data')
    const { reminders } = clerk.manage
    for (const call of [() => clerk.set('r', { in: '1h' }, '_tick', 'x'.repeat(270_000)), () => reminders.set('r', { in: '1h' }, 'tick', new Uint8Array(270_000))]) {
      expect(await failureOf(call())).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
    }
    expect(await failureOf(clerk.setFunction())).toMatchObject({ code: 'NOT_ENCODABLE' })
    expect(await failureOf(reminders.set('r', { in: '1h' }, 'tick', () => 1))).toMatchObject({ code: 'NOT_ENCODABLE', executed: 'no' })
    await alive(host, 'data')
  })

  it('in readonly turns and after a turn are refused', async () => {
    const host = await hostOf([Clerk])
    const clerk = host.actor(Clerk, 'turns')
    expect(await failureOf(clerk.readonlySet())).toMatchObject({ code: 'READONLY_VIOLATION' })
    outside = new Signal()
    await clerk.later()
    expect(await outside.wait()).toMatchObject({ code: 'OUTSIDE_TURN' })
    await alive(host, 'turns')
  })

  it('of lists and pages are checked', async () => {
    const host = await hostOf([Clerk])
    const clerk = host.actor(Clerk, 'pages')
    for (const limit of [0, -1, 1.5, 1001, '5', null]) {
      expect(await failureOf(clerk.list({ limit })), String(limit)).toMatchObject({ code: 'BAD_OPTION' })
      expect(await failureOf(host.listReminders('Clerk', { limit: limit as number }))).toMatchObject({ code: 'BAD_REQUEST' })
    }
    expect(await failureOf(host.listReminders('Clerk', { cursor: 'nonsense' }))).toMatchObject({ code: 'BAD_REQUEST' })
    expect(await failureOf(host.listReminders('Nobody', {}))).toMatchObject({ code: 'UNKNOWN_TYPE' })
    expect(await failureOf(clerk.manage.reminders.set('r', { in: '1h', overwrite: false }, 'tick').then(() => clerk.manage.reminders.set('r', { in: '2h', overwrite: false }, 'tick'))))
      .toMatchObject({ code: 'REMINDER_EXISTS' })
  })
})

describe('the quota of an actor', () => {
  it('counts what it has: sets, replacements, deletions, runs and turns that threw', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Clerk], { store: stores })
    const clerk = host.actor(Clerk, 'quota')
    const over = { code: 'QUOTA_EXCEEDED', message: expect.stringContaining('allows 5') }
    expect(await failureOf(clerk.setAll(6))).toMatchObject(over)
    expect(await clerk.list()).toEqual([])
    await clerk.setAll(5)
    await clerk.replaceAll(5)
    expect(await failureOf(clerk.setAll(1, 5))).toMatchObject(over)
    expect(await failureOf(clerk.manage.reminders.set('more', { in: 1 }, 'tick'))).toMatchObject(over)
    expect(await clerk.deleteOne('r0')).toBe(true)
    expect(await clerk.deleteOne('r0')).toBe(false)
    await clerk.manage.reminders.set('soon', { in: 1 }, 'tick')
    await eventually(() => clerk.list(), list => list.length === 4, 'it ran')
    await clerk.setAll(1, 7)
    expect(await failureOf(clerk.setAll(1, 8))).toMatchObject(over)
    // The count is stored: a fresh activation has it.
    stores.actors.answerNext('conflict')
    await failureOf(clerk.deleteOne('r1'))
    expect(await failureOf(clerk.setAll(1, 8))).toMatchObject(over)
    expect((await clerk.list()).length).toBe(5)
  })
})
