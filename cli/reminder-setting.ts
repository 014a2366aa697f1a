/** What `troupe reminders --set` sets, from its flags: all is read, and refused by the flag's name, before anything is sent. */
import type { ReminderSchedule } from '../actors/actor-reminders.ts'
import { TroupeError } from '../core/errors.ts'
import { readSchedule } from '../reminders/schedule.ts'
import { flagName } from './stored-work.ts'
import { readArgument } from './words.ts'

export interface SettingFlags {
  readonly set?: string
  readonly cron?: string
  readonly every?: string
  readonly at?: string
  readonly in?: string
  readonly first?: string
  readonly times?: number
  readonly until?: string
  readonly tz?: string
  readonly missed?: string
  readonly attempts?: number
  readonly backoff?: string
  /** False: `--no-overwrite`. */
  readonly overwrite?: boolean
  readonly method?: string
  readonly data?: string
}

export type ReminderSetting = readonly [ReminderSchedule, method: string | undefined, ...args: unknown[]]

const kinds = ['cron', 'every', 'at', 'in'] as const
/** Flags that only some kinds of schedule have. */
const partial = { first: ['every'], times: ['cron', 'every'], until: ['cron', 'every'], tz: ['cron', 'every'] } as const
const shared = ['missed', 'attempts', 'backoff', 'method', 'data'] as const

/** Undefined without `--set`. @throws BAD_OPTION */
export function readSetting(flags: SettingFlags): ReminderSetting | undefined {
  const isGiven = (name: keyof SettingFlags): boolean => flags[name] !== undefined
  const limits = Object.keys(partial) as (keyof typeof partial)[]
  if (flags.set === undefined) {
    const stray = flags.overwrite === false ? '--no-overwrite' : [...kinds, ...limits, ...shared].filter(isGiven).map(flagName)[0]
    if (stray !== undefined) throw new TroupeError('BAD_OPTION', `${stray} belongs to --set NAME, which is missing`)
    return undefined
  }
  const given = kinds.filter(isGiven)
  const [kind] = given
  if (kind === undefined) throw new TroupeError('BAD_OPTION', `--set ${flags.set}: when is it due? Give --cron, --every, --at or --in`)
  if (given.length > 1) throw new TroupeError('BAD_OPTION', `${given.map(flagName).join(' and ')} cannot be used together; give one`)
  for (const limit of limits.filter(isGiven)) {
    const having: readonly string[] = partial[limit]
    if (!having.includes(kind)) throw new TroupeError('BAD_OPTION', `--${limit} does not go with --${kind}, only with ${having.map(flagName).join(' or ')}; leave it out`)
  }
  const schedule = scheduleOf(flags, kind)
  checkSchedule(schedule)
  return [schedule, flags.method, ...(flags.data === undefined ? [] : [readArgument(flags.data)])]
}

function scheduleOf(flags: SettingFlags, kind: (typeof kinds)[number]): ReminderSchedule {
  const { first, times, until, tz, missed, attempts, backoff, overwrite } = flags
  const fields = {
    [kind]: kind === 'every' || kind === 'in' ? lengthOf(flags[kind]!) : flags[kind],
    ...(first === undefined ? {} : { first: lengthOf(first) }), ...(times === undefined ? {} : { times }),
    ...(until === undefined ? {} : { until: lengthOf(until) }), ...(tz === undefined ? {} : { tz }), ...(missed === undefined ? {} : { missed }),
    ...(attempts === undefined && backoff === undefined ? {} : {
      retry: { ...(attempts === undefined ? {} : { attempts }), ...(backoff === undefined ? {} : { backoff: lengthOf(backoff) }) },
    }),
    ...(overwrite === false ? { overwrite } : {}),
  }
  return fields as unknown as ReminderSchedule
}

/** Digits alone are milliseconds. */
const lengthOf = (text: string): string | number => /^\d+$/.test(text) ? Number(text) : text

/** A schedule that is none is a wrong command line, whatever the host would call it. @throws BAD_OPTION */
function checkSchedule(schedule: ReminderSchedule): void {
  try {
    readSchedule(schedule, Date.now())
  } catch (error) {
    if (!TroupeError.is(error, 'BAD_SCHEDULE')) throw error
    // `schedule: retry.backoff "x" …` is about `--backoff "x" …`.
    throw new TroupeError('BAD_OPTION', error.message.replace(/^schedule: (?:retry\.)?(?=[a-z]+ )/, '--'), { cause: error })
  }
}
