/**
 * The one way a schedule is refused: BAD_SCHEDULE that names the field, shows the value and says what to write instead.
 *
 * The value comes from anybody, so showing it can neither throw nor run code of its own, and is cut to a line.
 */
import { TroupeError } from '../core/errors.ts'

const SHOWN_CHARACTERS = 80

/** `value` for a message: short, and safe for whatever it is. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string': return value.length > SHOWN_CHARACTERS
      ? `${JSON.stringify(value.slice(0, SHOWN_CHARACTERS))}… (${value.length} characters)`
      : JSON.stringify(value)
    case 'bigint': return value > -1_000_000_000_000n && value < 1_000_000_000_000n ? `${value}n` : 'a bigint'
    case 'symbol': return 'a symbol'
    case 'function': return 'a function'
    case 'object': return value === null ? 'null' : isArray(value) ? 'an array' : 'an object'
    default: return Object.is(value, -0) ? '-0' : String(value)
  }
}

function isArray(value: object): boolean {
  try {
    return Array.isArray(value)
  } catch {
    // A proxy whose target is gone answers nothing.
    return false
  }
}

/**
 * @param field empty for the schedule as a whole
 * @param problem what is wrong and what to write, e.g. `has no offset; write …`
 */
export const badSchedule = (field: string, value: unknown, problem: string): TroupeError =>
  new TroupeError('BAD_SCHEDULE', `schedule: ${field === '' ? '' : `${field} `}${shown(value)} ${problem}`, { data: { field } })

/** Where there is no value to show: what is missing, and what to write. */
export const noSchedule = (field: string, problem: string): TroupeError => new TroupeError('BAD_SCHEDULE', `schedule: ${problem}`, { data: { field } })
