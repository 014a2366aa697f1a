import { describe, expect, test } from 'vitest'
import type { TimerInfo } from '../../../../actors/management.ts'
import { readTimerSetting, shownTimer } from '../../../../gateway/dapr/timer-fields.ts'

const NOW = Date.parse('2026-02-01T00:00:00Z')
const DAY = 86_400_000
const read = (fields: object) => readTimerSetting({ data: undefined, ...fields }, NOW)

describe('when a timer ticks', () => {
  test.each<[object, object]>([
    [{}, { first: 0 }],
    [{ dueTime: '' }, { first: 0 }],
    [{ dueTime: '10s' }, { first: 10_000 }],
    [{ dueTime: 'PT10S' }, { first: 10_000 }],
    [{ dueTime: '0h0m1s0ms0μs' }, { first: 1000 }],
    [{ dueTime: '2026-02-01T01:00:00+01:00' }, { first: 0 }],
    [{ dueTime: '2026-02-01T00:00:01.5Z' }, { first: 1500 }],
    [{ dueTime: '2020-01-01T00:00:00Z' }, { first: 0 }],
    [{ period: '10s' }, { first: 0, every: 10_000 }],
    [{ dueTime: '1s', period: '@every 10s' }, { first: 1000, every: 10_000 }],
    [{ period: 'R5/PT1S' }, { first: 0, every: 1000, times: 5 }],
    [{ period: 'R1/1s' }, { first: 0, every: 1000, times: 1 }],
    [{ period: '0s' }, { first: 0 }],
    [{ period: 'R3/PT0S' }, { first: 0 }],
    [{ period: 'P1D' }, { first: 0, every: DAY }],
    [{ period: 'P1W' }, { first: 0, every: 7 * DAY }],
    // As long as the month it begins in.
    [{ period: 'P1M' }, { first: 0, every: 28 * DAY }],
    [{ dueTime: 'P1M', period: 'P1M' }, { first: 28 * DAY, every: 31 * DAY }],
    [{ period: '10s', ttl: '1m' }, { first: 0, every: 10_000, until: 60_000 }],
    [{ dueTime: '10s', period: '10s', ttl: '1m' }, { first: 10_000, every: 10_000, until: 70_000 }],
    [{ dueTime: '10s', ttl: '2026-02-01T00:01:00Z' }, { first: 10_000, until: 60_000 }],
  ])('%j', (fields, schedule) => {
    expect(read(fields).schedule).toEqual({ keepAlive: true, ...schedule })
  })

  test.each<[object, RegExp]>([
    [{ period: 'R0/PT1S' }, /period .*has zero repetitions/],
    [{ period: 'soon' }, /period "soon" is no length of time/],
    [{ dueTime: 'soon' }, /dueTime "soon" is no length of time/],
    [{ dueTime: 5 }, /dueTime 5 is no text/],
    [{ callback: {} }, /callback an object is no text/],
    [{ dueTime: '-1s' }, /negative/],
    [{ dueTime: 'R5/PT1S' }, /dueTime/],
    [{ ttl: '2020-01-01T00:00:00Z' }, /ttl .*has expired already/],
    [{ ttl: '0s' }, /ttl .*has expired already/],
    [{ dueTime: '1h', ttl: '2026-02-01T00:01:00Z' }, /ttl .*ends before the first tick/],
    [{ dueTime: 'P7000Y', period: 'P2000Y' }, /beyond the year 9999/],
    [{ dueTime: 'x'.repeat(10_000) }, /too long/],
  ])('not %j', (fields, message) => {
    expect(() => read(fields)).toThrow(expect.objectContaining({ code: 'BAD_SCHEDULE', message: expect.stringMatching(message) as string }) as Error)
  })

  test('nothing is due before a fraction of a millisecond has passed', () => {
    expect(readTimerSetting({ dueTime: '2026-02-01T00:00:00.001Z', data: undefined }, NOW + 0.5).schedule.first).toBe(0)
    expect(readTimerSetting({ dueTime: '1us', data: undefined }, NOW).schedule.first).toBe(1)
  })
})

test('dueTime, period and data are kept as they came, ttl as an instant', () => {
  const data = { json: '{"a":1}' }
  expect(read({ dueTime: 'PT1S', period: 'R5/PT10S', ttl: '1h', callback: 'cb', data })).toMatchObject({
    callback: 'cb', data, written: { dueTime: 'PT1S', period: 'R5/PT10S', ttl: '2026-02-01T01:00:01Z' },
  })
  expect(read({ callback: null, dueTime: null })).toMatchObject({ callback: '', written: { dueTime: '', period: '', ttl: '' } })
})

test.each<[object, object]>([
  [{}, {}],
  [{ dueTime: '1000s', period: '10s' }, { dueTime: '1000s', period: '@every 10s' }],
  [{ period: 'R5/PT90S' }, { period: '@every 1m30s' }],
  [{ period: '@every 250ms' }, { period: '@every 250ms' }],
  [{ period: 'P1M' }, { period: 'P1M' }],
  [{ ttl: '2552-01-01T00:00:00Z' }, { ttl: '2552-01-01T00:00:00Z' }],
  [{ period: 'what is this' }, { period: 'what is this' }],
])('%j is shown as %j', (written, shown) => {
  const info: TimerInfo = { name: 't', callback: '', data: undefined, written: { dueTime: '', period: '', ttl: '', ...written } }
  expect(shownTimer(info)).toEqual(shown)
})
