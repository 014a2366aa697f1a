/**
 * When a schedule is due next: pure arithmetic, a few microseconds, whatever lies between now and then.
 *
 * - Fixed periods: a division. Calendar periods: the n-th occurrence is `first` + n periods, months and days in the local
 *   time of the zone, then hours and less exactly; n is guessed from the mean length of a period and put right by a step or
 *   two. Everything is counted from `first`, so nothing drifts: January 31st, February 28th, March 31st.
 * - Cron: the next matching reading of the local clock is put together field by field and taken to its instant.
 *
 * Changes of the clock, as in Vixie's cron: a cron time whose **hour is given** runs once on each matching day, at the first
 * instant after the gap when the time does not exist, and the first time when it comes twice. A schedule whose **hour begins
 * with `*`** follows real time: it runs whenever the clock shows a matching time, in both passes of a repeated hour, and not
 * for times that never were. (Vixie looks at the minute for this too: then 'each quarter of hour 2' would lose all its runs on
 * the day that has no 2 o'clock.) Calendar periods follow the first rule.
 */
import { addMonths, DAY_MS, zoneOf, type Zone } from './calendar.ts'
import { cronOf, type Cron } from './cron.ts'
import { LONGEST_MS } from './duration-formats.ts'
import type { Schedule, StoredPeriod } from './schedule.ts'

/** The first occurrence strictly after `afterMs` (start with -Infinity for the first of all); undefined when there is none. Ignores `times`. */
export function nextDue(schedule: Schedule, afterMs: number): number | undefined {
  if (afterMs >= LONGEST_MS) return undefined
  if (schedule.kind === 'once') return schedule.at > afterMs ? schedule.at : undefined
  let next: number | undefined
  if (schedule.kind === 'cron') next = nextMatch(cronOf(schedule.cron), zoneOf(schedule.tz), Math.max(afterMs, schedule.from))
  else if (afterMs < schedule.first) next = schedule.first
  else {
    const fixed = fixedMs(schedule.period, schedule.tz)
    next = fixed !== undefined
      ? schedule.first + (Math.floor((afterMs - schedule.first) / fixed) + 1) * fixed
      : nextOfCalendar(schedule.first, schedule.period, zoneOf(schedule.tz ?? 'UTC'), afterMs)
  }
  return next === undefined || next > (schedule.until ?? LONGEST_MS) || next > LONGEST_MS ? undefined : next
}

/** How many occurrences lie in (afterMs, untilMs], at most `limit`. Constant time for fixed periods, else some microseconds an occurrence. */
export function countDue(schedule: Schedule, afterMs: number, untilMs: number, limit: number): number {
  const fixed = schedule.kind === 'every' ? fixedMs(schedule.period, schedule.tz) : undefined
  const last = Math.min(untilMs, schedule.kind === 'once' ? schedule.at : schedule.until ?? LONGEST_MS)
  if (fixed !== undefined) {
    const next = nextDue(schedule, afterMs)
    return next === undefined || next > last ? 0 : Math.max(0, Math.min(limit, Math.floor((last - next) / fixed) + 1))
  }
  let count = 0
  for (let next = nextDue(schedule, afterMs); count < limit && next !== undefined && next <= last; next = nextDue(schedule, next)) count++
  return count
}

/** `at` + `times` periods. */
export function addPeriod(at: number, period: StoredPeriod, times: number, zone: Zone): number {
  if (period.months === 0 && period.days === 0) return at + period.ms * times
  const local = addMonths(zone.localAt(at), period.months * times) + period.days * times * DAY_MS
  return zone.instantOf(local) + period.ms * times
}

/** The period in milliseconds when it always has the same length; in UTC a day has. */
function fixedMs(period: StoredPeriod, tz: string | undefined): number | undefined {
  if (period.months > 0) return undefined
  if (period.days === 0) return period.ms
  return tz === undefined || tz === 'UTC' ? period.days * DAY_MS + period.ms : undefined
}

const MEAN_MONTH_MS = 400 * 365.2425 / 4800 * DAY_MS

function nextOfCalendar(first: number, period: StoredPeriod, zone: Zone, after: number): number {
  const mean = period.months * MEAN_MONTH_MS + period.days * DAY_MS + period.ms
  // Occurrences come later than the mean by less than half a period (days by a shift of the clock, months by a few days): the one before is over.
  let count = Math.max(1, Math.round((after - first) / mean))
  let due = addPeriod(first, period, count, zone)
  while (due <= after) due = addPeriod(first, period, ++count, zone)
  return due
}

/** The first match strictly after `after`. */
function nextMatch(cron: Cron, zone: Zone, after: number): number | undefined {
  return cron.everyHour ? nextInRealTime(cron, zone, (Math.floor(after / 1000) + 1) * 1000) : nextOfLocalTime(cron, zone, after)
}

/**
 * Readings lead to instants in order, so the first reading that leads beyond `after` is the answer, and none up to the
 * present reading does: what lies in a gap leads to the end of the gap.
 */
function nextOfLocalTime(cron: Cron, zone: Zone, after: number): number | undefined {
  const now = Math.floor(after / 1000) * 1000
  const offset = zone.offsetAt(now)
  for (let local = nextReading(cron, now + offset + 1000); local !== undefined;) {
    const at = zone.instantOf(local)
    if (at > after) return at
    // This is the second pass of a repeated hour: go on where the readings are new again.
    const change = zone.changeWithin(at, local - offset)
    local = nextReading(cron, Math.max(local + 1000, change + zone.offsetAt(change - 1)))
  }
  return undefined
}

/** No shift of a clock, back or forth, is longer (Samoa skipped a day). */
const LONGEST_SHIFT_MS = 26 * 3_600_000

/** Goes through stretches of one offset; in each, readings and instants differ by a constant. */
function nextInRealTime(cron: Cron, zone: Zone, from: number): number | undefined {
  for (;;) {
    const offset = zone.offsetAt(from)
    const local = nextReading(cron, from + offset)
    if (local === undefined) return undefined
    const at = local - offset
    const horizon = Math.min(at, from + LONGEST_SHIFT_MS)
    if (zone.offsetAt(horizon) !== offset) {
      from = zone.changeWithin(from, horizon)
      continue
    }
    if (at === horizon) return at
    // Changes further off repeat no reading before `local`, but may repeat `local` itself, or leave it out.
    const first = zone.instantOf(local)
    if (zone.localAt(first) === local) return first
    from = first
  }
}

/** The first matching reading of a local clock at or after `local` (a whole second); undefined after the year 9999. */
function nextReading(cron: Cron, local: number): number | undefined {
  const date = new Date(local)
  let year = date.getUTCFullYear()
  let month = date.getUTCMonth() + 1
  let day = date.getUTCDate()
  let time = nextTimeOfDay(cron, date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds())
  if (time < 0) day++
  for (const lastYear = Math.min(year + 400, 9999); year <= lastYear; day = 1) {
    // Days from `day` on; `time` belongs to the day of `local` only.
    const days = cron.months[month] === true ? cron.daysOf(year, month) & -(2 ** day) : 0
    if (days !== 0) {
      const found = 31 - Math.clz32(days & -days)
      if (!isDayOf(date, year, month, found)) time = nextTimeOfDay(cron, 0, 0, 0)
      return Date.UTC(year, month - 1, found) + time * 1000
    }
    if (++month > 12) {
      month = 1
      year++
    }
  }
  return undefined
}

const isDayOf = (date: Date, year: number, month: number, day: number): boolean =>
  date.getUTCDate() === day && date.getUTCMonth() + 1 === month && date.getUTCFullYear() === year

/** Seconds since midnight of the first matching time at or after the given one; -1 when the day has no more. */
function nextTimeOfDay(cron: Cron, hour: number, minute: number, second: number): number {
  for (const h of cron.hours) {
    if (h < hour) continue
    if (h > hour) return (h * 60 + cron.minutes[0]!) * 60 + cron.seconds[0]!
    for (const m of cron.minutes) {
      if (m < minute) continue
      if (m > minute) return (h * 60 + m) * 60 + cron.seconds[0]!
      for (const s of cron.seconds) if (s >= second) return (h * 60 + m) * 60 + s
    }
  }
  return -1
}
