/**
 * Local time: what a clock on the wall shows in a zone of the IANA database, and when it shows it.
 *
 * A local time is kept as the number of milliseconds that UTC would have at the same reading (`2026-03-29 02:30` in Berlin
 * is `Date.UTC(2026, 2, 29, 2, 30)`), so that calendar arithmetic is plain arithmetic. Where clocks are set forward there
 * are readings that never happen, where they are set back readings that happen twice. One rule for both, everywhere in
 * Troupe: **a reading that does not exist means the first instant after the gap, one that exists twice means the first**.
 * So the mapping from local time to instants never goes backwards, and schedules that follow it stay in order.
 *
 * Two changes of a zone's offset within two days of each other would be missed; no zone has had that since 1970.
 */
import { badSchedule } from './bad-schedule.ts'
import { LONGEST_TEXT } from './duration-formats.ts'
import { daysInMonth } from './instant-format.ts'

export const DAY_MS = 86_400_000

export class Zone {
  readonly name: string
  /** Undefined: UTC. */
  readonly #format: Intl.DateTimeFormat | undefined

  /** @throws RangeError when the zone is unknown */
  constructor(name: string) {
    this.name = name
    const format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' })
    this.#format = format.resolvedOptions().timeZone === 'UTC' ? undefined : format
  }

  /** Local time minus UTC at the instant `at`, in milliseconds. */
  offsetAt(at: number): number {
    if (this.#format === undefined) return 0
    // "3/29/2026, GMT+01:00", or "GMT" alone, or with seconds ("GMT-00:44:30", Monrovia until 1972).
    const text = this.#format.format(at)
    const from = text.indexOf('GMT', 8) + 3
    if (from === text.length) return 0
    const seconds = text.length > from + 6 ? Number(text.slice(from + 7)) : 0
    const size = (Number(text.slice(from + 1, from + 3)) * 60 + Number(text.slice(from + 4, from + 6))) * 60_000 + seconds * 1000
    return text.charCodeAt(from) === 43 ? size : -size
  }

  localAt(at: number): number {
    return at + this.offsetAt(at)
  }

  /** The first instant at which the local time is `local`; when it never is, the first instant after the gap. */
  instantOf(local: number): number {
    if (this.#format === undefined) return local
    const before = this.offsetAt(local - DAY_MS)
    const after = this.offsetAt(local + DAY_MS)
    // The larger offset gives the earlier instant: the first of two.
    const early = local - Math.max(before, after)
    if (this.offsetAt(early) === local - early) return early
    const late = local - Math.min(before, after)
    if (this.offsetAt(late) === local - late) return late
    return this.changeWithin(early, late)
  }

  /** The first instant in (from, to] that has the offset of `to`, given that `from` has another one. */
  changeWithin(from: number, to: number): number {
    const target = this.offsetAt(to)
    let low = from
    let high = to
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (this.offsetAt(middle) === target) high = middle
      else low = middle
    }
    return high
  }
}

/** Zones are immutable and dear to make (50 µs): a bounded memory of those in use, oldest out first. */
const zones = new Map<string, Zone>()
const MOST_ZONES = 256

/** @throws BAD_SCHEDULE when this machine's time zone data has no such zone */
export function zoneOf(name: string): Zone {
  const known = zones.get(name)
  if (known !== undefined) return known
  let zone: Zone
  try {
    if (name.length > LONGEST_TEXT) throw new RangeError('too long')
    zone = new Zone(name)
  } catch {
    throw badSchedule('tz', name, "is no known time zone; write an IANA name, as 'Europe/Berlin' or 'UTC'")
  }
  if (zones.size >= MOST_ZONES) zones.delete(zones.keys().next().value!)
  zones.set(name, zone)
  return zone
}

/** `local` plus months: the same day of the month, or the last one where the month is shorter. */
export function addMonths(local: number, months: number): number {
  if (months === 0) return local
  const date = new Date(local)
  const month = date.getUTCFullYear() * 12 + date.getUTCMonth() + months
  const year = Math.floor(month / 12)
  const day = Math.min(date.getUTCDate(), daysInMonth(year, month % 12 + 1))
  const timeOfDay = ((local % DAY_MS) + DAY_MS) % DAY_MS
  return Date.UTC(year, month % 12, day) + timeOfDay
}
