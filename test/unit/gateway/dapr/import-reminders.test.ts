import { describe, expect, it } from 'vitest'
import { readLastRun, readPartition, readReminderDocument, readStoredReminder, Unreadable, type LastRun } from '../../../../gateway/dapr/import/import-reminders.ts'
import { readSchedule } from '../../../../reminders/schedule.ts'

const now = Date.parse('2026-03-01T00:00:00Z')
const bytes = (text: string) => Buffer.from(text)
const read = (reminder: object, last?: LastRun) => {
  const [stored] = readReminderDocument(bytes(JSON.stringify([{ actorID: 'a', actorType: 'Account', name: 'r', ...reminder }])), 'Account')
  const imported = readStoredReminder(stored!, last, now)
  readSchedule(imported.schedule, now)
  return imported
}

describe('a reminder as Dapr stored it', () => {
  it('is due as it was, with its data and its words', () => {
    expect(read({ data: { n: 1 }, period: '1m30s', dueTime: '5s', registeredTime: '2026-02-01T10:00:05Z', expirationTime: '2027-01-01T00:00:00Z' })).toEqual({
      type: 'Account', id: 'a', name: 'r', data: { json: '{"n":1}' },
      schedule: { every: 90_000, first: new Date('2026-02-01T10:00:05Z'), until: new Date('2027-01-01T00:00:00Z') },
      written: { dueTime: '5s', period: '1m30s', ttl: '2027-01-01T00:00:00Z' },
    })
  })

  it('without a period runs once, at once when that is past', () => {
    expect(read({ registeredTime: '2026-02-01T10:00:05.123456789Z' })).toMatchObject({ schedule: { at: new Date('2026-02-01T10:00:05.124Z') }, data: undefined })
  })

  it.each<[string, string, object]>([
    ['0h0m10s0ms', '2026-01-01T00:00:00Z', { every: 10_000 }],
    ['PT10S', '2026-01-01T00:00:00Z', { every: 10_000 }],
    ['R5/PT10S', '2026-01-01T00:00:00Z', { every: 10_000, times: 5 }],
    ['R0/PT10S', '2026-01-01T00:00:00Z', { every: 10_000 }],
    ['P1M', '2026-01-31T00:00:00Z', { every: 'P1M' }],
  ])('with the period %s', (period, registeredTime, schedule) => {
    expect(read({ period, registeredTime }).schedule).toEqual({ first: new Date(registeredTime), ...schedule })
  })

  it('goes on from its last run, with the runs that are left', () => {
    const last = readLastRun(bytes('{"lastFiredTime":"2026-02-28T12:00:00Z","repetitionLeft":2,"etag":null}'))
    expect(read({ period: 'R5/PT10S', registeredTime: '2026-02-01T00:00:00Z' }, last).schedule).toEqual({ every: 10_000, first: new Date('2026-02-28T12:00:10Z'), times: 2 })
    expect(read({ period: 'P1M', registeredTime: '2026-01-28T12:00:00Z' }, { ...last!, repetitionLeft: -1 }).schedule).toEqual({ every: 'P1M', first: new Date('2026-03-28T12:00:00Z') })
    expect(readLastRun(bytes('{"lastFiredTime":"0001-01-01T00:00:00Z","repetitionLeft":-1}'))).toBeUndefined()
    expect(readLastRun(bytes('null'))).toBeUndefined()
  })

  it('keeps the digits of its data', () => {
    const text = '[{"actorID":"a","name":"r","registeredTime":"2026-02-01T00:00:00Z","data":{"big":12345678901234567890,"b":1.50,"a":[null,"é"]}}]'
    expect(readStoredReminder(readReminderDocument(bytes(text), 'T')[0]!, undefined, now)).toMatchObject({ type: 'T', data: { json: '{"big":12345678901234567890,"b":1.50,"a":[null,"é"]}' } })
    expect(read({ data: null, registeredTime: '2026-02-01T00:00:00Z' }).data).toEqual({ json: 'null' })
  })

  it.each<[object, RegExp, LastRun?]>([
    [{ period: '1s' }, /does not say when it is due/],
    [{ name: '', registeredTime: '2026-02-01T00:00:00Z' }, /no actorID or no name/],
    [{ period: 'often', registeredTime: '2026-02-01T00:00:00Z' }, /schedule that cannot be read: .*often/],
    [{ registeredTime: 'soon' }, /schedule that cannot be read/],
    [{ period: '1s', registeredTime: '2026-02-01T00:00:00Z', expirationTime: '2026-02-02T00:00:00Z' }, /has expired/],
    [{ registeredTime: '2026-02-01T00:00:00Z' }, /without a period has run/, { lastFiredTime: '2026-02-01T00:00:00Z', repetitionLeft: -1 }],
    [{ period: 'R3/PT1S', registeredTime: '2026-02-01T00:00:00Z' }, /all its runs/, { lastFiredTime: '2026-02-01T00:00:00Z', repetitionLeft: 0 }],
  ])('%j is not imported', (reminder, says, last) => {
    expect(() => read(reminder, last)).toThrow(expect.objectContaining({ message: expect.stringMatching(says) as string, constructor: Unreadable }) as Error)
  })
})

describe('a document of reminders', () => {
  it('that is none is told', () => {
    expect(readReminderDocument(bytes('null'), 'T')).toEqual([])
    expect(() => readReminderDocument(bytes('{}'), 'T')).toThrow('no JSON array')
    expect(() => readReminderDocument(bytes('[{'), 'T')).toThrow('no JSON')
    expect(() => readReminderDocument(Buffer.from([0, 0x70, 0x62, 10]), 'T')).toThrow('protobuf form')
    expect(() => readStoredReminder(readReminderDocument(bytes('[5]'), 'T')[0]!, undefined, now)).toThrow('no actorID')
  })

  it('may be in parts', () => {
    expect(readPartition(bytes('{"id":"0b7a","actorRemindersMetadata":{"partitionCount":3}}'))).toEqual({ id: '0b7a', count: 3 })
    for (const none of ['{"id":"0b7a","actorRemindersMetadata":{"partitionCount":0}}', '{}', 'null', '{"id":"x"}']) expect(readPartition(bytes(none))).toBeUndefined()
  })
})
