/**
 * What becomes of a reminder that is due: run it now or pass it over, and what its row is after a run that succeeded,
 * failed, or failed for good. Pure, so that the row can be written in the very turn that ran it (P5).
 *
 * - missed 'once': all occurrences that have fallen due run as one, the latest, which knows how many earlier ones it
 *   stands for. 'all': each runs, in order. 'skip': what is over a minute late is passed over, and so is all until now.
 * - A run that fails is tried again, 1, 2, 4, … times the backoff later, up to an hour, or each time once. Meanwhile the following
 *   occurrences wait: they are missed ones afterwards.
 * - When the last try has failed, a recurring reminder goes on with its next occurrence, and the dead one becomes a row of
 *   its own (`deadName`), shown and retried apart: one bad run does not end a schedule, and is not forgotten
 *   either. Where nothing follows, the reminder's own row becomes the dead letter.
 * - `times` counts runs, whether they succeeded or failed for good; a coalesced run is one. `until` bounds due times.
 */
import type { Occurrence } from '../actors/actor-reminders.ts'
import { NEVER_DUE } from '../stores/actor-store.ts'
import { originalName, SKIP_AFTER_MS, type Reminder } from './reminder.ts'
import { countDue, nextDue, type Schedule } from './schedule.ts'

const MAX_BACKOFF_MS = 3_600_000
/** Of an error's text, in a row. */
const MAX_ERROR_LENGTH = 1_000
/** `missed` counts no further: calendars are counted step by step. */
const MOST_COUNTED = { fixed: 1_000_000_000, calendar: 1_000 }

/**
 * What to do with a due reminder now: run it, or pass over to `next` (undefined: delete the row).
 * `name`, of its row, is for `occurrence.reminder`.
 */
export function present(r: Reminder, nowMs: number, name = ''): { run: true; occurrence: Occurrence } | { run: false; next: Reminder | undefined } {
  // An occurrence that was tried in time is not late because it failed.
  if (r.failures === 0 && isSkipped(r, r.due, nowMs)) return { run: false, next: moved(r, nextDue(r.schedule, nowMs)) }
  const { due, missed } = occurrenceAt(r, nowMs)
  return {
    run: true,
    occurrence: { reminder: originalName(name), due: new Date(due), count: runsOf(r) + 1, attempt: r.failures + 1, missed },
  }
}

/**
 * After a run that succeeded: the row as it must be written in that very turn, due at its `due`; undefined: delete it.
 * `nowMs` as it was given to `present`: what has fallen due during the run is missed, not lost.
 */
export function advanced(r: Reminder, nowMs: number): Reminder | undefined {
  return following({ ...r, count: r.count + 1 }, nowMs)
}

export interface Failed {
  /** The row, and when it is due: NEVER_DUE when it is the dead letter. */
  readonly reminder: Reminder
  readonly due: number
  /** The dead occurrence of a recurring reminder that goes on, to be written as `reminderEntry(deadName(name))`, NEVER_DUE. */
  readonly dead?: Reminder
}

/** After a run that failed. `ranMs`, `nowMs` by default: the time given to `present`. */
export function failed(r: Reminder, error: string, nowMs: number, ranMs = nowMs): Failed {
  const { due, missed } = occurrenceAt(r, ranMs)
  const { missed: _, tryAt: __, ...rest } = r
  const tried: Reminder = { ...rest, due, failures: r.failures + 1, ...missed === 0 ? {} : { missed } }
  if (tried.failures < r.policy.attempts) {
    const { backoffMs, constant } = r.policy
    const tryAt = Math.ceil(nowMs + Math.min(MAX_BACKOFF_MS, constant === true ? backoffMs : backoffMs * 2 ** (tried.failures - 1)))
    return { reminder: { ...tried, tryAt }, due: tryAt }
  }
  // What is dead is one occurrence: revived, it runs by itself and the schedule is not its concern.
  const dead: Reminder = { ...tried, schedule: { kind: 'once', at: due }, dead: { error: error.slice(0, MAX_ERROR_LENGTH).toWellFormed(), at: nowMs } }
  const next = following({ ...r, lost: (r.lost ?? 0) + 1 }, ranMs)
  return next === undefined ? { reminder: dead, due: NEVER_DUE } : { reminder: next, due: next.due, dead }
}

/** A dead letter made due again, at its `due`, which is not after `nowMs`; all attempts anew, and never passed over as too late. */
export function revived(r: Reminder, nowMs: number): Reminder {
  const { dead: _, ...rest } = r
  return { ...rest, due: Math.min(r.due, nowMs), failures: 0, policy: { ...r.policy, missed: 'once' } }
}

const runsOf = (r: Reminder): number => r.count + (r.lost ?? 0)

const isSkipped = (r: Reminder, due: number, nowMs: number): boolean => r.policy.missed === 'skip' && nowMs - due > SKIP_AFTER_MS

/** The occurrence that runs at `nowMs`. A retry stands for what its first try stood for. */
function occurrenceAt(r: Reminder, nowMs: number): { due: number; missed: number } {
  if (r.failures > 0 || r.missed !== undefined) return { due: r.due, missed: r.missed ?? 0 }
  if (r.policy.missed !== 'once') return { due: r.due, missed: 0 }
  const due = latestDue(r.schedule, r.due, nowMs)
  if (due === r.due) return { due, missed: 0 }
  return { due, missed: countDue(r.schedule, r.due, due, isFixed(r.schedule) ? MOST_COUNTED.fixed : MOST_COUNTED.calendar) }
}

/** The row after the run of the present occurrence, which `r` has counted. */
function following(r: Reminder, nowMs: number): Reminder | undefined {
  if (r.schedule.kind !== 'once' && r.schedule.times !== undefined && runsOf(r) >= r.schedule.times) return undefined
  const next = nextDue(r.schedule, occurrenceAt(r, nowMs).due)
  return moved(r, next !== undefined && isSkipped(r, next, nowMs) ? nextDue(r.schedule, nowMs) : next)
}

function moved(r: Reminder, due: number | undefined): Reminder | undefined {
  if (due === undefined) return undefined
  const { missed: _, tryAt: __, ...rest } = r
  return { ...rest, due, failures: 0 }
}

const isFixed = (s: Schedule): boolean => s.kind === 'every' && s.period.months === 0 && s.period.days === 0

/** The latest occurrence at or before `nowMs`, where `due` is one: found by halves, as `nextDue` never goes back. */
function latestDue(schedule: Schedule, due: number, nowMs: number): number {
  let latest = due
  let beyond = nowMs
  for (;;) {
    const next = nextDue(schedule, latest)
    if (next === undefined || next > nowMs) return latest
    latest = next
    // An occurrence is after the middle: go on there. None is: the latest lies before it.
    while (beyond > latest) {
      const middle = Math.floor((latest + beyond) / 2)
      const later = nextDue(schedule, middle)
      if (later !== undefined && later <= nowMs) {
        latest = later
        break
      }
      beyond = middle
    }
  }
}
