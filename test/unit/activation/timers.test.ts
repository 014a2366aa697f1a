import { describe, expect, it } from 'vitest'
import { Actor } from '../../../actors/actor.ts'
import type { TimerSchedule } from '../../../actors/actor-reminders.ts'
import { readActorType } from '../../../actors/actor-type.ts'
import { ManualClock } from '../../../core/clock.ts'
import { silentLogger } from '../../../core/logger.ts'
import { MAX_TIMERS, nextTick, TimerQueue, type TimerOwner } from '../../../runtime/activation/timers.ts'

class Clockwork extends Actor {
  beat() {}
  _inner() {}
  field = () => 1
  async *stream() { yield 1 }
}
const type = readActorType(Clockwork)
const owner = (id = 'a'): TimerOwner => ({ name: `Clockwork/${id}`, type })

interface Tick {
  readonly at: number
  readonly owner: string
  readonly name: string
  readonly method: string
  readonly args: readonly unknown[]
  readonly keepAlive: boolean
}

function open(run: (tick: Tick) => Promise<void> | void = () => undefined) {
  const clock = new ManualClock()
  const ticks: Tick[] = []
  const logged: string[] = []
  const queue = new TimerQueue({
    clock, log: { ...silentLogger, warn: (_, text) => { logged.push(text) } },
    tick: async (of, name, method, args, keepAlive) => {
      const tick = { at: clock.monotonicMs(), owner: of.name, name, method, args, keepAlive }
      ticks.push(tick)
      await run(tick)
    },
  })
  return { clock, ticks, logged, queue, times: () => ticks.map(tick => tick.at) }
}
const pause = (clock: ManualClock, ms: number): Promise<void> => new Promise(resolve => { clock.after(ms, resolve) })

describe('a timer', () => {
  it('ticks first after `first`, then each `every`, and only so many `times`', async () => {
    const { clock, ticks, queue, times } = open()
    const timers = queue.timersOf(owner())
    timers.set('t', { first: 5, every: '10ms', times: 3, keepAlive: true }, 'beat', 1, 'x')
    expect(timers.list()).toEqual([{ name: 't', dueInMs: 5, ticks: 0 }])
    await clock.advance(5)
    expect(timers.list()).toEqual([{ name: 't', dueInMs: 10, ticks: 1 }])
    await clock.advance(100)
    expect(times()).toEqual([5, 15, 25])
    expect(ticks[0]).toEqual({ at: 5, owner: 'Clockwork/a', name: 't', method: 'beat', args: [1, 'x'], keepAlive: true })
    expect(timers.list()).toEqual([])
    expect(queue.size).toBe(0)
  })

  it('ticks once without `every`, after one `every` without `first`, at once with `first: 0`', async () => {
    const { clock, queue, ticks } = open()
    const timers = queue.timersOf(owner())
    timers.set('once', { first: 'PT0.02S' }, '_inner')
    timers.set('each', { every: 15 }, Clockwork.prototype.beat)
    timers.set('now', { first: 0 }, 'beat')
    await clock.advance(30)
    expect(ticks.map(tick => `${tick.name} ${tick.method} ${tick.at}`)).toEqual(['now beat 0', 'each beat 15', 'once _inner 20', 'each beat 30'])
  })

  it('never overlaps itself, and makes up for no tick that a slow one swallowed', async () => {
    let now = 0
    let most = 0
    const { clock, queue, times } = open(async tick => {
      most = Math.max(most, ++now)
      await pause(clock, tick.at === 10 ? 35 : 1)
      now--
    })
    queue.timersOf(owner()).set('t', { every: 10 }, 'beat')
    await clock.advance(80)
    expect(times()).toEqual([10, 50, 60, 70, 80])
    expect(most).toBe(1)
  })

  it('goes on after a tick that fails, and the failure is logged', async () => {
    const { clock, queue, times, logged } = open(() => { throw new Error('broken') })
    queue.timersOf(owner()).set('t', { every: 10, times: 2 }, 'beat')
    await clock.advance(50)
    expect(times()).toEqual([10, 20])
    expect(logged).toEqual(['a tick of a timer failed: broken', 'a tick of a timer failed: broken'])
  })

  it('waits longer than clocks can', async () => {
    const { clock, queue, times } = open()
    const day = 86_400_000
    queue.timersOf(owner()).set('t', { first: 'P60D', every: 40 * day }, 'beat')
    await clock.advance(60 * day - 1)
    expect(times()).toEqual([])
    await clock.advance(41 * day)
    expect(times()).toEqual([60 * day, 100 * day])
  })

  it('is replaced by another of its name, and gone when it is deleted', async () => {
    const { clock, queue, ticks } = open()
    const timers = queue.timersOf(owner())
    timers.set('t', { every: 10 }, 'beat', 'old')
    timers.set('t', { every: 20 }, 'beat', 'new')
    timers.set('u', { every: 5 }, 'beat')
    expect(timers.delete('u')).toBe(true)
    expect(timers.delete('u')).toBe(false)
    await clock.advance(40)
    expect(ticks.map(tick => [tick.at, ...tick.args])).toEqual([[20, 'new'], [40, 'new']])
  })

  it('may be set anew or deleted inside its own tick', async () => {
    const { clock, queue, ticks } = open(async tick => {
      if (tick.args[0] === 1) timers.set('t', { first: 7 }, 'beat', 2)
      if (tick.name === 'd') timers.delete('d')
      await pause(clock, 3)
    })
    const timers = queue.timersOf(owner())
    timers.set('t', { every: 10 }, 'beat', 1)
    timers.set('d', { every: 10 }, 'beat')
    await clock.advance(100)
    expect(ticks.map(tick => `${tick.name} ${tick.at}`)).toEqual(['t 10', 'd 10', 't 17'])
    expect(timers.list()).toEqual([])
  })

  it('gives each tick arguments of its own', async () => {
    const { clock, queue, ticks } = open(tick => { (tick.args[0] as number[]).push(9) })
    const given = [1]
    queue.timersOf(owner()).set('t', { every: 10 }, 'beat', given)
    given.push(2)
    await clock.advance(20)
    expect(ticks.map(tick => tick.args)).toEqual([[[1, 9]], [[1, 9]]])
  })
})

describe('the timers of an activation', () => {
  it('are gone with it, even while a tick runs', async () => {
    const { clock, queue, times, logged } = open(async () => {
      await pause(clock, 5)
      throw new Error('its activation ended')
    })
    const timers = queue.timersOf(owner())
    timers.set('t', { every: 10 }, 'beat')
    timers.set('u', { every: 100 }, 'beat')
    await clock.advance(12)
    timers.clear()
    await clock.advance(1_000)
    expect(times()).toEqual([10])
    expect(logged).toEqual([])
    expect(queue.size).toBe(0)
    expect(() => timers.set('t', { every: 10 }, 'beat')).toThrow(expect.objectContaining({ code: 'OUTSIDE_TURN' }) as Error)
  })

  it(`are at most ${MAX_TIMERS}`, () => {
    const { queue } = open()
    const timers = queue.timersOf(owner())
    for (let i = 0; i < MAX_TIMERS; i++) timers.set(`t${i}`, { every: 1_000 }, 'beat')
    expect(() => timers.set('more', { every: 1 }, 'beat')).toThrow(expect.objectContaining({ code: 'QUOTA_EXCEEDED', message: expect.stringContaining('Clockwork/a') as string }) as Error)
    timers.set('t5', { every: 5 }, 'beat')
    timers.delete('t6')
    timers.set('more', { every: 1 }, 'beat')
    expect(queue.size).toBe(MAX_TIMERS)
  })

  it('need no timer of the clock each', async () => {
    const { clock, queue, ticks } = open()
    let asked = 0
    const after = clock.after.bind(clock)
    clock.after = (ms, run) => {
      asked++
      return after(ms, run)
    }
    for (let i = 0; i < 3_000; i++) queue.timersOf(owner(`${i}`)).set('t', { first: 1_000, every: 60_000 }, 'beat')
    await clock.advance(1_000)
    expect(ticks.length).toBe(3_000)
    expect(asked).toBeLessThan(20)
    queue.close()
    await clock.advance(100_000)
    expect(ticks.length).toBe(3_000)
  })
})

describe('a bad timer is refused, and none is set', () => {
  it.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /^timer: undefined is no object; write an object/], ['a text', '10s', /write an object/], ['no time', {}, /neither 'first' nor 'every'/],
    ['every 0', { every: 0 }, /^timer: every 0 is too short/], ['every PT0S', { every: 'PT0S' }, /too short/], ['a negative', { every: -1 }, /negative/],
    ['NaN', { every: Number.NaN }, /finite/], ['Infinity', { first: Infinity }, /finite/], ['1e309 as text', { first: '1e309' }, /no length of time/],
    ['months', { every: 'P1M' }, /only reminders/], ['year 10000', { first: 1e15 }, /year 9999/], ['a fraction', { every: 0.5 }, /fraction/],
    ['an object', { first: {} }, /no length of time/], ['a cron', { cron: '* * * * *' }, /^timer: "cron" is no field of its schedule; it has first, every, times, until, keepAlive$/], ['times 0', { every: 5, times: 0 }, /times 0/],
    ['times NaN', { every: 5, times: Number.NaN }, /times NaN/], ['times as text', { every: 5, times: '3' }, /times "3"/],
    ['times without every', { first: 5, times: 2 }, /needs 'every'/], ['keepAlive 1', { every: 5, keepAlive: 1 }, /keepAlive/],
  ])('schedule: %s', async (_, schedule, problem) => {
    const { clock, queue, ticks } = open()
    const timers = queue.timersOf(owner())
    expect(() => timers.set('t', schedule as TimerSchedule, 'beat')).toThrow(expect.objectContaining({ code: 'BAD_SCHEDULE', message: expect.stringMatching(problem) as string }) as Error)
    timers.set('good', { first: 1 }, 'beat')
    await clock.advance(10)
    expect(ticks.length).toBe(1)
  })

  it.each(['', 'a/b', 'a\\b', 'a#', 'a?', 'a\nb', 'x'.repeat(257), 5])('name: %j', name => {
    const timers = open().queue.timersOf(owner())
    expect(() => timers.set(name as string, { every: 5 }, 'beat')).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }) as Error)
  })

  it.each([['a name that does not exist', 'none'], ['an arrow field', new Clockwork().field], ['a stream', 'stream'], ['a hook', 'onActivate'], ['nothing', undefined]])('target: %s', (_, target) => {
    const timers = open().queue.timersOf(owner())
    expect(() => timers.set('t', { every: 5 }, target as string)).toThrow(expect.objectContaining({ code: 'UNKNOWN_METHOD' }) as Error)
    expect(timers.list()).toEqual([])
  })

  it('arguments that cannot be copied', () => {
    const timers = open().queue.timersOf(owner())
    expect(() => timers.set('t', { every: 5 }, 'beat', () => 1)).toThrow(expect.objectContaining({ code: 'NOT_ENCODABLE' }) as Error)
  })
})

it('the next tick is at the first multiple that is not past', () => {
  expect(nextTick(10, 10, 15)).toBe(20)
  expect(nextTick(10, 10, 20)).toBe(20)
  expect(nextTick(10, 10, 20.5)).toBe(30)
  expect(nextTick(10, 10, 1_000_000)).toBe(1_000_000)
  expect(nextTick(10, 7, 1_000_000)).toBe(10 + 7 * Math.ceil(999_990 / 7))
})
