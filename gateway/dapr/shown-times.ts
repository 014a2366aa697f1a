/** Times as the Dapr API shows them: durations as Go prints them, periods as `@every`, instants without a fraction that is none. */
import { parsePeriod } from '../../reminders/duration-formats.ts'
import { splitRepeats } from '../../reminders/schedule-fields.ts'

/** Milliseconds as Go prints a duration: `1h0m0s`, `1m30s`, `1.5s`, `250ms`. */
export function goDuration(ms: number): string {
  if (ms === 0) return '0s'
  if (ms < 1000) return `${plainNumber(ms)}ms`
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor(ms / 60_000) % 60
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${plainNumber((ms % 60_000) / 1000)}s`
}

const plainNumber = (value: number): string => String(Number(value.toFixed(9)))

/** `@every` and a Go duration; what has days or months of the calendar stays ISO 8601. */
export function periodText(every: number | string): string {
  if (typeof every === 'number') return `@every ${goDuration(every)}`
  const { months, days, ms } = parsePeriod(every, 'every')
  return months === 0 && days === 0 ? `@every ${goDuration(ms)}` : every
}

/** The same for a period as somebody wrote it once, its `R<n>/` left out. Never throws. */
export function shownPeriod(written: string): string {
  try {
    return periodText(splitRepeats(written, 'period').period.replace(/^@every\s+/, ''))
  } catch {
    return written
  }
}

/** RFC 3339. */
export const instantText = (instant: string | number | Date): string =>
  (typeof instant === 'string' ? instant : new Date(instant).toISOString()).replace('.000Z', 'Z')
