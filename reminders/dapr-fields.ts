/**
 * Dapr's way of writing a schedule: `dueTime`, `period` and `ttl` of a reminder's body, as a ReminderSchedule.
 *
 * - `dueTime`: Go duration, ISO 8601 duration without repetition, or RFC 3339; what is past is due at once. Absent: one
 *   period from now.
 * - `period`: Go or ISO 8601 duration, with `R<n>/` for n runs in all (`R0/` is no limit), or the form `@every 1s` that a
 *   reminder is shown with. Absent: it runs once. Days, months and years are accepted here, where Dapr refuses them.
 * - `ttl`: as `dueTime`, counted from the due time when there is one; needs a period, and must not end before the first run.
 *
 * Digits below a millisecond are legal there and rounded up. An empty text is the same as none.
 */
import type { ReminderSchedule } from '../actors/actor-reminders.ts'
import { badSchedule, noSchedule } from './bad-schedule.ts'
import { zoneOf } from './calendar.ts'
import { formatPeriod, LONGEST_MS, parsePeriod } from './duration-formats.ts'
import { looksLikeInstant, parseInstant } from './instant-format.ts'
import { addPeriod } from './next-due.ts'
import { splitRepeats } from './schedule-fields.ts'

/** @throws BAD_SCHEDULE naming the field */
export function fromDaprFields(fields: { dueTime?: unknown; period?: unknown; ttl?: unknown }, nowMs: number): ReminderSchedule {
  const now = Math.ceil(nowMs)
  const dueTime = textOf(fields.dueTime, 'dueTime')
  const period = textOf(fields.period, 'period')
  const ttl = textOf(fields.ttl, 'ttl')
  const due = dueTime === undefined ? undefined : Math.max(now, momentOf(dueTime, 'dueTime', now))
  if (period === undefined) {
    if (due === undefined) {
      throw noSchedule('dueTime', "the reminder has neither dueTime nor period: job must have either a due time or a schedule; "
        + "write dueTime: '1s', period: '1m' or both, or Troupe's own form, schedule: { every: '1m' }")
    }
    if (ttl !== undefined) {
      throw badSchedule('ttl', ttl, "has no period: job must have a schedule to have a ttl; write period: '1m', or leave out ttl")
    }
    return { at: new Date(due) }
  }
  const { period: length, times } = splitRepeats(period, 'period')
  const { months, days, ms, whole } = parsePeriod(length.replace(/^@every\s+/, ''), 'period')
  if (months === 0 && days === 0 && (ms === 0 || ms === 1 && !whole)) {
    throw badSchedule('period', period, "is shorter than a millisecond; write '1ms' or more")
  }
  const first = due ?? addPeriod(now, { months, days, ms }, 1, zoneOf('UTC'))
  const until = ttl === undefined ? undefined : momentOf(ttl, 'ttl', due ?? now)
  if (until !== undefined && until <= now) throw badSchedule('ttl', ttl, 'has expired already; write a later time')
  if (until !== undefined && until < first) throw badSchedule('ttl', ttl, 'ends before the first run; write a later time')
  return {
    every: months === 0 && days === 0 ? ms : formatPeriod(months, days, ms),
    ...due === undefined ? {} : { first: new Date(due) },
    ...times === undefined || times === 0 ? {} : { times },
    ...until === undefined ? {} : { until: new Date(until) },
  }
}

function textOf(given: unknown, field: string): string | undefined {
  if (given === undefined || given === null || given === '') return undefined
  if (typeof given !== 'string') {
    throw badSchedule(field, given, "is no text; write a duration ('10s', 'PT10S') or an instant ('2026-03-01T09:00:00Z')")
  }
  return given
}

function momentOf(text: string, field: string, base: number): number {
  if (looksLikeInstant(text)) return parseInstant(text, field)
  const { months, days, ms } = parsePeriod(text, field)
  const at = addPeriod(base, { months, days, ms }, 1, zoneOf('UTC'))
  if (at > LONGEST_MS) throw badSchedule(field, text, 'reaches beyond the year 9999; write a shorter time')
  return at
}
