// Rows of reminders: what is written is what is read, in few bytes, and nothing else is taken for one.
import { describe, expect, it } from 'vitest'
import { encode } from '../../../core/codec.ts'
import { TroupeError } from '../../../core/errors.ts'
import {
  deadName, decodeReminder, encodeReminder, newReminder, originalName, reminderEntry, showReminder, type Reminder,
} from '../../../reminders/reminder.ts'
import type { Policy, Schedule } from '../../../reminders/schedule.ts'

const NOW = Date.UTC(2026, 2, 1, 12)
const policy: Policy = { missed: 'once', attempts: 4, backoffMs: 1_000 }
const every: Schedule = { kind: 'every', first: NOW, period: { months: 0, days: 0, ms: 60_000 } }
const codeOf = (run: () => unknown): unknown => {
  try {
    return run()
  } catch (raised) {
    return TroupeError.is(raised) ? raised.code : raised
  }
}

describe('a stored reminder', () => {
  const rows: Record<string, Reminder> = {
    once: { schedule: { kind: 'once', at: NOW }, policy, method: undefined, args: [], due: NOW, count: 0, failures: 0 },
    every: {
      schedule: { kind: 'every', first: NOW, period: { months: 1, days: 2, ms: 3 }, times: 5, until: NOW + 1e10, tz: 'Europe/Berlin' },
      policy: { missed: 'all', attempts: 1, backoffMs: 0 }, method: '_pay', args: [1, 'two', new Map([['three', 3n]]), undefined],
      due: NOW + 5, count: 3, failures: 2, lost: 1, missed: 7, tryAt: NOW + 9,
    },
    cron: {
      schedule: { kind: 'cron', cron: '0 3 1 * *', tz: 'UTC', from: NOW, until: NOW + 1e10 }, policy: { ...policy, missed: 'skip' },
      method: '_pay', args: [{ rate: 0.5 }], due: NOW, count: 0, failures: 4, dead: { error: 'kaputt', at: NOW + 9 },
    },
  }

  it.each(Object.entries(rows))('of kind %s is read as it was written', (_, r) => {
    expect(decodeReminder(encodeReminder(r), 'T/a r:x')).toEqual(r)
  })

  it('is small', () => {
    expect(encodeReminder(rows.once!).length).toBeLessThan(48)
  })

  it('refuses what cannot be stored, and says where it is', () => {
    const r = { ...rows.once!, args: [() => 1] }
    expect(codeOf(() => encodeReminder(r))).toBe('NOT_ENCODABLE')
  })

  it.each([
    ['no value', new Uint8Array([0xc1])],
    ['another value', encode({ a: 1 }, 'x')],
    ['a list', encode([], 'x')],
    ['a newer form', encode([2, [0, NOW]], 'x')],
    ['half of one', encode([1, [0, NOW], [0, 4, 1_000], null], 'x')],
    ['an unknown kind of schedule', encode([1, [9, NOW], [0, 4, 1_000], null, [], NOW, 0, 0, 0, 0, null, null], 'x')],
    ['an unknown policy', encode([1, [0, NOW], [9, 4, 1_000], null, [], NOW, 0, 0, 0, 0, null, null], 'x')],
    ['a time that is none', encode([1, [0, 'soon'], [0, 4, 1_000], null, [], NOW, 0, 0, 0, 0, null, null], 'x')],
  ])('is not %s', (_, bytes) => {
    expect(codeOf(() => decodeReminder(bytes, 'T/a r:x'))).toBe('STATE_UNREADABLE')
  })
})

describe('a new reminder', () => {
  it('is due at its first occurrence, past ones included', () => {
    expect(newReminder(every, policy, undefined, [], NOW + 5e6)).toEqual({
      schedule: every, policy, method: undefined, args: [], due: NOW, count: 0, failures: 0,
    })
  })

  it("that passes over what is late begins with what is not", () => {
    expect(newReminder(every, { ...policy, missed: 'skip' }, undefined, [], NOW + 90_000).due).toBe(NOW + 120_000)
    expect(newReminder(every, { ...policy, missed: 'skip' }, undefined, [], NOW + 60_000).due).toBe(NOW)
  })

  it('without any occurrence is refused', () => {
    const over: Schedule = { kind: 'once', at: NOW - 60_001 }
    expect(codeOf(() => newReminder(over, { ...policy, missed: 'skip' }, undefined, [], NOW))).toBe('BAD_SCHEDULE')
    expect(newReminder(over, policy, undefined, [], NOW).due).toBe(NOW - 60_001)
    const none: Schedule = { kind: 'cron', cron: '0 0 30 2 *', tz: 'UTC', from: NOW }
    expect(codeOf(() => newReminder(none, policy, undefined, [], NOW))).toBe('BAD_SCHEDULE')
  })
})

describe('names and forms for people', () => {
  it('keep a dead occurrence beside its reminder', () => {
    expect([reminderEntry('pay'), reminderEntry(deadName('pay')), deadName(deadName('pay')), originalName(deadName('pay')), originalName('pay')])
      .toEqual(['r:pay', 'r:pay\u0001dead', 'pay\u0001dead', 'pay', 'pay'])
  })

  it('show when it runs next, a retry too, and no time for a dead letter', () => {
    const r = newReminder(every, policy, '_pay', [1], NOW)
    expect(showReminder('pay', { ...r, failures: 1, tryAt: NOW + 1_000 })).toEqual({
      name: 'pay', method: '_pay', args: [1], due: new Date(NOW + 1_000), count: 0, failures: 1, dead: undefined,
      schedule: { every: 60_000, first: '2026-03-01T12:00:00.000Z', missed: 'once', retry: { attempts: 4, backoff: 1_000 } },
    })
    const dead = showReminder('pay\u0001dead', { ...r, failures: 4, dead: { error: 'kaputt', at: NOW } })
    expect([dead.due, dead.dead]).toEqual([undefined, { error: 'kaputt', at: new Date(NOW) }])
  })
})
