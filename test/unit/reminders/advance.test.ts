// What becomes of a reminder: the cases worth a name. test/property/reminders/advance.test.ts has the rest.
import { describe, expect, it } from 'vitest'
import { advanced, failed, present, revived } from '../../../reminders/advance.ts'
import { decodeReminder, encodeReminder, newReminder, type Reminder } from '../../../reminders/reminder.ts'
import type { Policy, Schedule } from '../../../reminders/schedule.ts'
import { NEVER_DUE } from '../../../stores/actor-store.ts'

const T = Date.UTC(2026, 2, 1)
const MINUTE = 60_000
const policy: Policy = { missed: 'once', attempts: 3, backoffMs: 1_000 }
const minutely: Schedule = { kind: 'every', first: T, period: { months: 0, days: 0, ms: MINUTE } }
const daily: Schedule = { kind: 'cron', cron: '0 9 * * *', tz: 'Europe/Berlin', from: T }
const once: Schedule = { kind: 'once', at: T }
const reminder = (schedule: Schedule, given: Partial<Policy> = {}): Reminder =>
  newReminder(schedule, { ...policy, ...given }, '_tick', [1], T)

function ran(r: Reminder, nowMs: number): { due: number; count: number; attempt: number; missed: number } {
  const outcome = present(r, nowMs, 'x')
  if (!outcome.run) throw new Error('passed over')
  const { reminder: name, due, ...rest } = outcome.occurrence
  expect(name).toBe('x')
  return { ...rest, due: due.getTime() }
}

describe("missed: 'once'", () => {
  it('runs what fell due as one, the latest, and goes on after it', () => {
    const r = reminder(minutely)
    const now = T + 10 * MINUTE + 5
    expect(ran(r, now)).toEqual({ due: T + 10 * MINUTE, count: 1, attempt: 1, missed: 10 })
    expect(advanced(r, now)).toEqual({ ...r, due: T + 11 * MINUTE, count: 1 })
  })

  it('keeps what falls due during a run', () => {
    const r = reminder(minutely)
    const after = advanced(r, T)!
    expect(ran(after, T + 3 * MINUTE)).toEqual({ due: T + 3 * MINUTE, count: 2, attempt: 1, missed: 2 })
  })

  it('finds the latest of a year of seconds, and of calendar days, at once', () => {
    const secondly = reminder({ kind: 'every', first: T, period: { months: 0, days: 0, ms: 1_000 } })
    const year = T + 365 * 86_400_000
    expect(ran(secondly, year + 1)).toEqual({ due: year, count: 1, attempt: 1, missed: 365 * 86_400 })
    const days = reminder(daily)
    // 9 o'clock in Berlin is 8 in UTC, and 7 from 29 March on.
    expect(ran(days, Date.UTC(2026, 3, 1, 12))).toEqual({ due: Date.UTC(2026, 3, 1, 7), count: 1, attempt: 1, missed: 31 })
  })

  it('stops at the end of the schedule', () => {
    const r = reminder({ ...minutely, until: T + 5 * MINUTE })
    expect(ran(r, T + 86_400_000)).toEqual({ due: T + 5 * MINUTE, count: 1, attempt: 1, missed: 5 })
    expect(advanced(r, T + 86_400_000)).toBeUndefined()
  })
})

describe("missed: 'all'", () => {
  it('runs each in its turn', () => {
    let r: Reminder | undefined = reminder({ ...minutely, until: T + 2 * MINUTE }, { missed: 'all' })
    const now = T + 86_400_000
    for (let i = 0; i < 3; i++) {
      expect(ran(r!, now)).toEqual({ due: T + i * MINUTE, count: i + 1, attempt: 1, missed: 0 })
      r = advanced(r!, now)
    }
    expect(r).toBeUndefined()
  })
})

describe("missed: 'skip'", () => {
  const r = reminder(minutely, { missed: 'skip' })

  it('runs what is a minute late, and waits for the next one when it is later', () => {
    expect(ran(r, T + MINUTE).due).toBe(T)
    expect(present(r, T + MINUTE + 1)).toEqual({ run: false, next: { ...r, due: T + 2 * MINUTE } })
  })

  it('drops a single occurrence that is too late', () => {
    expect(present(reminder(once, { missed: 'skip' }), T + MINUTE + 1)).toEqual({ run: false, next: undefined })
  })

  it('does not drop what is late because it failed', () => {
    const { reminder: again } = failed(r, 'kaputt', T)
    expect(ran(again, T + 3_600_000)).toEqual({ due: T, count: 1, attempt: 2, missed: 0 })
    expect(advanced(again, T + 3_600_000 + 5)!.due).toBe(T + 61 * MINUTE)
  })
})

describe('a run that fails', () => {
  it('is tried again after the backoff each time, where that is constant', () => {
    let r = reminder(minutely, { attempts: 5, constant: true })
    for (let i = 1; i < 5; i++) {
      const { reminder: next, due } = failed(r, 'kaputt', T)
      expect(due).toBe(T + 1_000)
      r = decodeReminder(encodeReminder(next), 'x')
    }
  })

  it('is tried again after 1, 2, 4, … times the backoff, an hour at most, with its due time and what it stands for', () => {
    let r = reminder(minutely, { attempts: 20 })
    let now = T + 2 * MINUTE
    const waits: number[] = []
    for (let i = 1; i < 20; i++) {
      expect(ran(r, now)).toEqual({ due: T + 2 * MINUTE, count: 1, attempt: i, missed: 2 })
      const next = failed(r, 'kaputt', now)
      expect(next.dead).toBeUndefined()
      waits.push(next.due - now)
      r = decodeReminder(encodeReminder(next.reminder), 'x')
      now = next.due
    }
    expect(waits.slice(0, 5)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000])
    expect(waits.slice(-6)).toEqual(Array(6).fill(3_600_000))
    // Those that came due meanwhile are missed ones now.
    const after = advanced(r, now)!
    expect(after).toMatchObject({ due: T + 3 * MINUTE, count: 1, failures: 0 })
    expect(after).not.toHaveProperty('missed')
  })

  it('for the last time leaves a dead letter; where nothing follows, that is its own row', () => {
    const tried = failed(failed(reminder(once), '1', T).reminder, '2', T).reminder
    const { reminder: dead, due, dead: beside } = failed(tried, 'x'.repeat(5_000), T + 9)
    expect([due, beside]).toEqual([NEVER_DUE, undefined])
    expect(dead).toEqual({ ...reminder(once), failures: 3, dead: { error: 'x'.repeat(1_000), at: T + 9 } })
  })

  it('for the last time does not end a schedule: it goes on, and the dead occurrence is a row of its own', () => {
    const now = T + 2 * MINUTE
    const r = { ...reminder(minutely), count: 5, failures: 2, due: T, missed: 1 }
    const { reminder: next, due, dead } = failed(r, 'kaputt', now)
    expect(next).toEqual({ ...reminder(minutely), count: 5, lost: 1, due: T + MINUTE, failures: 0 })
    expect(due).toBe(next.due)
    expect(dead).toEqual({ ...r, failures: 3, schedule: { kind: 'once', at: T }, dead: { error: 'kaputt', at: now } })
    // It was the sixth run, and the next is the seventh.
    expect(ran(revived(dead!, now), now)).toEqual({ due: T, count: 6, attempt: 1, missed: 1 })
    expect(ran(next, now)).toEqual({ due: now, count: 7, attempt: 1, missed: 1 })
  })

  it('counts for `times`', () => {
    const r = { ...reminder({ ...minutely, times: 2 }), failures: 2 }
    const first = failed(r, 'kaputt', T)
    expect(first.reminder.due).toBe(T + MINUTE)
    expect(advanced(first.reminder, T + MINUTE)).toBeUndefined()
    expect(failed({ ...first.reminder, failures: 2 }, 'kaputt', T + MINUTE)).toMatchObject({ due: NEVER_DUE, reminder: { dead: { error: 'kaputt' } } })
  })
})

describe('a dead letter that is revived', () => {
  it('is due at once, runs however late it is, and is done with then', () => {
    const { reminder: dead } = failed({ ...reminder(once, { missed: 'skip' }), failures: 2 }, 'kaputt', T)
    const now = T + 86_400_000
    const again = revived(dead, now)
    expect(again.due).toBe(T)
    expect(again.dead).toBeUndefined()
    expect(ran(again, now)).toEqual({ due: T, count: 1, attempt: 1, missed: 0 })
    expect(advanced(again, now)).toBeUndefined()
  })

  it('has all its attempts anew, and its own row when they fail too', () => {
    const { dead } = failed({ ...reminder(minutely), failures: 2 }, 'kaputt', T)
    let r = revived(dead!, T)
    for (let i = 0; i < 2; i++) r = failed(r, 'again', T).reminder
    expect(r.failures).toBe(2)
    const { tryAt, ...rest } = r
    expect(tryAt).toBe(T + 2_000)
    expect(failed(r, 'again', T + 5)).toEqual({ due: NEVER_DUE, reminder: { ...rest, failures: 3, dead: { error: 'again', at: T + 5 } } })
  })

  it('is shown to its handler by the name of its reminder', () => {
    const outcome = present(reminder(once), T, 'pay\u0001dead')
    expect(outcome.run && outcome.occurrence.reminder).toBe('pay')
  })
})
