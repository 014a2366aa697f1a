// Reminders through a life of late fires and failed runs, against the plain list of their occurrences: 'all' runs each, in
// order; 'once' leaves none out; 'skip' passes over only what is late; nothing runs early, and `times` and `attempts` hold.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { advanced, failed, present } from '../../../reminders/advance.ts'
import { decodeReminder, encodeReminder, newReminder, rowDue as rowDueOf, type Reminder } from '../../../reminders/reminder.ts'
import { nextDue, type Policy, type Schedule } from '../../../reminders/schedule.ts'
import { NEVER_DUE } from '../../../stores/actor-store.ts'

const MINUTE = 60_000
const DAY = 86_400_000
// Around the changes of the clock in Berlin and New York.
const start = fc.integer({ min: Date.UTC(2026, 2, 1), max: Date.UTC(2026, 2, 30) })
const tz = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York')
const limits = fc.record({
  times: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
  lastsMs: fc.option(fc.integer({ min: 0, max: 90 * DAY }), { nil: undefined }),
})

const schedule: fc.Arbitrary<Schedule> = fc.oneof(
  start.map(at => ({ kind: 'once' as const, at })),
  fc.tuple(start, fc.constantFrom([0, 0, 30_000], [0, 0, 7 * MINUTE + 1], [0, 0, DAY], [0, 1, 0], [1, 0, 0], [0, 1, 3_600_000]), tz, limits).map(([first, [months, days, ms], zone, l]) => ({
    kind: 'every' as const, first, period: { months: months!, days: days!, ms: ms! }, tz: zone,
    ...l.times === undefined ? {} : { times: l.times }, ...l.lastsMs === undefined ? {} : { until: first + l.lastsMs },
  })),
  fc.tuple(start, fc.constantFrom('*/7 * * * *', '30 2 * * *', '0 9 * * 1-5', '15 */5 * * *'), tz, limits).map(([from, cron, zone, l]) => ({
    kind: 'cron' as const, cron, tz: zone, from,
    ...l.times === undefined ? {} : { times: l.times }, ...l.lastsMs === undefined ? {} : { until: from + 10 * DAY + l.lastsMs },
  })),
)
const policy: fc.Arbitrary<Policy> = fc.record({
  missed: fc.constantFrom('once', 'all', 'skip'), attempts: fc.integer({ min: 1, max: 3 }), backoffMs: fc.constantFrom(0, 1_000, 50_000), constant: fc.constant(true as const),
}, { requiredKeys: ['missed', 'attempts', 'backoffMs'] })
const step = fc.record({
  lateMs: fc.oneof({ weight: 4, arbitrary: fc.nat(50) }, { weight: 2, arbitrary: fc.nat(3 * MINUTE) }, { weight: 1, arbitrary: fc.nat(20 * DAY) }),
  takesMs: fc.oneof({ weight: 3, arbitrary: fc.nat(50) }, { weight: 1, arbitrary: fc.nat(3 * MINUTE) }),
  fails: fc.nat(2).map(n => n === 0),
})

interface Run {
  readonly due: number
  readonly missed: number
  readonly attempt: number
  readonly at: number
  readonly ended: 'well' | 'dead' | 'retry'
}

/** Fires the row whenever it is due, some time late, until it is gone or dead or the steps are over. */
function live(first: Reminder, steps: readonly { lateMs: number; takesMs: number; fails: boolean }[]): { runs: Run[]; skipped: { from: number; at: number }[]; last: Reminder | undefined } {
  const runs: Run[] = []
  const skipped: { from: number; at: number }[] = []
  let r: Reminder | undefined = first
  let rowDue = first.due
  let now = -Infinity
  for (const { lateMs, takesMs, fails } of steps) {
    now = Math.max(now, rowDue + lateMs)
    r = decodeReminder(encodeReminder(r), 'x')
    const outcome = present(r, now, 'x')
    if (!outcome.run) {
      skipped.push({ from: r.due, at: now })
      r = outcome.next
    } else {
      const { due, missed, attempt } = outcome.occurrence
      const run = { due: due.getTime(), missed, attempt, at: now }
      const ranAt = now
      now += takesMs
      if (!fails) {
        runs.push({ ...run, ended: 'well' })
        r = advanced(r, ranAt)
      } else {
        const next = failed(r, 'kaputt', now, ranAt)
        runs.push({ ...run, ended: next.dead !== undefined || next.due === NEVER_DUE ? 'dead' : 'retry' })
        if (next.due === NEVER_DUE) return { runs, skipped, last: undefined }
        r = next.reminder
        rowDue = next.due
        expect(rowDueOf(r)).toBe(next.due)
        if (next.dead === undefined) continue
      }
    }
    if (r === undefined) break
    rowDue = r.due
  }
  return { runs, skipped, last: r }
}

const occurrences = (s: Schedule, untilMs: number): number[] => {
  const all: number[] = []
  for (let due = nextDue(s, -Infinity); due !== undefined && due <= untilMs; due = nextDue(s, due)) all.push(due)
  return all
}

describe('the life of a reminder', () => {
  it('runs what its policy says, never early, and leaves nothing else out', () => {
    fc.assert(fc.property(schedule, policy, fc.array(step, { maxLength: 25 }), (given, how, steps) => {
      const first = newReminder(given, how, undefined, [], 0)
      const { runs, skipped, last } = live(first, steps)
      const times = given.kind === 'once' ? undefined : given.times
      const end = Math.max(first.due, ...runs.map(run => run.at), ...skipped.map(skip => skip.at))
      const all = occurrences(given, end)
      const indexOf = new Map(all.map((due, i) => [due, i]))

      for (const run of runs) {
        expect(run.due).toBeLessThanOrEqual(run.at)
        expect(indexOf.has(run.due)).toBe(true)
        expect(run.attempt).toBeLessThanOrEqual(how.attempts)
        expect(run.ended === 'dead').toBe(run.ended !== 'well' && run.attempt === how.attempts)
      }
      const firstTries = runs.filter(run => run.attempt === 1)
      if (times !== undefined) expect(firstTries.length).toBeLessThanOrEqual(times)
      // Tries of one occurrence follow each other and tell the same.
      runs.forEach((run, i) => {
        const before = runs[i - 1]
        expect(run.attempt).toBe(before?.ended === 'retry' ? before.attempt + 1 : 1)
        if (before?.ended === 'retry') expect([run.due, run.missed]).toEqual([before.due, before.missed])
      })

      if (how.missed === 'skip') {
        for (const run of firstTries) expect(run.at - run.due).toBeLessThanOrEqual(MINUTE)
        for (const skip of skipped) expect(skip.at - skip.from).toBeGreaterThan(MINUTE)
      } else {
        expect(skipped).toEqual([])
        // Each run stands for itself and those missed before it; together they are all occurrences, in order.
        let at = 0
        for (const run of firstTries) {
          const missed = indexOf.get(run.due)! - at
          // Calendars are counted to a thousand.
          expect(run.missed).toBe(given.kind === 'cron' ? Math.min(1_000, missed) : missed)
          if (how.missed === 'all') expect(missed).toBe(0)
          else expect(all[at + missed + 1] ?? Infinity).toBeGreaterThan(run.at)
          at += missed + 1
        }
        if (last !== undefined && runs.at(-1)?.ended !== 'retry') expect(last.due).toBe(nextDue(given, all[at - 1] ?? -Infinity))
        else if (last === undefined && times !== firstTries.length) expect(nextDue(given, all[at - 1]!)).toBeUndefined()
      }
    }), { numRuns: 500 })
  })
})
