/**
 * Schedules: what an author writes (`ReminderSchedule`) and what is stored (`Schedule`), and the way between the two.
 *
 * What is stored is plain and absolute: every 'from now' has become an instant, every text numbers, so that it means the
 * same on any host and after any restart. Reading is strict: one BAD_SCHEDULE names the field, the value and what to write
 * instead; nothing is guessed, no unknown key is passed over. When a schedule is due is next-due.ts.
 */
import type { ReminderSchedule } from '../actors/actor-reminders.ts'
import { badSchedule } from './bad-schedule.ts'
import { zoneOf } from './calendar.ts'
import { cronOf } from './cron.ts'
import { formatPeriod, LONGEST_MS, LONGEST_TEXT } from './duration-formats.ts'
import { addPeriod, nextDue } from './next-due.ts'
import { readFields, readInstant, readMoment, readPeriod, readRepeats, type Fields } from './schedule-fields.ts'

export { fromDaprFields } from './dapr-fields.ts'
export { countDue, nextDue } from './next-due.ts'

/** As stored: plain, absolute, survives the codec. Instants are milliseconds since the epoch; `until` is the last instant allowed. */
export type Schedule =
  | { readonly kind: 'once'; readonly at: number }
  | {
    readonly kind: 'every'; readonly first: number; readonly period: StoredPeriod
    readonly times?: number; readonly until?: number; readonly tz?: string
  }
  /** Occurrences lie strictly after `from`, the time at which it was set. */
  | {
    readonly kind: 'cron'; readonly cron: string; readonly tz: string; readonly from: number
    readonly times?: number; readonly until?: number
  }

/** Years are months, weeks are days; months and days are those of the calendar, `ms` is exact. */
export interface StoredPeriod { readonly months: number; readonly days: number; readonly ms: number }

export interface Policy {
  readonly missed: 'once' | 'all' | 'skip'
  readonly attempts: number
  readonly backoffMs: number
  /** Each wait is `backoffMs`; absent, each is twice the one before. */
  readonly constant?: true
}

const DEFAULT_ATTEMPTS = 4
const DEFAULT_BACKOFF_MS = 1000
const MOST_ATTEMPTS = 1_000_000
const LONGEST_BACKOFF_MS = 3_600_000

const policyKeys = ['missed', 'retry', 'overwrite'] as const
const keysOf = {
  at: ['at', ...policyKeys],
  in: ['in', ...policyKeys],
  every: ['every', 'first', 'times', 'until', 'tz', ...policyKeys],
  cron: ['cron', 'tz', 'times', 'until', ...policyKeys],
} as const

/**
 * Reads what an author wrote; `nowMs` is what 'from now' counts from.
 * @throws BAD_SCHEDULE naming the field, the value and the remedy
 */
export function readSchedule(given: unknown, nowMs: number): { schedule: Schedule; policy: Policy; overwrite: boolean } {
  // Rounded up, so that nothing counted from it is early.
  const now = Math.ceil(nowMs)
  const { kind, fields } = readFields(given, keysOf)
  const overwrite = orDefault(fields.overwrite, true)
  if (typeof overwrite !== 'boolean') throw badSchedule('overwrite', overwrite, 'is no boolean; write true or false')
  const policy = readPolicy(fields)
  switch (kind) {
    case 'at': return { schedule: { kind: 'once', at: readInstant(fields.at, 'at') }, policy, overwrite }
    case 'in': return { schedule: { kind: 'once', at: later(now, readPeriod(fields.in, 'in'), 'UTC', fields.in, 'in') }, policy, overwrite }
    case 'every': return { schedule: readEvery(fields, now), policy, overwrite }
    case 'cron': return { schedule: readCron(fields, now), policy, overwrite }
  }
}

/** The plain form for ReminderInfo.schedule: instants as RFC 3339 in UTC, periods as milliseconds or ISO 8601. */
export function showSchedule(schedule: Schedule, policy: Policy): ReminderSchedule {
  const { missed, attempts, backoffMs, constant } = policy
  const shownPolicy = { missed, retry: { attempts, backoff: backoffMs, ...constant === undefined ? {} : { constant } } }
  if (schedule.kind === 'once') return { at: text(schedule.at), ...shownPolicy }
  const limits = {
    ...schedule.times === undefined ? {} : { times: schedule.times },
    ...schedule.until === undefined ? {} : { until: text(schedule.until) },
  }
  if (schedule.kind === 'cron') return { cron: schedule.cron, tz: schedule.tz, ...limits, ...shownPolicy }
  const { months, days, ms } = schedule.period
  const every = months === 0 && days === 0 ? ms : formatPeriod(months, days, ms)
  return { every, first: text(schedule.first), ...limits, ...schedule.tz === undefined ? {} : { tz: schedule.tz }, ...shownPolicy }
}

/** Null is no 'not given': it is refused like any other wrong value. */
const orDefault = (value: unknown, otherwise: unknown): unknown => value === undefined ? otherwise : value

const text = (at: number): string => new Date(at).toISOString()

function readEvery(fields: Fields, now: number): Schedule {
  const { period: bare, times: repeats } = typeof fields.every === 'string' ? readRepeats(fields.every, 'every') : { period: fields.every }
  const period = readPeriod(bare, 'every')
  if (period.months === 0 && period.days === 0 && period.ms < 1) throw badSchedule('every', fields.every, 'is no period; write 1 ms or more')
  if (repeats !== undefined && fields.times !== undefined) {
    throw badSchedule('times', fields.times, "is given beside the 'R' of every; write one of the two")
  }
  const times = repeats ?? readTimes(fields)
  const tz = readZone(fields)
  const first = fields.first === undefined
    ? later(now, period, tz ?? 'UTC', fields.every, 'every')
    : momentOf(fields, 'first', now)
  const until = fields.until === undefined ? undefined : momentOf(fields, 'until', now)
  if (until !== undefined && until < first) {
    throw badSchedule('until', fields.until, `lies before the first occurrence (${text(first)}); write a later time, or an earlier first`)
  }
  return {
    kind: 'every', first, period,
    ...times === undefined ? {} : { times }, ...until === undefined ? {} : { until }, ...tz === undefined ? {} : { tz },
  }
}

function readCron(fields: Fields, now: number): Schedule {
  const cron = fields.cron
  if (typeof cron !== 'string') throw badSchedule('cron', cron, "is no text; write an expression such as '0 9 * * 1-5'")
  cronOf(cron)
  const times = readTimes(fields)
  const until = fields.until === undefined ? undefined : momentOf(fields, 'until', now)
  const schedule: Schedule = {
    kind: 'cron', cron, tz: readZone(fields) ?? 'UTC', from: now,
    ...times === undefined ? {} : { times }, ...until === undefined ? {} : { until },
  }
  if (nextDue(schedule, -Infinity) === undefined) {
    if (until === undefined) throw badSchedule('cron', cron, 'does not match again before the year 10000; choose other fields')
    throw badSchedule('until', fields.until, 'lies before the first match of cron; write a later time')
  }
  return schedule
}

function readPolicy(fields: Fields): Policy {
  const missed = orDefault(fields.missed, 'once')
  if (missed !== 'once' && missed !== 'all' && missed !== 'skip') throw badSchedule('missed', missed, "is unknown; write 'once', 'all' or 'skip'")
  if (fields.retry === undefined) return { missed, attempts: DEFAULT_ATTEMPTS, backoffMs: DEFAULT_BACKOFF_MS }
  const { fields: retry } = readFields(fields.retry, { retry: ['attempts', 'backoff', 'constant'] }, 'retry')
  const attempts = orDefault(retry.attempts, DEFAULT_ATTEMPTS)
  if (typeof attempts !== 'number' || !Number.isInteger(attempts) || attempts < 1 || attempts > MOST_ATTEMPTS) {
    throw badSchedule('retry.attempts', attempts, `is no number of runs; write a whole number from 1 to ${MOST_ATTEMPTS}`)
  }
  const constant = orDefault(retry.constant, false)
  if (typeof constant !== 'boolean') throw badSchedule('retry.constant', constant, 'is no boolean; write true or false')
  const growth = constant ? { constant } : {}
  if (retry.backoff === undefined) return { missed, attempts, backoffMs: DEFAULT_BACKOFF_MS, ...growth }
  const backoff = readPeriod(retry.backoff, 'retry.backoff')
  if (backoff.months > 0 || backoff.days > 0 || backoff.ms > LONGEST_BACKOFF_MS) {
    throw badSchedule('retry.backoff', retry.backoff, "is too long; write at most an hour ('1h')")
  }
  return { missed, attempts, backoffMs: backoff.ms, ...growth }
}

function readTimes(fields: Fields): number | undefined {
  const times = fields.times
  if (times === undefined) return undefined
  if (typeof times !== 'number' || !Number.isSafeInteger(times) || times < 1) {
    throw badSchedule('times', times, 'is no number of runs; write a whole number of at least 1, or leave it out for no limit')
  }
  return times
}

function readZone(fields: Fields): string | undefined {
  const tz = fields.tz
  if (tz === undefined) return undefined
  if (typeof tz !== 'string' || tz.length > LONGEST_TEXT) throw badSchedule('tz', tz, "is no time zone; write an IANA name, as 'Europe/Berlin'")
  return zoneOf(tz).name
}

/** An instant, or a length of time from now. */
function momentOf(fields: Fields, field: 'first' | 'until', now: number): number {
  const moment = readMoment(fields[field], field)
  return typeof moment === 'number' ? moment : later(now, moment, readZone(fields) ?? 'UTC', fields[field], field)
}

function later(now: number, period: StoredPeriod, tz: string, given: unknown, field: string): number {
  const at = addPeriod(now, period, 1, zoneOf(tz))
  if (at > LONGEST_MS) throw badSchedule(field, given, 'reaches beyond the year 9999; write a shorter time')
  return at
}
