// Fixed and calendar periods against naive models; durations and instants as text; what is stored survives being shown and read again.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatPeriod, LONGEST_MS, parsePeriod } from '../../../reminders/duration-formats.ts'
import { parseInstant } from '../../../reminders/instant-format.ts'
import { countDue, nextDue, readSchedule, showSchedule, type Policy, type Schedule } from '../../../reminders/schedule.ts'
import { changes, periodsByModel } from './schedule-model.ts'

const instant = fc.integer({ min: 0, max: LONGEST_MS })
const zone = fc.constantFrom(...new Set(changes.map(([name]) => name)))
const MINUTE = 60_000

/** What repeated asking gives, from the first of all. */
function firstOccurrences(schedule: Schedule, count: number): number[] {
  const found: number[] = []
  for (let at = nextDue(schedule, -Infinity); at !== undefined && found.length < count; at = nextDue(schedule, at)) found.push(at)
  return found
}

describe('fixed periods', () => {
  it('are due at first + n periods, by exact arithmetic, beyond 2^31 ms too', () => {
    const period = fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 2 ** 31, max: 2 ** 40 }), fc.integer({ min: 1, max: LONGEST_MS }))
    fc.assert(fc.property(instant, period, instant, (first, ms, after) => {
      const schedule: Schedule = { kind: 'every', first, period: { months: 0, days: 0, ms } }
      const n = after < first ? 0n : BigInt(after - first) / BigInt(ms) + 1n
      const expected = BigInt(first) + n * BigInt(ms)
      expect(nextDue(schedule, after)).toBe(expected > BigInt(LONGEST_MS) ? undefined : Number(expected))
    }), { numRuns: 2000 })
  })

  it('are counted as repeated asking counts them', () => {
    const near = fc.integer({ min: 1_000_000, max: 1_001_000 })
    fc.assert(fc.property(near, fc.integer({ min: 1, max: 50 }), near, near, fc.nat(100), fc.option(near, { nil: undefined }), (first, ms, a, b, limit, until) => {
      const schedule: Schedule = { kind: 'every', first, period: { months: 0, days: 0, ms }, ...until === undefined ? {} : { until } }
      let count = 0
      for (let at = nextDue(schedule, a); at !== undefined && at <= b && count < limit; at = nextDue(schedule, at)) count++
      expect(countDue(schedule, a, b, limit)).toBe(count)
    }), { numRuns: 1000 })
  })
})

describe('calendar periods', () => {
  it('are due as the model says, across changes of the clock and ends of months, from wherever one asks', () => {
    // A few periods before a change, so that they meet it.
    const near = fc.tuple(fc.constantFrom(...changes), fc.integer({ min: -40 * 1440, max: 1440 }))
    const period = fc.constantFrom(
      { months: 0, days: 1, ms: 0 }, { months: 0, days: 7, ms: 0 }, { months: 1, days: 0, ms: 0 }, { months: 12, days: 0, ms: 0 },
      { months: 1, days: 0, ms: 60 * MINUTE }, { months: 0, days: 1, ms: 90 * MINUTE }, { months: 2, days: 3, ms: 4 * MINUTE }, { months: 0, days: 10, ms: 0 },
    )
    fc.assert(fc.property(near, period, fc.nat(), ([[tz, around], minutes], p, part) => {
      const first = Date.parse(around) + minutes * MINUTE
      const schedule: Schedule = { kind: 'every', first, period: p, tz }
      // A reading in a gap may mean the same instant as the next one: that is one occurrence.
      const model = [...new Set(periodsByModel(tz, first, p.months, p.days, p.ms, 14))]
      expect(firstOccurrences(schedule, model.length)).toEqual(model)
      const i = part % (model.length - 1)
      const between = model[i]! + part % (model[i + 1]! - model[i]!)
      expect(nextDue(schedule, between)).toBe(model[i + 1])
      expect(countDue(schedule, -Infinity, model[i]!, 100)).toBe(i + 1)
    }), { numRuns: 80 })
  })

  it('never drift, whatever is asked far away', () => {
    fc.assert(fc.property(zone, fc.integer({ min: 0, max: Date.UTC(2100, 0) }), fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 40 }), instant, (tz, first, months, days, after) => {
      const schedule: Schedule = { kind: 'every', first, period: { months, days, ms: 0 }, tz }
      const next = nextDue(schedule, after)
      if (next === undefined) return
      expect(next).toBeGreaterThan(after)
      expect(next).toBeGreaterThanOrEqual(first)
      // Nothing lies in between: the one after `after` is also the one after `next - 1`.
      expect(nextDue(schedule, next - 1)).toBe(next)
      expect(nextDue(schedule, Math.max(after, Math.floor((after + next) / 2)))).toBe(next)
    }), { numRuns: 500 })
  })
})

describe('text', () => {
  it('of Go durations is summed exactly', () => {
    const part = fc.tuple(fc.nat(500), fc.constantFrom(['h', 3_600_000], ['m', 60_000], ['s', 1000], ['ms', 1]) as fc.Arbitrary<[string, number]>)
    fc.assert(fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), parts => {
      const text = parts.map(([n, [unit]]) => `${n}${unit}`).join('')
      expect(parsePeriod(text, 'in')).toEqual({ months: 0, days: 0, ms: parts.reduce((sum, [n, [, ms]]) => sum + n * ms, 0), whole: true })
    }))
  })

  it('of periods comes back as it was', () => {
    fc.assert(fc.property(fc.nat(90_000), fc.nat(2_900_000), fc.integer({ min: 0, max: 2 ** 45 }), (months, days, ms) => {
      expect(parsePeriod(formatPeriod(months, days, ms), 'every')).toEqual({ months, days, ms, whole: true })
    }))
  })

  it('of instants means what Date says, and days that do not exist are refused', () => {
    fc.assert(fc.property(instant, fc.integer({ min: -14 * 60, max: 14 * 60 }), (at, offset) => {
      const local = new Date(Math.min(LONGEST_MS - 86_400_000, Math.max(86_400_000, at)))
      const sign = offset < 0 ? '-' : '+'
      const size = Math.abs(offset)
      const text = `${local.toISOString().slice(0, -1)}${sign}${String(Math.floor(size / 60)).padStart(2, '0')}:${String(size % 60).padStart(2, '0')}`
      expect(parseInstant(text, 'at')).toBe(Date.parse(text))
    }))
    fc.assert(fc.property(fc.integer({ min: 1970, max: 9999 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 31 }), (year, month, day) => {
      const text = `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}T12:00:00Z`
      if (new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day) expect(parseInstant(text, 'at')).toBe(Date.parse(text))
      else expect(() => parseInstant(text, 'at')).toThrow('does not exist')
    }))
  })

  it('of anything is read or refused with BAD_SCHEDULE, quickly', () => {
    const piece = fc.constantFrom('P', 'T', 'R', '/', '1', '99', 'H', 'M', 'S', 'D', 'W', 'Y', 'h', 'm', 's', '.', '-', ':', 'Z', '*', ',', ' ', '@every', 'L', '#', '2026-01-01T00:00:00', 'é', '\0')
    const anything = fc.oneof(fc.anything(), fc.string(), fc.array(piece, { maxLength: 12 }).map(pieces => pieces.join('')))
    fc.assert(fc.property(fc.constantFrom('at', 'in', 'every', 'cron', 'first', 'until', 'times', 'tz', 'retry', 'missed', 'overwrite'), anything, (field, value) => {
      const base = field === 'at' || field === 'in' || field === 'every' ? {} : field === 'cron' ? {} : { every: '1h' }
      try {
        const { schedule } = readSchedule({ ...base, [field]: value }, 1_800_000_000_000)
        const next = nextDue(schedule, -Infinity)
        expect(next).toSatisfy((at: number) => Number.isInteger(at) && at >= 0 && at <= LONGEST_MS)
      } catch (error) {
        expect(error).toMatchObject({ code: 'BAD_SCHEDULE' })
      }
    }), { numRuns: 2000 })
  })
})

describe('a stored schedule', () => {
  it('is the same after it was shown and read again', () => {
    const limits = { times: fc.option(fc.integer({ min: 1 }), { nil: undefined }), until: fc.option(fc.integer({ min: Date.UTC(9000, 0), max: LONGEST_MS }), { nil: undefined }) }
    const period = fc.record({ months: fc.nat(500), days: fc.nat(500), ms: fc.integer({ min: 1, max: 2 ** 40 }) })
    const now = 1_800_000_000_000
    const schedule = fc.oneof(
      fc.record({ kind: fc.constant('once' as const), at: instant }),
      fc.record({ kind: fc.constant('every' as const), first: fc.integer({ min: 0, max: Date.UTC(8000, 0) }), period, tz: fc.option(zone, { nil: undefined }), ...limits }),
      fc.record({ kind: fc.constant('cron' as const), cron: fc.constantFrom('0 3 1 * *', '*/5 * * * * *', '@daily', '0 0 L * 5'), tz: zone, from: fc.constant(now), ...limits }),
    )
    const policy: fc.Arbitrary<Policy> = fc.record({
      missed: fc.constantFrom('once', 'all', 'skip'), attempts: fc.integer({ min: 1, max: 1000 }), backoffMs: fc.nat(3_600_000), constant: fc.constant(true as const),
    }, { requiredKeys: ['missed', 'attempts', 'backoffMs'] })
    fc.assert(fc.property(schedule, policy, (given, p) => {
      const stored = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as unknown as Schedule
      expect(readSchedule(showSchedule(stored, p), now)).toEqual({ schedule: stored, policy: p, overwrite: true })
      expect(readSchedule(JSON.parse(JSON.stringify(showSchedule(stored, p))), now).schedule).toEqual(stored)
    }), { numRuns: 500 })
  })
})
