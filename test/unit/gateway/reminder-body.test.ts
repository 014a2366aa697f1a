// The body that creates a reminder: Dapr's fields, Troupe's own, and what cannot be both.
import { expect, test } from 'vitest'
import { readReminderBody, readReminderRequest } from '../../../gateway/reminder-body.ts'
import { readSchedule } from '../../../reminders/schedule.ts'

const now = Date.parse('2026-03-01T00:00:00Z')
const at = (text: string): Date => new Date(text)
const read = (body: unknown) => readReminderBody(body, now)

test.each<[unknown, unknown[]]>([
  [{ dueTime: '5s' }, [{ at: at('2026-03-01T00:00:05Z') }, undefined]],
  [{ dueTime: '2026-03-02T00:00:00+01:00', data: null }, [{ at: at('2026-03-01T23:00:00Z') }, undefined, null]],
  [{ period: '1h', data: { a: [1] } }, [{ every: 3_600_000 }, undefined, { a: [1] }]],
  [{ dueTime: '', period: 'R3/PT1M', ttl: null }, [{ every: 60_000, times: 3 }, undefined]],
  [{ period: '1s', overwrite: false }, [{ every: 1000, overwrite: false }, undefined]],
  [{ period: '1s', overwrite: true, unknown: 1 }, [{ every: 1000 }, undefined]],
  [{ period: '1s', method: 'tick', args: [1, 'a'] }, [{ every: 1000 }, 'tick', 1, 'a']],
  [{ schedule: { every: '1s' }, method: 'tick' }, [{ every: '1s' }, 'tick']],
  [{ schedule: { cron: '0 3 * * *', tz: 'Europe/Berlin', missed: 'all' }, data: 0 }, [{ cron: '0 3 * * *', tz: 'Europe/Berlin', missed: 'all' }, undefined, 0]],
])('%j', (body, setting) => {
  expect(read(body)).toEqual(setting)
  expect(() => readSchedule(read(body)[0], now)).not.toThrow()
})

test.each<[unknown, unknown]>([
  [{ constant: { interval: '2s', maxRetries: 5 } }, { attempts: 6, backoff: 2000, constant: true }],
  [{ constant: { interval: '1.5s', max_retries: 0 } }, { attempts: 1, backoff: 1500, constant: true }],
  [{ constant: {} }, { attempts: 1_000_000, backoff: 0, constant: true }],
  [{ constant: { interval: 'PT1M', maxRetries: 4_294_967_295 } }, { attempts: 1_000_000, backoff: 60_000, constant: true }],
  [{ drop: {} }, { attempts: 1 }],
  [{ drop: {}, constant: null }, { attempts: 1 }],
])('the failure policy %j is honoured in both spellings', (policy, retry) => {
  for (const spelling of ['failurePolicy', 'failure_policy']) {
    const [schedule] = read({ period: '1s', [spelling]: policy })
    expect(schedule).toEqual({ every: 1000, retry })
    expect(() => readSchedule(schedule, now)).not.toThrow()
  }
})

test.each<[string, unknown, string, RegExp]>([
  ['no time at all', {}, 'BAD_SCHEDULE', /dueTime/],
  ['two ways to say when', { schedule: { in: '1s' }, dueTime: '1s' }, 'BAD_SCHEDULE', /dueTime.*beside "schedule"/],
  ['overwrite at the wrong place', { schedule: { in: '1s' }, overwrite: false }, 'BAD_SCHEDULE', /"overwrite" belongs into "schedule"/],
  ['two ways to say what', { period: '1s', data: 1, method: 'tick' }, 'BAD_REQUEST', /data.*"args"/],
  ['arguments of nothing', { period: '1s', args: [] }, 'BAD_REQUEST', /args.*"method" is missing/],
  ['arguments that are no list', { period: '1s', method: 'tick', args: 5 }, 'BAD_REQUEST', /args: 5 is no array/],
  ['a method that is no name', { period: '1s', method: 5 }, 'BAD_REQUEST', /method: 5 is no name/],
  ['an unknown field beside schedule', { schedule: { in: '1s' }, methd: 'tick' }, 'BAD_REQUEST', /unknown field "methd"; there are schedule, method, args, data/],
  ['overwrite that is no boolean', { period: '1s', overwrite: 'no' }, 'BAD_SCHEDULE', /overwrite "no"/],
  ['a schedule that is none', { schedule: { every: 'soon' } }, 'BAD_SCHEDULE', /every "soon"/],
  ['a schedule of no kind', { schedule: 5 }, 'BAD_SCHEDULE', /5 is no schedule/],
  ['a due time that is none', { dueTime: 'soon' }, 'BAD_SCHEDULE', /dueTime "soon"/],
  ['a number for a duration', { period: 5 }, 'BAD_SCHEDULE', /period 5/],
  ['two spellings of a policy', { period: '1s', failurePolicy: { drop: {} }, failure_policy: { drop: {} } }, 'BAD_SCHEDULE', /given twice/],
  ['a policy that is none', { period: '1s', failurePolicy: 'drop' }, 'BAD_SCHEDULE', /failurePolicy "drop" is none/],
  ['an empty policy', { period: '1s', failurePolicy: {} }, 'BAD_SCHEDULE', /failurePolicy .* is none/],
  ['two policies', { period: '1s', failurePolicy: { drop: {}, constant: {} } }, 'BAD_SCHEDULE', /failurePolicy .* is none/],
  ['retries below nothing', { period: '1s', failurePolicy: { constant: { maxRetries: -1 } } }, 'BAD_SCHEDULE', /maxRetries -1/],
  ['an interval that is none', { period: '1s', failurePolicy: { constant: { interval: 'x' } } }, 'BAD_SCHEDULE', /interval "x"/],
  ['an interval of a day', { period: '1s', failurePolicy: { constant: { interval: 'P1D' } } }, 'BAD_SCHEDULE', /at most an hour/],
  ['an interval of hours', { period: '1s', failurePolicy: { constant: { interval: '2h' } } }, 'BAD_SCHEDULE', /at most an hour/],
  ['a list', [], 'MALFORMED_BODY', /JSON object/],
  ['nothing', null, 'MALFORMED_BODY', /JSON object/],
  ['a word', 'x', 'MALFORMED_BODY', /JSON object/],
])('%s is refused', (_what, body, code, says) => {
  expect(() => read(body)).toThrow(expect.objectContaining({ code, executed: 'no', message: expect.stringMatching(says) as string }))
})

const strictly = (body: unknown) => readReminderRequest('r', Buffer.from(JSON.stringify(body)), now, true)
const asThere = { missed: 'all', retry: { attempts: 4, backoff: 1000, constant: true } }

test.each<[unknown, object, object]>([
  [{ dueTime: '5s' }, { at: at('2026-03-01T00:00:05Z') }, { dueTime: '5s', period: '', ttl: '' }],
  [{ period: 'R3/PT1M', ttl: null, failurePolicy: { drop: {} } }, { every: 60_000, times: 3 }, { dueTime: '', period: 'R3/PT1M', ttl: '' }],
  [{ period: 'R0/1s', failure_policy: 'none', failurePolicy: 5 }, { every: 1000 }, { dueTime: '', period: 'R0/1s', ttl: '' }],
  [{ period: '1s', overwrite: false, schedule: { cron: '* * * * *' }, method: 'tick', args: 1 }, { every: 1000, overwrite: false }, { dueTime: '', period: '1s', ttl: '' }],
])("strictly, %j has Dapr's fields alone: every missed run, and its own policy", (body, schedule, written) => {
  expect(strictly(body)).toEqual({ operation: 'reminders.setData', args: ['r', { ...schedule, ...asThere }, undefined, written] })
})

test.each<[unknown, RegExp]>([
  [{ period: 'P1D' }, /unsupported period format/], [{ period: 'R2/P1M' }, /unsupported period format/], [{ period: 'P1W' }, /unsupported period format/],
  [{ schedule: { every: '1s' } }, /job must have either a due time or a schedule/], [{ dueTime: '1s', ttl: '1h' }, /job must have a schedule to have a ttl/], [[], /JSON object/],
])('strictly, %j is refused', (body, says) => {
  expect(() => strictly(body)).toThrow(says)
})

test('data goes on as it was written, in both modes', () => {
  for (const strict of [false, true]) {
    const { args } = readReminderRequest('r', Buffer.from('{"dueTime":"1s","data":{ "n" : 1.0 }}'), now, strict)
    expect(args[2]).toEqual({ json: '{"n":1.0}' })
  }
})
