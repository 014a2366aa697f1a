/**
 * Schedules done the slow, obvious way: look at the clock on the wall minute by minute (or second by second), as `Intl` shows it.
 *
 * One idea gives all rules of clock changes: remember the latest reading seen so far. Readings up to it have had their turn; when
 * the clock shows a later one, everything between the two is due now. So what a gap leaves out is due right after it, and
 * what a repeated hour shows again is not due again.
 */

/** `YYYY-MM-DD hh:mm:ss` of the wall as the milliseconds UTC would have at that reading. */
export function wallOf(zone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
  })
  return at => {
    const [month, day, year, hour, minute, second] = format.format(at).split(/\D+/).map(Number)
    return Date.UTC(year!, month! - 1, day, hour, minute, second)
  }
}

/** A stretch of time in a zone, looked at once every `step` milliseconds. */
export interface Stretch {
  readonly zone: string
  readonly start: number
  readonly end: number
  readonly step: number
  readonly walls: readonly number[]
}

export function stretch(zone: string, around: string, hoursBefore: number, hoursAfter: number, step: number): Stretch {
  const start = Date.parse(around) - hoursBefore * 3_600_000
  const end = Date.parse(around) + hoursAfter * 3_600_000
  const wall = wallOf(zone)
  return { zone, start, end, step, walls: Array.from({ length: (end - start) / step + 1 }, (_, i) => wall(start + i * step)) }
}

/** What a cron schedule should do in a stretch: the instants after its start at which it is due. */
export function dueByModel(s: Stretch, matches: (wall: Date) => boolean, realTime: boolean): number[] {
  const due: number[] = []
  let latest = s.walls[0]!
  for (let i = 1; i < s.walls.length; i++) {
    const wall = s.walls[i]!
    let run = false
    if (realTime) run = matches(new Date(wall))
    else for (let reading = latest + s.step; reading <= wall && !run; reading += s.step) run = matches(new Date(reading))
    latest = Math.max(latest, wall)
    if (run) due.push(s.start + i * s.step)
  }
  return due
}

/** The first instant at which the wall shows `reading` or, never having shown it, a later one; looked for minute by minute. */
export function instantByModel(zone: string, reading: number): number {
  const wall = wallOf(zone)
  // No zone is further than 14 hours from UTC, so the wall shows an earlier reading then. Half hours first, to be quick.
  let at = reading - 15 * 3_600_000
  while (wall(at + 1_800_000) < reading) at += 1_800_000
  while (wall(at) < reading) at += 60_000
  return at
}

/** Readings of `first` + n periods, n = 0, 1, …; each from `first`, day by day back where a month is too short. */
export function periodsByModel(zone: string, first: number, months: number, days: number, ms: number, count: number): number[] {
  const start = new Date(wallOf(zone)(first))
  return Array.from({ length: count }, (_, n) => {
    if (n === 0) return first
    const month = start.getUTCMonth() + n * months
    const monthStart = new Date(Date.UTC(start.getUTCFullYear(), month, 1))
    let day = start.getUTCDate()
    while (new Date(Date.UTC(monthStart.getUTCFullYear(), monthStart.getUTCMonth(), day)).getUTCMonth() !== monthStart.getUTCMonth()) day--
    const reading = Date.UTC(monthStart.getUTCFullYear(), monthStart.getUTCMonth(), day + n * days, start.getUTCHours(), start.getUTCMinutes())
    return instantByModel(zone, reading) + n * ms
  })
}

/** Changes of clocks that are hard in different ways. */
export const changes: readonly (readonly [zone: string, around: string])[] = [
  ['UTC', '2028-02-29T00:00Z'],
  ['Asia/Kolkata', '2026-12-31T18:30Z'],
  ['Europe/Berlin', '2026-03-29T01:00Z'],
  ['Europe/Berlin', '2026-10-25T01:00Z'],
  ['America/New_York', '2026-03-08T07:00Z'],
  ['America/New_York', '2026-11-01T06:00Z'],
  // Half an hour.
  ['Australia/Lord_Howe', '2026-04-04T15:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T15:30Z'],
  // A day that never was.
  ['Pacific/Apia', '2011-12-30T10:00Z'],
  // Ramadan: winter time in between.
  ['Africa/Casablanca', '2026-02-15T02:00Z'],
  ['Africa/Casablanca', '2026-03-22T02:00Z'],
  // At midnight: a day without its first hour, a day with its last one twice.
  ['America/Sao_Paulo', '2018-11-04T03:00Z'],
  ['America/Sao_Paulo', '2018-02-18T02:00Z'],
  // Midnight twice.
  ['America/Havana', '2026-11-01T05:00Z'],
]
