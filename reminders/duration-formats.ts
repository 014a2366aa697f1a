/**
 * Lengths of time as text: Go durations (`1h30m`, `1.5s`, `250ms`, `10us`, `5ns`) and ISO 8601 (`PT30S`, `P1M`, `P1DT12H`).
 *
 * What is exact stays exact: sums are taken in whole nanoseconds, and a rest below a millisecond is told, not rounded away.
 * Days, weeks, months and years are kept apart from hours because a day of the calendar is not always 24 hours.
 */
import { badSchedule } from './bad-schedule.ts'

/** Calendar months and days, and exact time. Years are 12 months, weeks 7 days. */
export interface PeriodText {
  readonly months: number
  readonly days: number
  /** Whole milliseconds, rounded up. */
  readonly ms: number
  /** False when `ms` had to be rounded. */
  readonly whole: boolean
}

/** No field of a schedule is longer; a longer text is refused before anything looks at it. */
export const LONGEST_TEXT = 256
/** From 1970 to the end of the year 9999. */
export const LONGEST_MS = 253_402_300_799_999
const LONGEST_DAYS = Math.ceil(LONGEST_MS / 86_400_000)
const LONGEST_MONTHS = 8030 * 12

const goUnits: Readonly<Record<string, bigint>> = {
  ns: 1n, us: 1000n, µs: 1000n, μs: 1000n, ms: 1_000_000n, s: 1_000_000_000n, m: 60_000_000_000n, h: 3_600_000_000_000n,
}
const goShape = /^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/
const isoShape = /^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d+))?S)?)?$/

const FORMS = "write a Go duration ('1h30m', '500ms'), ISO 8601 ('PT30S', 'P1D', 'P1M') or a number of milliseconds"

/** @throws BAD_SCHEDULE when `text` is neither, is negative, or longer than the time until the year 10000 */
export function parsePeriod(text: string, field: string): PeriodText {
  if (text.length > LONGEST_TEXT) throw badSchedule(field, text, `is too long for a duration; ${FORMS}`)
  if (/^-/.test(text) && /\d/.test(text)) throw badSchedule(field, text, 'is negative; a length of time is 0 or more')
  const bare = text.startsWith('+') ? text.slice(1) : text
  if (bare === '0') return { months: 0, days: 0, ms: 0, whole: true }
  if (goShape.test(bare)) return checked(0, 0, goNanos(bare), text, field)
  const iso = bare.length > 1 ? isoShape.exec(bare) : null
  if (iso !== null) {
    const [years, months, weeks, days] = iso.slice(1, 5).map(digits => Number(digits ?? 0)) as [number, number, number, number]
    const nanos = goNanos(`${iso[5] ?? 0}h${iso[6] ?? 0}m${iso[7] ?? 0}.${iso[8] ?? 0}s`)
    return checked(years * 12 + months, weeks * 7 + days, nanos, text, field)
  }
  if (/^\d+(?:\.\d+)?d$/.test(bare)) throw badSchedule(field, text, "has no unit 'd'; write 'P1D' for days of the calendar, '24h' for hours")
  throw badSchedule(field, text, `is no length of time; ${FORMS}`)
}

/** Text such as `P1MT1H` or `PT0.5S`. */
export function formatPeriod(months: number, days: number, ms: number): string {
  const date = (months > 0 ? `${months}M` : '') + (days > 0 ? `${days}D` : '')
  return `P${date}${ms > 0 || date === '' ? `T${ms / 1000}S` : ''}`
}

function goNanos(text: string): bigint {
  let total = 0n
  for (const [, whole, part, unit] of text.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const nanos = goUnits[unit!]!
    // What is below a nanosecond is dropped, as in Go.
    total += BigInt(whole || '0') * nanos + (part === '' ? 0n : BigInt(part!) * nanos / 10n ** BigInt(part!.length))
  }
  return total
}

function checked(months: number, days: number, nanos: bigint, text: string, field: string): PeriodText {
  if (months > LONGEST_MONTHS || days > LONGEST_DAYS || nanos > BigInt(LONGEST_MS) * 1_000_000n) {
    throw badSchedule(field, text, 'reaches beyond the year 9999; write a shorter time')
  }
  const rest = nanos % 1_000_000n
  return { months, days, ms: Number(nanos / 1_000_000n) + (rest > 0n ? 1 : 0), whole: rest === 0n }
}
