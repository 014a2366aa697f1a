// What authors write, what it means, and how wrong input is refused.
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { TroupeError } from '../../../core/errors.ts'
import { countDue, nextDue, readSchedule, showSchedule, type Schedule } from '../../../reminders/schedule.ts'

const now = Date.parse('2026-01-31T12:00:00Z')
const read = (given: unknown): Schedule => readSchedule(given, now).schedule
const dues = (given: unknown, count: number, at = now): string[] => {
  const { schedule } = readSchedule(given, at)
  const found: string[] = []
  for (let due = nextDue(schedule, -Infinity); due !== undefined && found.length < count; due = nextDue(schedule, due)) {
    found.push(new Date(due).toISOString().replace('.000Z', 'Z'))
  }
  return found
}
const at = (text: string): number => Date.parse(text)

describe('what is read', () => {
  it('keeps instants as they are, past ones too', () => {
    expect(read({ at: '2026-03-01T09:00:00+01:00' })).toEqual({ kind: 'once', at: at('2026-03-01T08:00:00Z') })
    expect(read({ at: new Date(5) })).toEqual({ kind: 'once', at: 5 })
    expect(read({ at: 0 })).toEqual({ kind: 'once', at: 0 })
    expect(read({ at: runInNewContext('new Date(7)') })).toEqual({ kind: 'once', at: 7 })
    expect(read({ at: '9999-12-31T23:59:59.999Z' })).toEqual({ kind: 'once', at: 253_402_300_799_999 })
    // Below a millisecond: never early.
    expect(read({ at: '2026-03-01T00:00:00.000000001Z' })).toEqual({ kind: 'once', at: at('2026-03-01T00:00:00.001Z') })
  })

  it.each([
    [0, 0], [90, 90], ['0', 0], ['1h30m', 5_400_000], ['1.5h', 5_400_000], ['.5s', 500], ['2000us', 2], ['2000µs', 2], ['2000μs', 2], ['3000000ns', 3], ['+5s', 5000],
    ['0h0m1s0ms0μs', 1000], ['1h2m3s4ms', 3_723_004], ['PT30S', 30_000], ['PT1.25S', 1250], ['PT1,25S', 1250], ['P0D', 0], ['PT36H', 129_600_000], ['P2W', 14 * 86_400_000],
    ['P1Y', 365 * 86_400_000], ['P1M', 28 * 86_400_000], ['P1DT1H1M1S', 90_061_000],
  ])('counts in: %o from now', (given, ms) => {
    expect(read({ in: given })).toEqual({ kind: 'once', at: now + ms })
  })

  it('has first one period from now unless it is given, and limits', () => {
    expect(read({ every: '10s' })).toEqual({ kind: 'every', first: now + 10_000, period: { months: 0, days: 0, ms: 10_000 } })
    expect(read({ every: 'R5/PT10S', first: 0, until: 'PT1H', tz: 'Asia/Kolkata' })).toEqual({
      kind: 'every', first: now, period: { months: 0, days: 0, ms: 10_000 }, times: 5, until: now + 3_600_000, tz: 'Asia/Kolkata',
    })
    expect(read({ every: 'R/PT10S' })).not.toHaveProperty('times')
    expect(read({ every: 'P1M' })).toMatchObject({ first: at('2026-02-28T12:00:00Z') })
    expect(read({ every: 'P1Y2M3W4DT5H6M7S', first: '2026-05-01T00:00:00Z' })).toMatchObject({ period: { months: 14, days: 25, ms: 18_367_000 } })
    expect(read({ every: '1m', times: undefined, until: '2026-01-31T12:01:00Z' })).toMatchObject({ until: now + 60_000 })
  })

  it('counts from a fraction of a millisecond upwards, never early', () => {
    expect(readSchedule({ in: 10 }, 1000.25).schedule).toEqual({ kind: 'once', at: 1011 })
  })

  it('has the policy with its defaults', () => {
    expect(readSchedule({ at: 0 }, now)).toMatchObject({ policy: { missed: 'once', attempts: 4, backoffMs: 1000 }, overwrite: true })
    expect(readSchedule({ at: 0, missed: 'all', retry: { attempts: 1, backoff: 'PT5S' }, overwrite: false }, now))
      .toMatchObject({ policy: { missed: 'all', attempts: 1, backoffMs: 5000 }, overwrite: false })
  })

  it('is shown in its plain form', () => {
    const shown = (given: unknown) => {
      const { schedule, policy } = readSchedule(given, now)
      return showSchedule(schedule, policy)
    }
    const policy = { missed: 'once', retry: { attempts: 4, backoff: 1000 } }
    expect(shown({ in: '1h' })).toEqual({ at: '2026-01-31T13:00:00.000Z', ...policy })
    expect(shown({ every: '1m30s', times: 2 })).toEqual({ every: 90_000, first: '2026-01-31T12:01:30.000Z', times: 2, ...policy })
    expect(shown({ every: 'P1M1DT0.5S', first: new Date(now), tz: 'UTC' })).toEqual({ every: 'P1M1DT0.5S', first: '2026-01-31T12:00:00.000Z', tz: 'UTC', ...policy })
    expect(shown({ cron: '0 3 * * *', until: 'P1D' })).toEqual({ cron: '0 3 * * *', tz: 'UTC', until: '2026-02-01T12:00:00.000Z', ...policy })
  })
})

describe('calendar periods', () => {
  it('stay on the last days of months without drifting', () => {
    expect(dues({ every: 'P1M', first: new Date(now) }, 5)).toEqual([
      '2026-01-31T12:00:00Z', '2026-02-28T12:00:00Z', '2026-03-31T12:00:00Z', '2026-04-30T12:00:00Z', '2026-05-31T12:00:00Z',
    ])
    expect(dues({ every: 'P1Y', first: '2028-02-29T00:00:00Z' }, 5)).toEqual([
      '2028-02-29T00:00:00Z', '2029-02-28T00:00:00Z', '2030-02-28T00:00:00Z', '2031-02-28T00:00:00Z', '2032-02-29T00:00:00Z',
    ])
  })

  it('keep the local time of day, and use the first instant after a gap and the first of two', () => {
    expect(dues({ every: 'P1D', first: '2026-03-28T02:30:00+01:00', tz: 'Europe/Berlin' }, 3)).toEqual([
      '2026-03-28T01:30:00Z', '2026-03-29T01:00:00Z', '2026-03-30T00:30:00Z',
    ])
    expect(dues({ every: 'P1D', first: '2026-10-24T02:30:00+02:00', tz: 'Europe/Berlin' }, 3)).toEqual([
      '2026-10-24T00:30:00Z', '2026-10-25T00:30:00Z', '2026-10-26T01:30:00Z',
    ])
    expect(dues({ every: 'P1D', first: '2011-12-29T09:00:00-10:00', tz: 'Pacific/Apia' }, 3)).toEqual([
      '2011-12-29T19:00:00Z', '2011-12-30T10:00:00Z', '2011-12-30T19:00:00Z',
    ])
  })

  it('add hours exactly, after the days', () => {
    expect(dues({ every: 'P1MT1H', first: '2026-01-31T00:00:00Z' }, 3)).toEqual(['2026-01-31T00:00:00Z', '2026-02-28T01:00:00Z', '2026-03-31T02:00:00Z'])
  })

  it('know offsets with seconds', () => {
    expect(dues({ cron: '0 0 * 1 *', tz: 'Africa/Monrovia' }, 3, at('1972-01-05T12:00:00Z'))).toEqual([
      '1972-01-06T00:44:30Z', '1972-01-07T00:44:30Z', '1972-01-08T00:00:00Z',
    ])
  })
})

describe('fixed periods', () => {
  it('may be longer than 2^31 ms, and due times decades away', () => {
    expect(dues({ every: 2 ** 33, first: '2026-01-01T00:00:00Z' }, 2)).toEqual(['2026-01-01T00:00:00Z', '2026-04-10T10:05:34.592Z'])
    expect(nextDue(read({ every: '87600h', first: '2026-01-01T00:00:00Z' }), at('2300-01-01T00:00:00Z'))).toBe(at('2026-01-01T00:00:00Z') + 28 * 3650 * 86_400_000)
  })

  it('end with until, which is included, and before the year 10000', () => {
    const schedule = read({ every: 1000, first: 0, until: 3000 })
    expect([-Infinity, now, now + 2000, now + 2999.5, now + 3000].map(after => nextDue(schedule, after))).toEqual([now, now + 1000, now + 3000, now + 3000, undefined])
    expect(countDue(schedule, -Infinity, Infinity, 100)).toBe(4)
    expect(countDue(schedule, -Infinity, Infinity, 2)).toBe(2)
    expect(countDue(schedule, now, now + 2000, 100)).toBe(2)
    const last = read({ every: 'P1Y', first: '9998-06-01T00:00:00Z' })
    expect(nextDue(last, at('9999-06-01T00:00:00Z'))).toBeUndefined()
    for (const given of [{ every: 'P1D', tz: 'Europe/Berlin' }, { every: 1 }, { cron: '* * * * *', tz: 'Asia/Kolkata' }, { at: 5 }]) {
      expect(nextDue(read(given), Infinity)).toBeUndefined()
      expect(countDue(read(given), 0, Infinity, -1)).toBe(0)
    }
    expect(countDue(read({ every: 1 }), -Infinity, now + 2 ** 40, Infinity)).toBe(2 ** 40)
  })
})

describe('single instants', () => {
  it('are due once', () => {
    const schedule = read({ at: 50 })
    expect([-Infinity, 49, 50].map(after => nextDue(schedule, after))).toEqual([50, 50, undefined])
    expect([countDue(schedule, 0, 49, 9), countDue(schedule, 0, 50, 9), countDue(schedule, 50, 60, 9), countDue(schedule, 0, 60, 0)]).toEqual([0, 1, 0, 0])
  })
})

describe('wrong input is refused by name', () => {
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  const cases: [given: unknown, message: RegExp][] = [
    [undefined, /undefined is no schedule; write an object with one of 'at', 'in', 'every', 'cron'/],
    [null, /null is no schedule/], ['1h', /"1h" is no schedule/], [5, /5 is no schedule/], [[], /an array is no schedule/], [new Date(0), /an object is no schedule/], [() => 0, /a function is no schedule/],
    [{}, /says no time/], [new Map([['at', 0]]), /says no time/], [{ at: undefined }, /says no time/], [Object.create({ at: 0 }), /says no time/],
    [revoked.proxy, /cannot be read/], [{ get at() { throw new Error('no') } }, /cannot be read/],
    [{ at: 0, cron: '* * * * *' }, /cron "\* \* \* \* \*" is given beside 'at'/], [{ in: 1, every: 1 }, /every 1 is given beside 'in'/],
    [{ at: 0, until: 5 }, /"until" is no field of 'at'; it has at, missed/], [{ every: 1, evry: 1 }, /"evry" is no field of 'every'/], [{ in: '1h', tz: 'UTC' }, /"tz" is no field of 'in'/],
    [JSON.parse('{"at":0,"__proto__":{"x":1}}'), /"__proto__" is no field/], [{ at: 0, constructor: 1 }, /"constructor" is no field/],
    [{ at: 0, ['x'.repeat(100_000)]: 1 }, /"x{80}"… \(100000 characters\) is no field/],
    // Instants.
    [{ at: null }, /at null is no instant/], [{ at: {} }, /at an object is no instant/], [{ at: [1] }, /at an array/], [{ at: Symbol('x') }, /at a symbol/], [{ at: 5n }, /at 5n is no instant/],
    [{ at: true }, /at true/], [{ at: revoked.proxy }, /at an object/], [{ at: NaN }, /at NaN/], [{ at: Infinity }, /at Infinity/], [{ at: 1e309 }, /at Infinity/], [{ at: new Date(NaN) }, /at NaN is an invalid Date/],
    [{ at: -1 }, /at -1 lies outside the years 1970 to 9999/], [{ at: 1.5 }, /at 1.5 has a fraction of a millisecond/], [{ at: 253_402_300_800_000 }, /lies outside the years/], [{ at: new Date(8.64e15) }, /lies outside/],
    [{ at: '2026-02-30T00:00:00Z' }, /at "2026-02-30T00:00:00Z" has a day that does not exist: month 2 of 2026 has 28/], [{ at: '2026-02-29T00:00:00Z' }, /does not exist/], [{ at: '2100-02-29T00:00:00Z' }, /does not exist/],
    [{ at: '2026-04-31T00:00:00Z' }, /has 30/], [{ at: '2026-01-00T00:00:00Z' }, /does not exist/], [{ at: '2026-13-01T00:00:00Z' }, /month 13/], [{ at: '2026-00-01T00:00:00Z' }, /month 0/],
    [{ at: '2026-01-01T25:00:00Z' }, /hour 25/], [{ at: '2026-01-01T24:00:00Z' }, /hour 24/], [{ at: '2026-01-01T00:60:00Z' }, /minute 60/], [{ at: '2026-01-01T00:00:61Z' }, /second 61/], [{ at: '2016-12-31T23:59:60Z' }, /leap second/],
    [{ at: '2026-01-01T00:00:00' }, /has no offset; write RFC 3339/], [{ at: '2026-01-01' }, /has no offset/], [{ at: '2026-01-01T00:00:00+24:00' }, /offset \+24:00, which does not exist/],
    [{ at: '10000-01-01T00:00:00Z' }, /beyond the year 9999/], [{ at: '+010000-01-01T00:00:00Z' }, /beyond the year 9999/], [{ at: '1969-12-31T23:59:59Z' }, /outside the years/],
    [{ at: '9999-12-31T23:59:59.9991Z' }, /outside the years/], [{ at: 'tomorrow' }, /is no instant/], [{ at: '' }, /is no instant/], [{ at: '2'.repeat(1_000_000) }, /\(1000000 characters\) is no instant/],
    // Lengths of time.
    [{ in: -1 }, /in -1 is negative/], [{ in: '-1h' }, /in "-1h" is negative/], [{ in: '-PT1S' }, /negative/], [{ in: NaN }, /in NaN/], [{ in: 1e309 }, /in Infinity/], [{ in: 0.5 }, /in 0.5 has a fraction/],
    [{ in: '1500us' }, /in "1500us" has a fraction of a millisecond/], [{ in: null }, /in null/], [{ in: 5n }, /in 5n/], [{ in: Symbol.iterator }, /in a symbol/], [{ in: new Date(0) }, /in an object/], [{ in: '' }, /in "" is no length of time/],
    [{ in: '5' }, /is no length/], [{ in: '1x' }, /is no length/], [{ in: '1 h' }, /is no length/], [{ in: '1e3s' }, /is no length/], [{ in: '1d' }, /has no unit 'd'; write 'P1D'/], [{ in: 'P' }, /is no length/], [{ in: 'PT' }, /is no length/],
    [{ in: 'P1DT' }, /is no length/], [{ in: 'P1.5D' }, /is no length/], [{ in: 'P1S' }, /is no length/], [{ in: 'pt1s' }, /is no length/], [{ in: 'R2/PT1S' }, /is no length/], [{ in: 'P9000Y' }, /beyond the year 9999/],
    [{ in: '9'.repeat(200) + 'h' }, /beyond the year 9999/], [{ in: `P${'9'.repeat(200)}D` }, /beyond the year 9999/], [{ in: 2 ** 53 }, /beyond the year 9999/], [{ in: 'P8000Y' }, /beyond the year 9999/],
    [{ in: '1s'.repeat(1_000_000) }, /is too long/],
    // Periods.
    [{ every: 0 }, /every 0 is no period; write 1 ms or more/], [{ every: '0s' }, /every "0s" is no period/], [{ every: 'P0D' }, /is no period/], [{ every: 'PT0S' }, /is no period/], [{ every: 'R0/PT0S' }, /zero repetitions/],
    [{ every: 'R0/PT1S' }, /zero repetitions; write 'R1\/'/], [{ every: '100us' }, /fraction of a millisecond/], [{ every: '0.5ms' }, /fraction/], [{ every: 'R-1/PT1S' }, /is no length/], [{ every: 'R5' }, /is no length/],
    [{ every: `R${'9'.repeat(99)}/PT1S` }, /more often than can be counted/], [{ every: 'R2/PT1S', times: 3 }, /times 3 is given beside the 'R'/], [{ every: `R1/${'1s'.repeat(500_000)}` }, /is too long/], [{ every: [] }, /every an array/],
    [{ every: '1h', first: -1 }, /first -1 is negative/], [{ every: '1h', first: '2026-02-30T00:00:00Z' }, /first .* does not exist/], [{ every: '1h', first: 'soon' }, /first "soon" is no length of time/], [{ every: '1h', first: {} }, /first an object/],
    [{ every: '1h', until: '30m' }, /until "30m" lies before the first occurrence \(2026-01-31T13:00:00.000Z\)/], [{ every: '1h', first: '2030-01-01T00:00:00Z', until: '2029-01-01T00:00:00Z' }, /until .* lies before/],
    [{ every: '1h', times: 0 }, /times 0 is no number of runs/], [{ every: '1h', times: -1 }, /times -1/], [{ every: '1h', times: 1.5 }, /times 1.5/], [{ every: '1h', times: '3' }, /times "3"/], [{ every: '1h', times: Infinity }, /times Infinity/], [{ every: '1h', times: 3n }, /times 3n/],
    [{ every: 'P1D', tz: 'Mars/Olympus' }, /tz "Mars\/Olympus" is no known time zone; write an IANA name/], [{ every: 'P1D', tz: '' }, /tz ""/], [{ every: 'P1D', tz: 5 }, /tz 5/], [{ every: 'P1D', tz: 'x'.repeat(10_000) }, /tz/], [{ every: 'P1D', tz: null }, /tz null/],
    // Policy.
    [{ at: 0, missed: 'never' }, /missed "never" is unknown; write 'once', 'all' or 'skip'/], [{ at: 0, missed: null }, /missed null/], [{ at: 0, overwrite: null }, /overwrite null/], [{ at: 0, retry: { attempts: null } }, /retry.attempts null/], [{ at: 0, overwrite: 1 }, /overwrite 1 is no boolean/],
    [{ at: 0, retry: 3 }, /retry 3 is/], [{ at: 0, retry: null }, /retry null/], [{ at: 0, retry: [] }, /retry an array/], [{ at: 0, retry: { tries: 3 } }, /retry "tries" is no field of 'retry'; it has attempts, backoff, constant/], [{ at: 0, retry: { constant: 1 } }, /retry.constant 1 is no boolean/],
    [{ at: 0, retry: { attempts: 0 } }, /retry.attempts 0/], [{ at: 0, retry: { attempts: 1.5 } }, /retry.attempts 1.5/], [{ at: 0, retry: { attempts: NaN } }, /retry.attempts NaN/], [{ at: 0, retry: { attempts: '4' } }, /retry.attempts "4"/],
    [{ at: 0, retry: { attempts: 2_000_000 } }, /retry.attempts 2000000/], [{ at: 0, retry: { backoff: -1 } }, /retry.backoff -1 is negative/], [{ at: 0, retry: { backoff: 'x' } }, /retry.backoff "x"/], [{ at: 0, retry: { backoff: '2h' } }, /retry.backoff "2h" is too long/],
    [{ at: 0, retry: { backoff: 'P1D' } }, /retry.backoff/], [{ at: 0, retry: { backoff: 0.5 } }, /retry.backoff 0.5/],
  ]
  // The values themselves are too hostile to be printed as names.
  for (const [index, [given, message]] of cases.entries()) it(`case ${index}: ${message.source}`, () => {
    let thrown: unknown
    try {
      readSchedule(given, now)
    } catch (error) {
      thrown = error
    }
    expect(TroupeError.is(thrown, 'BAD_SCHEDULE')).toBe(true)
    expect((thrown as TroupeError).executed).toBe('no')
    expect((thrown as TroupeError).message).toMatch(message)
    expect((thrown as TroupeError).message.length).toBeLessThan(400)
  })
})
