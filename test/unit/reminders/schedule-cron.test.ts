// Cron: which expressions are read, which are refused, and the rules of days and of changes of the clock by name.
import { describe, expect, it } from 'vitest'
import { nextDue, readSchedule } from '../../../reminders/schedule.ts'

const dues = (cron: string, tz: string, from: string, count: number): string[] => {
  const { schedule } = readSchedule({ cron, tz }, Date.parse(from))
  const found: string[] = []
  for (let due = nextDue(schedule, -Infinity); due !== undefined && found.length < count; due = nextDue(schedule, due)) {
    found.push(new Date(due).toISOString().slice(0, 19))
  }
  return found
}

describe('cron', () => {
  it('has five fields, or six with seconds, names, steps and nicknames', () => {
    expect(dues('0 3 1 * *', 'Europe/Berlin', '2026-01-31T12:00:00Z', 3)).toEqual(['2026-02-01T02:00:00', '2026-03-01T02:00:00', '2026-04-01T01:00:00'])
    expect(dues('*/20 * * * * *', 'UTC', '2026-01-31T23:59:30.5Z', 3)).toEqual(['2026-01-31T23:59:40', '2026-02-01T00:00:00', '2026-02-01T00:00:20'])
    expect(dues('0 12 * JAN-mar mon,Fri', 'UTC', '2026-03-27T12:00:00Z', 2)).toEqual(['2026-03-30T12:00:00', '2027-01-01T12:00:00'])
    expect(dues('@monthly', 'Asia/Kolkata', '2026-01-31T12:00:00Z', 1)).toEqual(['2026-01-31T18:30:00'])
    expect(dues('  0   0 * * 7 ', 'UTC', '2026-01-31T12:00:00Z', 1)).toEqual(['2026-02-01T00:00:00'])
  })

  it('is due strictly after it was set', () => {
    expect(dues('0 12 * * *', 'UTC', '2026-01-31T12:00:00Z', 1)).toEqual(['2026-02-01T12:00:00'])
    expect(dues('0 12 * * *', 'UTC', '2026-01-31T11:59:59.999Z', 1)).toEqual(['2026-01-31T12:00:00'])
  })

  it('runs on either when day and weekday are both restricted, on both when one begins with *', () => {
    expect(dues('0 0 13 * 5', 'UTC', '2026-03-01T00:00:00Z', 4)).toEqual(['2026-03-06T00:00:00', '2026-03-13T00:00:00', '2026-03-20T00:00:00', '2026-03-27T00:00:00'])
    expect(dues('0 0 */2 * 5', 'UTC', '2026-03-01T00:00:00Z', 3)).toEqual(['2026-03-13T00:00:00', '2026-03-27T00:00:00', '2026-04-03T00:00:00'])
  })

  it('knows last days and nearest weekdays', () => {
    expect(dues('0 0 L * *', 'UTC', '2028-01-31T00:00:00Z', 2)).toEqual(['2028-02-29T00:00:00', '2028-03-31T00:00:00'])
    expect(dues('0 0 15W * ?', 'UTC', '2026-08-01T00:00:00Z', 1)).toEqual(['2026-08-14T00:00:00'])
    expect(dues('0 0 ? * 5#5', 'UTC', '2026-01-31T00:00:00Z', 1)).toEqual(['2026-05-29T00:00:00'])
    expect(dues('0 0 29 2 *', 'UTC', '2096-03-01T00:00:00Z', 1)).toEqual(['2104-02-29T00:00:00'])
  })

  it('at a given hour runs once on a day without that hour, right after the gap, and once on a day that has it twice', () => {
    expect(dues('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', 2)).toEqual(['2026-03-29T01:00:00', '2026-03-30T00:30:00'])
    expect(dues('*/15 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', 2)).toEqual(['2026-03-29T01:00:00', '2026-03-30T00:00:00'])
    expect(dues('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 2)).toEqual(['2026-10-25T00:30:00', '2026-10-26T01:30:00'])
    // Set within the second pass: its turn of today is over.
    expect(dues('* * 2 * * *', 'Europe/Berlin', '2026-10-25T01:10:00Z', 1)).toEqual(['2026-10-26T01:00:00'])
    expect(dues('*/5 1,2 * * *', 'Australia/Lord_Howe', '2026-04-04T15:10:00Z', 2)).toEqual(['2026-04-04T15:30:00', '2026-04-04T15:35:00'])
    // The 30th never was in Samoa.
    expect(dues('0 9 * * *', 'Pacific/Apia', '2011-12-29T20:00:00Z', 2)).toEqual(['2011-12-30T10:00:00', '2011-12-30T19:00:00'])
    // Midnight did not exist.
    expect(dues('0 0 * * *', 'America/Sao_Paulo', '2018-11-03T12:00:00Z', 2)).toEqual(['2018-11-04T03:00:00', '2018-11-05T02:00:00'])
  })

  it('at every hour follows real time', () => {
    expect(dues('30 * * * *', 'Europe/Berlin', '2026-03-29T00:00:00Z', 3)).toEqual(['2026-03-29T00:30:00', '2026-03-29T01:30:00', '2026-03-29T02:30:00'])
    expect(dues('30 * * * *', 'Europe/Berlin', '2026-10-25T00:00:00Z', 3)).toEqual(['2026-10-25T00:30:00', '2026-10-25T01:30:00', '2026-10-25T02:30:00'])
    // 2:00 to 2:29 are left out.
    expect(dues('0 * * * *', 'Australia/Lord_Howe', '2026-10-03T14:00:00Z', 3)).toEqual(['2026-10-03T14:30:00', '2026-10-03T16:00:00', '2026-10-03T17:00:00'])
    // Months away, the first of two half past midnights.
    expect(dues('30 */23 1 11 *', 'America/Havana', '2026-01-10T00:00:00Z', 2)).toEqual(['2026-11-01T04:30:00', '2026-11-01T05:30:00'])
    // The repeated 23:30 is due though the next date that matches is a year away.
    expect(dues('30 */23 17 2 *', 'America/Sao_Paulo', '2018-02-18T01:45:00Z', 2)).toEqual(['2018-02-18T02:30:00', '2019-02-17T03:30:00'])
  })

  it('goes on to the end of the year 9999 and no further', () => {
    const { schedule } = readSchedule({ cron: '0 0 29 2 *' }, 0)
    expect(nextDue(schedule, Date.parse('9996-02-28T00:00:00Z'))).toBe(Date.parse('9996-02-29T00:00:00Z'))
    expect(nextDue(schedule, Date.parse('9996-02-29T00:00:00Z'))).toBeUndefined()
  })

  it('does not walk through the years', () => {
    const { schedule } = readSchedule({ cron: '0 0 29 2 */7', tz: 'America/New_York' }, 0)
    const started = performance.now()
    let at = 0
    for (let i = 0; i < 200; i++) at = nextDue(schedule, at)!
    expect(new Date(at).getUTCFullYear()).toBeGreaterThan(4000)
    expect(performance.now() - started).toBeLessThan(500)
  })

  it.each([
    ['', /cron "" has 0 fields; write five fields/], ['* * * *', /has 4 fields/], ['* * * * * * *', /has 7 fields; write five fields/],
    ['60 * * * *', /cron "60 \* \* \* \*" has "60" for its minute: minute must be 0 to 59; write '\*', a number, a range/], ['60 * * * * *', /second must be 0 to 59/],
    ['* 24 * * *', /hour must be 0 to 23/], ['0 0 0 * *', /day of month must be 1 to 31/], ['0 0 32 * *', /day of month must be/],
    ['0 0 * 13 *', /month must be 1 to 12 or JAN to DEC/], ['0 0 * * 8', /"8" for its weekday: weekday must be 0 to 7/], ['-1 * * * *', /minute must be/], ['1,,2 * * * *', /minute must be/], ['*/0 * * * *', /"\*\/0" for its minute/],
    ['@reboot', /is no word that exists; write @yearly, @annually, @monthly, @weekly, @daily, @midnight or @hourly/], ['@every 1s', /leave out cron and write every, as \{ every: '90s' \}/], ['hello', /has 1 field;/],
    ['5* * * * *', /"5\*", which no field allows/], ['1-99999999 * * * *', /"999", which no field allows/], ['* * * * *\n', /a character that no field allows/], ['0 0 W * *', /"W" for its day of month/], ['1#1 * * * *', /minute must be/],
    ['0 0 30 2 *', /can never match: its months have no such day; write a day from 1 to 29/], ['0 0 31 4,6,9,11 *', /a day from 1 to 30/], ['0 0 0 31 apr mon', /a day from 1 to 30/],
    ['0 0 31W 2 *', /can never match.* 1 to 29/], ['0 0 L-30 2 *', /can never match/],
    ['TZ=UTC 0 0 * * *', /sets a time zone; write it beside/], ['CRON_TZ=Europe/Berlin 0 0 * * *', /sets a time zone/], ['cron_tz = UTC * * * * *', /sets a time zone/],
    ['* '.repeat(1_000_000), /is too long/],
  ])('refuses %j', (cron, message) => {
    expect(() => readSchedule({ cron }, 0)).toThrow(message)
    expect(() => readSchedule({ cron }, 0)).toThrow(expect.objectContaining({ code: 'BAD_SCHEDULE' }))
  })

  it.each([5, null, ['* * * * *'], {}, 5n, Symbol('x')])('refuses %o for a text', cron => {
    expect(() => readSchedule({ cron }, 0)).toThrow(/is no text/)
  })

  it('refuses what ends before it begins, an unknown zone, and other keys', () => {
    expect(() => readSchedule({ cron: '0 0 1 1 *', until: 'P1D' }, Date.UTC(2026, 5, 1))).toThrow(/until "P1D" lies before the first match/)
    expect(() => readSchedule({ cron: '0 0 29 2 *' }, Date.parse('9997-01-01T00:00:00Z'))).toThrow(/does not match again before the year 10000/)
    expect(() => readSchedule({ cron: '0 0 1 1 *', tz: 'Europe/Nowhere' }, 0)).toThrow(/tz "Europe\/Nowhere"/)
    expect(() => readSchedule({ cron: '0 0 1 1 *', first: 5 }, 0)).toThrow(/"first" is no field of 'cron'/)
    expect(() => readSchedule({ cron: '0 0 1 1 *', times: 0 }, 0)).toThrow(/times 0/)
  })
})
