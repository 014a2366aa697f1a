// A reminder as the Dapr API shows it.
import { expect, test } from 'vitest'
import type { ReminderInfo, ReminderSchedule } from '../../../actors/actor-reminders.ts'
import { daprFieldsOf, goDuration, namedReminder, reminderDocument } from '../../../gateway/reminder-document.ts'
import { readSchedule, showSchedule } from '../../../reminders/schedule.ts'

const now = Date.parse('2026-03-01T00:00:00Z')
/** As the host shows it. */
const info = (given: ReminderSchedule, more: Partial<ReminderInfo> = {}): ReminderInfo => {
  const { schedule, policy } = readSchedule(given, now)
  return { name: 'r1', schedule: showSchedule(schedule, policy), method: undefined, args: [], due: new Date(now), count: 0, failures: 0, dead: undefined, ...more }
}

const shown = (json: string): any => JSON.parse(json)

test.each<[ReminderSchedule, object]>([
  [{ in: '1s' }, { dueTime: '2026-03-01T00:00:01Z' }],
  [{ at: '2026-03-01T09:00:00.5+01:00' }, { dueTime: '2026-03-01T08:00:00.500Z' }],
  [{ every: '90s' }, { dueTime: '2026-03-01T00:01:30Z', period: '@every 1m30s' }],
  [{ every: 'PT1H', times: 5, until: '2552-01-01T00:00:00Z' }, { dueTime: '2026-03-01T01:00:00Z', period: '@every 1h0m0s', ttl: '2552-01-01T00:00:00Z' }],
  [{ every: 'P1M', tz: 'Europe/Berlin', first: '2026-03-02T00:00:00Z' }, { dueTime: '2026-03-02T00:00:00Z', period: 'P1M' }],
  [{ cron: '0 3 * * *', tz: 'Europe/Berlin' }, { period: '0 3 * * *' }],
])('the times of %j', (schedule, fields) => {
  expect(daprFieldsOf(info(schedule))).toEqual(fields)
})

test("Dapr's fields come first and in its order; absent ones are left out", () => {
  const document = shown(reminderDocument({ type: 'foo', id: '1234' }, info({ every: '1s', until: '2552-01-01T00:00:00Z' }, { args: ['reminderdata'] }), false))
  expect(Object.keys(document)).toEqual(['actorID', 'actorType', 'data', 'dueTime', 'period', 'ttl', 'schedule', 'due', 'count', 'failures'])
  expect(document).toMatchObject({ actorID: '1234', actorType: 'foo', data: 'reminderdata', period: '@every 1s', ttl: '2552-01-01T00:00:00Z', count: 0 })
  expect(Object.keys(shown(namedReminder({ type: 'foo', id: 'a' }, info({ in: '1s' }), false)))).toEqual(['name', 'actorType', 'actorID', 'dueTime', 'schedule', 'due', 'count', 'failures'])
})

test('data is what the hook gets, also when it is null; a method has its arguments instead', () => {
  expect(daprFieldsOf(info({ in: '1s' }, { args: [null] }))).toHaveProperty('data', null)
  const document = shown(reminderDocument({ type: 'foo', id: '1' }, info({ in: '1s' }, { method: 'tick', args: [1] }), false))
  expect(document).toMatchObject({ method: 'tick', args: [1] })
  expect(document).not.toHaveProperty('data')
})

test('a dead letter says so and is not due', () => {
  const dead = { error: 'boom', at: new Date(now) }
  const document = shown(reminderDocument({ type: 'foo', id: '1' }, info({ in: '1s' }, { due: undefined, failures: 4, dead }), false))
  expect(document).toMatchObject({ failures: 4, dead: { error: 'boom', at: '2026-03-01T00:00:00.000Z' } })
  expect(document).not.toHaveProperty('due')
})

test("one that was set in Dapr's fields is shown with its dueTime as written, its ttl as an instant, its data as text", () => {
  const set = info({ every: 10_000, first: '2026-03-01T00:00:01Z', until: '2026-03-01T01:00:00Z' }, {
    written: { dueTime: '1s', period: 'R5/PT10S', ttl: '1h' }, json: '{"n":1.0,"big":12345678901234567890}',
  })
  expect(reminderDocument({ type: 'foo', id: '1234' }, set, true))
    .toBe('{"actorID":"1234","actorType":"foo","data":{"n":1.0,"big":12345678901234567890},"dueTime":"1s","period":"@every 10s","ttl":"2026-03-01T01:00:00Z"}')
  expect(namedReminder({ type: 'foo', id: 'abc-1' }, set, true))
    .toBe('{"name":"r1","actorType":"foo","actorID":"abc-1","dueTime":"1s","period":"@every 10s","ttl":"2026-03-01T01:00:00Z","data":{"n":1.0,"big":12345678901234567890}}')
  expect(daprFieldsOf(info({ every: 1000 }, { written: { dueTime: '', period: '1s', ttl: '' } }))).toEqual({ period: '@every 1s' })
  expect(Object.keys(shown(reminderDocument({ type: 'foo', id: '1' }, set, false)))).toEqual(['actorID', 'actorType', 'data', 'dueTime', 'period', 'ttl', 'schedule', 'due', 'count', 'failures'])
})

test('the document of the standard, byte for byte', () => {
  const set = info({ every: '1s', first: '2026-03-01T00:00:01Z', until: '2552-01-01T00:00:00Z' }, { written: { dueTime: '1s', period: '1s', ttl: '2552-01-01T00:00:00Z' }, json: '"reminderdata"' })
  expect(reminderDocument({ type: 'foo', id: '1234' }, set, true))
    .toBe('{"actorID":"1234","actorType":"foo","data":"reminderdata","dueTime":"1s","period":"@every 1s","ttl":"2552-01-01T00:00:00Z"}')
})

test.each([
  [0, '0s'], [1, '1ms'], [250, '250ms'], [1000, '1s'], [1500, '1.5s'], [60_000, '1m0s'], [90_000, '1m30s'], [3_600_000, '1h0m0s'], [90_061_001, '25h1m1.001s'],
])('%d ms is %s in Go', (ms, text) => {
  expect(goDuration(ms)).toBe(text)
})
