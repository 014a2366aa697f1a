// Flags of `troupe reminders` and `troupe sends`, read; lists in pages; and how schedules look in a table.
import { describe, expect, it } from 'vitest'
import { readSetting, type SettingFlags } from '../../../cli/reminder-setting.ts'
import { errorText, instantText, scheduleText } from '../../../cli/schedule-text.ts'
import { flagName, needsActor, oneAction, pagesOf } from '../../../cli/stored-work.ts'
import { PagedTable } from '../../../cli/table.ts'
import { readTarget } from '../../../cli/words.ts'
import { readSchedule, showSchedule } from '../../../reminders/schedule.ts'

const setting = (flags: SettingFlags) => readSetting(flags)
const refused = (message: RegExp) => expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringMatching(message) as string }) as Error

describe('a setting', () => {
  it.each<[SettingFlags, unknown[]]>([
    [{ cron: '0 3 1 * *', tz: 'Europe/Berlin', method: 'payInterest' }, [{ cron: '0 3 1 * *', tz: 'Europe/Berlin' }, 'payInterest']],
    [{ every: '90s', data: '{"n":1}' }, [{ every: '90s' }, undefined, { n: 1 }]],
    [{ every: '1500', data: 'word' }, [{ every: 1500 }, undefined, 'word']],
    [{ every: 'P1M', tz: 'Asia/Tokyo', method: 'tick', data: '5' }, [{ every: 'P1M', tz: 'Asia/Tokyo' }, 'tick', 5]],
    [{ at: '2099-03-01T09:00:00+01:00' }, [{ at: '2099-03-01T09:00:00+01:00' }, undefined]],
    [{ in: 'PT5M' }, [{ in: 'PT5M' }, undefined]],
    [{ every: '90s', first: '5000', times: 7, until: 'P1D', missed: 'all' }, [{ every: '90s', first: 5000, times: 7, until: 'P1D', missed: 'all' }, undefined]],
    [{ cron: '* * * * *', until: '2099-01-01T00:00:00Z', times: 1 }, [{ cron: '* * * * *', until: '2099-01-01T00:00:00Z', times: 1 }, undefined]],
    [{ in: '1s', attempts: 1, overwrite: false }, [{ in: '1s', retry: { attempts: 1 }, overwrite: false }, undefined]],
    [{ in: '1s', backoff: '250', missed: 'skip', overwrite: true }, [{ in: '1s', retry: { backoff: 250 }, missed: 'skip' }, undefined]],
  ])('of %j', (flags, read) => {
    expect(setting({ set: 'r', ...flags })).toEqual(read)
  })

  it.each<[SettingFlags, RegExp]>([
    [{ set: 'r' }, /when is it due\? Give --cron, --every, --at or --in/],
    [{ set: 'r', every: '1s', cron: '* * * * *' }, /--cron and --every cannot be used together/],
    [{ set: 'r', every: 'soon' }, /^--every "soon" is no length/],
    [{ set: 'r', every: '0' }, /every 0/],
    [{ set: 'r', cron: '* * *' }, /cron/],
    [{ set: 'r', cron: '* * * * *', tz: 'Mars/Base' }, /tz "Mars\/Base"/],
    [{ set: 'r', at: '2026-02-30T00:00:00Z' }, /at "2026-02-30T00:00:00Z"/],
    [{ set: 'r', at: '2026-03-01' }, /at "2026-03-01"/],
    [{ set: 'r', in: '1s', tz: 'UTC' }, /^--tz does not go with --in, only with --cron or --every; leave it out$/],
    [{ set: 'r', cron: '* * * * *', first: '1s' }, /^--first does not go with --cron, only with --every/],
    [{ set: 'r', at: '2099-01-01T00:00:00Z', times: 2 }, /^--times does not go with --at/],
    [{ set: 'r', in: '1s', until: '5s' }, /^--until does not go with --in/],
    [{ set: 'r', every: '1s', first: 'soon' }, /^--first "soon" is/],
    [{ set: 'r', every: '1h', until: '1s' }, /^--until "1s" lies before the first occurrence/],
    [{ set: 'r', every: '1h', times: 0 }, /^--times 0 is no number of runs/],
    [{ set: 'r', every: '1h', missed: 'never' }, /^--missed "never" is unknown/],
    [{ set: 'r', every: '1h', attempts: 0 }, /^--attempts 0 is/],
    [{ set: 'r', every: '1h', backoff: '2h' }, /^--backoff "2h" is too long/],
    [{ overwrite: false }, /^--no-overwrite belongs to --set NAME/],
    [{ times: 3 }, /^--times belongs to --set NAME/],
    [{ backoff: '1s' }, /^--backoff belongs to --set NAME/],
    [{ set: 'r', in: '1s', data: '{a}' }, /begins like JSON and is none/],
    [{ every: '1s' }, /--every belongs to --set NAME/],
    [{ data: '5' }, /--data belongs to --set NAME/],
    [{ method: 'x' }, /--method belongs to --set NAME/],
  ])('of %j is refused', (flags, says) => {
    expect(() => setting(flags)).toThrow(refused(says))
  })
})

describe('an action', () => {
  it('is one at most', () => {
    expect(oneAction({ retry: undefined, delete: 'r' })).toBe('delete')
    expect(oneAction({ retry: undefined, delete: undefined })).toBeUndefined()
    expect(() => oneAction({ retry: 3, delete: 4 })).toThrow(refused(/--retry and --delete cannot be used together/))
    expect(() => oneAction({ delete: 'r', deleteAll: true })).toThrow(refused(/--delete and --delete-all cannot be used together/))
    expect(flagName('deleteAll')).toBe('--delete-all')
    expect(() => oneAction({ delete: 'r' }, true)).toThrow(refused(/--dead is for lists; leave it out beside --delete/))
  })

  it('is about one actor', () => {
    expect(() => needsActor('retry', 'Account')).toThrow(refused(/--retry is about one actor and "Account" is a type; write TYPE\/ID/))
  })

  it('has a target', () => {
    expect(readTarget('Account')).toEqual({ type: 'Account', id: undefined })
    expect(readTarget('Room/cats and dogs')).toEqual({ type: 'Room', id: 'cats and dogs' })
    for (const wrong of ['', 'a#', 'Account/', '/x', 'a/b/c', '..']) expect(() => readTarget(wrong)).toThrow(refused(/TYPE\/ID/))
  })
})

describe('a list', () => {
  it('is read to its last page', async () => {
    const asked: unknown[] = []
    const pages = pagesOf<number, number>(async cursor => {
      asked.push(cursor)
      const from = cursor ?? 0
      return { entries: [from, from + 1], cursor: from < 4 ? from + 2 : undefined }
    })
    const got: number[] = []
    for await (const page of pages) got.push(...page)
    expect(got).toEqual([0, 1, 2, 3, 4, 5])
    expect(asked).toEqual([undefined, 2, 4])
  })

  it('has its head once, and columns that stay', () => {
    const table = new PagedTable(['ID', 'N'])
    expect(table.next([['long-name', 1]])).toBe('ID         N\nlong-name  1')
    expect(table.next([['b', 20]])).toBe('b          20')
    expect(table.next([])).toBe('')
  })
})

describe('a schedule', () => {
  const now = Date.parse('2026-03-01T00:00:00Z')
  const shown = (given: unknown): string => {
    const { schedule, policy } = readSchedule(given, now)
    return scheduleText(showSchedule(schedule, policy))
  }
  it.each<[unknown, string]>([
    [{ in: '5s' }, 'at 2026-03-01T00:00:05Z'],
    [{ every: '90s' }, 'every 1m30s from 2026-03-01T00:01:30Z'],
    [{ every: 'P1M', tz: 'Europe/Berlin', first: '2026-03-02T00:00:00Z', times: 5 }, 'every P1M from 2026-03-02T00:00:00Z (Europe/Berlin), 5 times'],
    [{ cron: '0 3 * * *', tz: 'Europe/Berlin', times: 1 }, 'cron 0 3 * * * (Europe/Berlin), once'],
    [{ cron: '0 3 * * *', until: '2026-04-01T00:00:00Z' }, 'cron 0 3 * * *, until 2026-04-01T00:00:00Z'],
  ])('%j', (given, text) => {
    expect(shown(given)).toBe(text)
  })

  it('has instants and errors in one line', () => {
    expect(instantText(new Date(5))).toBe('1970-01-01T00:00:00.005Z')
    expect(errorText(' a\n  b ')).toBe('a b')
    expect(errorText('x'.repeat(500)).length).toBe(120)
  })
})
