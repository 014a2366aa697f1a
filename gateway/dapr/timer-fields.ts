/**
 * Dapr's way of writing a timer: `dueTime`, `period` and `ttl`, over whatever door they came, as what `timers.set` takes, and
 * back again for who asks.
 *
 * - `dueTime`: Go duration, ISO 8601 duration or RFC 3339; absent or past: it ticks at once.
 * - `period`: Go or ISO 8601 duration, with `R<n>/` for n ticks in all; `R0/` is refused. Absent or of no length: one tick.
 * - `ttl`: as `dueTime`, counted from the first tick; a timer that would never tick is refused.
 *
 * Days, weeks, months and years are legal in timers. A timer lives in memory and counts exact time, so a period with months
 * has the length of its first occurrence (from the first tick, in UTC), and keeps it: `P1M` from 1 February is 28 days each.
 *
 * Ticks count as use of the actor (`keepAlive`), as they do in Dapr.
 */
import type { DoorData, TimerInfo, TimerSetting, WrittenSchedule } from '../../actors/management.ts'
import { badSchedule } from '../../reminders/bad-schedule.ts'
import { zoneOf } from '../../reminders/calendar.ts'
import { LONGEST_MS, parsePeriod } from '../../reminders/duration-formats.ts'
import { looksLikeInstant, parseInstant } from '../../reminders/instant-format.ts'
import { addPeriod } from '../../reminders/next-due.ts'
import { readRepeats, splitRepeats } from '../../reminders/schedule-fields.ts'
import { instantText, periodText } from '../reminder-document.ts'

export interface TimerFields {
  readonly dueTime?: unknown
  readonly period?: unknown
  readonly ttl?: unknown
  readonly callback?: unknown
  readonly data?: DoorData | undefined
}

/** `written` has `dueTime` and `period` as they came, which is how ticks carry them, and `ttl` as an instant. @throws BAD_SCHEDULE naming the field */
export function readTimerSetting(fields: TimerFields, nowMs: number): TimerSetting {
  const now = Math.ceil(nowMs)
  const [dueTime, period, ttl, callback] = [
    textOf(fields.dueTime, 'dueTime'), textOf(fields.period, 'period'), textOf(fields.ttl, 'ttl'), textOf(fields.callback, 'callback'),
  ]
  const first = dueTime === '' ? now : Math.max(now, momentOf(dueTime, 'dueTime', now))
  const { everyMs, times } = readTimerPeriod(period, first)
  const until = ttl === '' ? undefined : momentOf(ttl, 'ttl', first)
  if (until !== undefined && until <= now) throw badSchedule('ttl', ttl, 'has expired already; write a later time')
  if (until !== undefined && until < first) throw badSchedule('ttl', ttl, 'ends before the first tick; write a later time')
  return {
    schedule: {
      first: first - now, keepAlive: true,
      ...(everyMs === undefined ? {} : { every: everyMs }),
      ...(everyMs === undefined || times === undefined ? {} : { times }),
      ...(until === undefined ? {} : { until: until - now }),
    },
    callback,
    data: fields.data,
    written: { dueTime, period, ttl: until === undefined || looksLikeInstant(ttl) ? ttl : instantText(until) },
  }
}

/** As the standard lists them. */
export const inOrder = (timers: readonly TimerInfo[]): TimerInfo[] => [...timers].sort((a, b) => a.name < b.name ? -1 : 1)

/** What a timer shows of its times; those that were not given are left out. */
export const shownTimer = ({ written }: TimerInfo): Partial<WrittenSchedule> => ({
  ...(written.dueTime === '' ? {} : { dueTime: written.dueTime }),
  ...(written.period === '' ? {} : { period: shownPeriod(written.period) }),
  ...(written.ttl === '' ? {} : { ttl: written.ttl }),
})

/** `@every` and a Go duration, its `R<n>/` left out; a text that no door would have taken is shown as it is. */
function shownPeriod(written: string): string {
  try {
    return periodText(splitRepeats(written, 'period').period.replace(/^@every\s+/, ''))
  } catch {
    return written
  }
}

function readTimerPeriod(text: string, first: number): { everyMs?: number; times?: number } {
  if (text === '') return {}
  const { period, times } = readRepeats(text, 'period')
  const length = parsePeriod(period.replace(/^@every\s+/, ''), 'period')
  const everyMs = later(first, length, 'period', text) - first
  if (everyMs === 0) return {}
  return times === undefined ? { everyMs } : { everyMs, times }
}

function textOf(given: unknown, field: string): string {
  if (given === undefined || given === null) return ''
  if (typeof given === 'string') return given
  throw badSchedule(field, given, field === 'callback' ? 'is no text; write the name of a method' : "is no text; write a duration ('10s', 'PT10S')")
}

function momentOf(text: string, field: string, base: number): number {
  return looksLikeInstant(text) ? parseInstant(text, field) : later(base, parsePeriod(text, field), field, text)
}

function later(base: number, { months, days, ms }: { months: number; days: number; ms: number }, field: string, given: string): number {
  const at = addPeriod(base, { months, days, ms }, 1, zoneOf('UTC'))
  if (at > LONGEST_MS) throw badSchedule(field, given, 'reaches beyond the year 9999; write a shorter time')
  return at
}
