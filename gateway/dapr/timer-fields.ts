/**
 * Dapr's way of writing a timer: `dueTime`, `period`, `ttl` and `callback`, as a `TimerSetting`.
 *
 * As for reminders (reminders/dapr-fields.ts), but: without dueTime the first tick is due at once, without a period there is
 * one, `R0/` is refused, and days are 24 hours, months 30 days, since a timer lives in one activation's memory.
 */
import type { DoorData, TimerSetting } from '../../actors/management.ts'
import { badSchedule } from '../../reminders/bad-schedule.ts'
import { parsePeriod } from '../../reminders/duration-formats.ts'
import { looksLikeInstant, parseInstant } from '../../reminders/instant-format.ts'
import { splitRepeats } from '../../reminders/schedule-fields.ts'

export interface TimerFields {
  readonly dueTime?: unknown
  readonly period?: unknown
  readonly ttl?: unknown
  readonly callback?: unknown
  readonly data?: DoorData | undefined
}

const DAY_MS = 86_400_000

/** @throws BAD_SCHEDULE naming the field */
export function readTimerSetting(fields: TimerFields, nowMs: number): TimerSetting {
  const now = Math.ceil(nowMs)
  const [dueTime, period, ttl, callback] = (['dueTime', 'period', 'ttl', 'callback'] as const).map(field => textOf(fields[field], field)) as [string, string, string, string]
  const first = dueTime === '' ? 0 : fromNow(dueTime, 'dueTime', now)
  const until = ttl === '' ? undefined : looksLikeInstant(ttl) ? parseInstant(ttl, 'ttl') - now : first + lengthOf(ttl, 'ttl')
  if (until !== undefined && (until <= 0 || until < first)) throw badSchedule('ttl', ttl, 'ends before the first tick; write a later time')
  const repeats = period === '' ? undefined : splitRepeats(period, 'period')
  if (repeats?.times === 0) throw badSchedule('period', period, 'has zero repetitions; write R1 or more, or no R for no limit')
  const every = repeats === undefined ? undefined : lengthOf(repeats.period, 'period')
  return {
    schedule: {
      first,
      ...every === undefined ? {} : { every: Math.max(1, every) },
      ...repeats?.times === undefined ? {} : { times: repeats.times },
      ...until === undefined ? {} : { until },
      keepAlive: true,
    },
    callback, data: fields.data, written: { dueTime, period, ttl },
  }
}

const fromNow = (text: string, field: string, now: number): number => looksLikeInstant(text) ? Math.max(0, parseInstant(text, field) - now) : lengthOf(text, field)

function lengthOf(text: string, field: string): number {
  const { months, days, ms } = parsePeriod(text.replace(/^@every\s+/, ''), field)
  return (months * 30 + days) * DAY_MS + ms
}

function textOf(given: unknown, field: string): string {
  if (given === undefined || given === null) return ''
  if (typeof given !== 'string') throw badSchedule(field, given, "is no text; write a duration ('10s', 'PT10S') or an instant ('2026-03-01T09:00:00Z')")
  return given
}
