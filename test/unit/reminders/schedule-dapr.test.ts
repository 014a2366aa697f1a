// Dapr's dueTime, period and ttl.
import { describe, expect, it } from 'vitest'
import { fromDaprFields, readSchedule } from '../../../reminders/schedule.ts'

const now = Date.parse('2026-01-31T12:00:00Z')
const read = (fields: { dueTime?: unknown; period?: unknown; ttl?: unknown }) => readSchedule(fromDaprFields(fields, now), now).schedule
const fixed = (ms: number) => ({ months: 0, days: 0, ms })

describe('fromDaprFields', () => {
  it.each([
    ['1h2m3s4ms', 3_723_004], ['0h0m1s0ms0μs', 1000], ['PT10S', 10_000], ['P1W', 7 * 86_400_000], ['P1M', 28 * 86_400_000], ['0s', 0],
    ['2026-01-31T12:00:05Z', 5000], ['2026-01-31T14:00:05.123456789+02:00', 5124], ['2020-01-01T00:00:00Z', 0],
  ])('due time %j alone runs once', (dueTime, ms) => {
    expect(read({ dueTime })).toEqual({ kind: 'once', at: now + ms })
    expect(read({ dueTime, period: '', ttl: '' })).toEqual({ kind: 'once', at: now + ms })
  })

  it('without a due time runs first after one period', () => {
    expect(read({ period: '10s' })).toEqual({ kind: 'every', first: now + 10_000, period: fixed(10_000) })
    expect(read({ dueTime: '', period: 'PT10S' })).toEqual({ kind: 'every', first: now + 10_000, period: fixed(10_000) })
    expect(read({ dueTime: null, period: '@every 1m0.5s' })).toMatchObject({ period: fixed(60_500) })
  })

  it('counts repetitions; R0 is no limit', () => {
    expect(read({ dueTime: '0s', period: 'R5/PT1S' })).toEqual({ kind: 'every', first: now, period: fixed(1000), times: 5 })
    expect(read({ period: 'R2/10s' })).toMatchObject({ times: 2 })
    expect(read({ period: 'R0/PT1S' })).not.toHaveProperty('times')
  })

  it('accepts periods of the calendar, and rounds below a millisecond up', () => {
    expect(read({ period: 'P1Y2M3DT4H' })).toMatchObject({ period: { months: 14, days: 3, ms: 14_400_000 } })
    expect(read({ period: '1500us' })).toMatchObject({ period: fixed(2) })
  })

  it('counts ttl from the due time', () => {
    expect(read({ dueTime: '10s', period: '1s', ttl: '5s' })).toMatchObject({ first: now + 10_000, until: now + 15_000 })
    expect(read({ period: '1s', ttl: 'PT5S' })).toMatchObject({ first: now + 1000, until: now + 5000 })
    expect(read({ period: '1s', ttl: '2026-01-31T12:00:05Z' })).toMatchObject({ until: now + 5000 })
    expect(read({ dueTime: '2020-01-01T00:00:00Z', period: '1s', ttl: '5s' })).toMatchObject({ first: now, until: now + 5000 })
  })

  it.each([
    [{}, /^schedule: the reminder has neither dueTime nor period: job must have either a due time or a schedule; write dueTime: '1s'.*schedule: \{ every: '1m' \}$/], [{ dueTime: '', period: '', ttl: '5s' }, /either a due time or a schedule/], [{ dueTime: '1s', ttl: '5s' }, /job must have a schedule to have a ttl/],
    [{ dueTime: 'R5/PT1S' }, /dueTime "R5\/PT1S" is no length of time/], [{ dueTime: 5 }, /dueTime 5 is no text/], [{ dueTime: '-1s' }, /negative/], [{ dueTime: '2026-02-30T00:00:00Z' }, /does not exist/], [{ dueTime: '10000-01-01T00:00:00Z' }, /9999/],
    [{ dueTime: 'P9000Y' }, /9999/], [{ dueTime: 'P8000Y' }, /9999/], [{ period: {} }, /period an object is no text/], [{ period: '0s' }, /shorter than a millisecond/], [{ period: 'R0/PT0S' }, /shorter than a millisecond/], [{ period: '100us' }, /shorter than a millisecond/],
    [{ period: '@daily' }, /is no length of time/], [{ period: 'R-1/PT1S' }, /is no length/], [{ period: '1s'.repeat(100_000) }, /too long/], [{ period: '1s', ttl: 'R2/PT5S' }, /ttl .* is no length/], [{ period: '1s', ttl: '2020-01-01T00:00:00Z' }, /expired already/],
    [{ period: '1s', ttl: '0s' }, /expired already/], [{ period: '10s', ttl: '5s' }, /ends before the first run/], [{ dueTime: '1h', period: '10s', ttl: '2026-01-31T12:30:00Z' }, /ends before the first run/], [{ period: '1s', ttl: true }, /ttl true is no text/],
  ])('refuses %j', (fields, message) => {
    expect(() => fromDaprFields(fields, now)).toThrow(message)
    expect(() => fromDaprFields(fields, now)).toThrow(expect.objectContaining({ code: 'BAD_SCHEDULE' }))
  })
})
