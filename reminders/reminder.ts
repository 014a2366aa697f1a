/**
 * A reminder as it is stored: the value of an actor's `r:` entry, beside which stands when it is to run next.
 *
 * A row is self-contained: schedule, policy, target, and how far it has come. What happens to it next is advance.ts. An
 * occurrence of a recurring reminder that failed for good is kept beside it as a row of its own, `r:NAME\u0001dead`, the latest one
 * only: no name holds a control character, so it is nobody else's, and it follows its reminder in the order of names.
 */
import type { ReminderInfo } from '../actors/actor-reminders.ts'
import { decode, encode } from '../core/codec.ts'
import { TroupeError } from '../core/errors.ts'
import { NEVER_DUE } from '../stores/actor-store.ts'
import { badSchedule } from './bad-schedule.ts'
import { nextDue, showSchedule, type Policy, type Schedule } from './schedule.ts'

export interface Reminder {
  readonly schedule: Schedule
  readonly policy: Policy
  /** Undefined: the hook `onReminder`. */
  readonly method: string | undefined
  readonly args: readonly unknown[]
  /** Scheduled time of the present occurrence; the row's own due time may be later (a retry). */
  readonly due: number
  /** Runs that succeeded. */
  readonly count: number
  /** Failed tries of the present occurrence. */
  readonly failures: number
  /** Runs that failed for good, and that the schedule went on from; 0 when absent. */
  readonly lost?: number
  /** While the present occurrence is being retried: how many earlier ones it stands for; 0 when absent. */
  readonly missed?: number
  /** While it is being retried: when the next try is due. */
  readonly tryAt?: number
  readonly dead?: { readonly error: string; readonly at: number }
  /** Of one that a door set in Dapr's fields: how they were written, and whether `args` is JSON text for an application. */
  readonly written?: Written
}

export interface Written {
  readonly dueTime: string
  readonly period: string
  readonly ttl: string
  readonly json: boolean
}

const DEAD = '\u0001dead'

/** Name of the entry of a reminder. */
export const reminderEntry = (name: string): string => `r:${name}`

/** Name, for `reminderEntry`, under which the latest dead occurrence of a recurring reminder is kept. */
export const deadName = (name: string): string => originalName(name) + DEAD

/** The reminder's own name, of itself or of its dead occurrence. */
export const originalName = (name: string): string => name.endsWith(DEAD) ? name.slice(0, -DEAD.length) : name

/** When its row is due: NEVER_DUE for a dead letter. */
export const rowDue = (r: Reminder): number => r.dead !== undefined ? NEVER_DUE : r.tryAt ?? r.due

/** What is late by more is passed over by `missed: 'skip'`. */
export const SKIP_AFTER_MS = 60_000

/**
 * A reminder as it is set; its row is due at `due`.
 * @throws BAD_SCHEDULE when the schedule has no occurrence, or with `missed: 'skip'` none that would not be passed over
 */
export function newReminder(schedule: Schedule, policy: Policy, method: string | undefined, args: readonly unknown[], nowMs: number, written?: Written): Reminder {
  const first = nextDue(schedule, -Infinity)
  const over = first !== undefined && policy.missed === 'skip' && nowMs - first > SKIP_AFTER_MS
  const due = over ? nextDue(schedule, nowMs) : first
  if (due === undefined) {
    throw badSchedule('schedule', showSchedule(schedule, policy), over
      ? "is over, and missed: 'skip' passes over what is late; give a later time"
      : 'has no occurrence; give a later end or an earlier start')
  }
  return { schedule, policy, method, args, due, count: 0, failures: 0, ...written === undefined ? {} : { written } }
}

/** As authors and operators see it. `dueMs` is the due time of its row. */
export const showReminder = (name: string, r: Reminder, dueMs = rowDue(r)): ReminderInfo => ({
  name,
  schedule: showSchedule(r.schedule, r.policy),
  method: r.method,
  args: r.written?.json === true ? [] : r.args,
  due: r.dead !== undefined || dueMs >= NEVER_DUE ? undefined : new Date(dueMs),
  count: r.count,
  failures: r.failures,
  dead: r.dead === undefined ? undefined : { error: r.dead.error, at: new Date(r.dead.at) },
  ...r.written === undefined ? {} : { written: { dueTime: r.written.dueTime, period: r.written.period, ttl: r.written.ttl } },
  ...r.written?.json === true && r.args.length > 0 ? { json: String(r.args[0]) } : {},
})

// Stored as arrays: a row is read and written with every run, and names of fields would be half of it.
const FORM = 1
const missedPolicies = ['once', 'all', 'skip'] as const

/** @throws NOT_ENCODABLE naming the argument that cannot be stored */
export const encodeReminder = (r: Reminder): Uint8Array => encode([
  FORM, packSchedule(r.schedule), packPolicy(r.policy),
  r.method ?? null, r.args, r.due, r.count, r.failures, r.lost ?? 0, r.missed ?? 0, r.tryAt ?? null,
  r.dead === undefined ? null : [r.dead.error, r.dead.at],
  ...r.written === undefined ? [] : [[r.written.dueTime, r.written.period, r.written.ttl, r.written.json]],
], 'a reminder')

/** `who` names the reminder in the error. @throws STATE_UNREADABLE */
export function decodeReminder(bytes: Uint8Array, who: string): Reminder {
  const row = decode(bytes, who, 'STATE_UNREADABLE')
  if (!Array.isArray(row) || row[0] !== FORM) {
    const form = Array.isArray(row) && typeof row[0] === 'number' ? `of form ${row[0]}, this version reads ${FORM}: run a newer one` : 'no reminder'
    throw new TroupeError('STATE_UNREADABLE', `${who}: what is stored is ${form}`)
  }
  try {
    return unpackReminder(row)
  } catch (raised) {
    throw new TroupeError('STATE_UNREADABLE', `${who}: what is stored is no whole reminder: ${(raised as Error).message}`)
  }
}

const packPolicy = ({ missed, attempts, backoffMs, constant }: Policy): unknown[] =>
  [missedPolicies.indexOf(missed), attempts, backoffMs, ...constant === undefined ? [] : [constant]]

function packSchedule(s: Schedule): unknown[] {
  switch (s.kind) {
    case 'once': return [0, s.at]
    case 'every': return [1, s.first, s.period.months, s.period.days, s.period.ms, s.times ?? null, s.until ?? null, s.tz ?? null]
    case 'cron': return [2, s.cron, s.tz, s.from, s.times ?? null, s.until ?? null]
  }
}

function unpackReminder(row: readonly unknown[]): Reminder {
  const [, schedule, policy, method, args, due, count, failures, lost, missed, tryAt, dead, written] = row
  const [missedPolicy, attempts, backoff, constant] = list(policy, 'policy')
  const deadParts = dead === null ? undefined : list(dead, 'dead')
  const occurrence = {
    ...lost === 0 ? {} : { lost: number(lost, 'lost') },
    ...missed === 0 ? {} : { missed: number(missed, 'missed') },
    ...tryAt === null ? {} : { tryAt: number(tryAt, 'next try') },
    ...written === undefined ? {} : { written: unpackWritten(list(written, 'written form')) },
    ...deadParts === undefined ? {} : { dead: { error: text(deadParts[0], 'error'), at: number(deadParts[1], 'at') } },
  }
  const missedName = missedPolicies[number(missedPolicy, 'missed policy')]
  if (missedName === undefined) throw new Error('its missed policy is unknown')
  return {
    schedule: unpackSchedule(list(schedule, 'schedule')),
    policy: { missed: missedName, attempts: number(attempts, 'attempts'), backoffMs: number(backoff, 'backoff'), ...constant === true ? { constant } : {} },
    method: method === null ? undefined : text(method, 'method'),
    args: list(args, 'args'), due: number(due, 'due'), count: number(count, 'count'), failures: number(failures, 'failures'), ...occurrence,
  }
}

const unpackWritten = ([dueTime, period, ttl, json]: readonly unknown[]): Written =>
  ({ dueTime: text(dueTime, 'dueTime'), period: text(period, 'period'), ttl: text(ttl, 'ttl'), json: json === true })

function unpackSchedule(s: readonly unknown[]): Schedule {
  switch (s[0]) {
    case 0: return { kind: 'once', at: number(s[1], 'at') }
    case 1: return {
      kind: 'every', first: number(s[1], 'first'),
      period: { months: number(s[2], 'months'), days: number(s[3], 'days'), ms: number(s[4], 'ms') },
      ...limits(s[5], s[6]), ...s[7] === null ? {} : { tz: text(s[7], 'tz') },
    }
    case 2: return { kind: 'cron', cron: text(s[1], 'cron'), tz: text(s[2], 'tz'), from: number(s[3], 'from'), ...limits(s[4], s[5]) }
    default: throw new Error('its kind of schedule is unknown')
  }
}

const limits = (times: unknown, until: unknown): { times?: number; until?: number } => ({
  ...times === null ? {} : { times: number(times, 'times') },
  ...until === null ? {} : { until: number(until, 'until') },
})

function number(value: unknown, what: string): number {
  if (typeof value !== 'number') throw new Error(`its ${what} is no number`)
  return value
}

function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Error(`its ${what} is no text`)
  return value
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`its ${what} is no list`)
  return value
}
