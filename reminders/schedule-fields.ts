/**
 * The fields of a schedule as they come from anybody: read once, own properties only, each turned into a number or refused.
 *
 * Getters and proxies are other people's code: what they throw becomes BAD_SCHEDULE, and no value is read twice, so that
 * what was checked is what is used.
 */
import { isDate } from 'node:util/types'
import { TroupeError } from '../core/errors.ts'
import { badSchedule } from './bad-schedule.ts'
import { LONGEST_MS, LONGEST_TEXT, parsePeriod } from './duration-formats.ts'
import { checkInstant, looksLikeInstant, parseInstant } from './instant-format.ts'
import type { StoredPeriod } from './schedule.ts'

export type Fields = Readonly<Record<string, unknown>>

/**
 * The own fields of `given` that are not undefined, and which of `kinds` it is: the one whose key it has.
 * @throws BAD_SCHEDULE when it is no object, is of no kind or of two, or has a key that its kind does not know
 */
export function readFields<K extends string>(
  given: unknown, kinds: Readonly<Record<K, readonly string[]>>, within?: K,
): { kind: K; fields: Fields } {
  const what = within ?? ''
  const names = Object.keys(kinds) as K[]
  const kindOf = within === undefined ? 'is no schedule' : 'is no object'
  const oneOf = within === undefined
    ? `write an object with one of ${names.map(name => `'${name}'`).join(', ')}`
    : `write an object with ${kinds[within].map(name => `'${name}'`).join(', ')}`
  if (typeof given !== 'object' || given === null || isDate(given)) throw badSchedule(what, given, `${kindOf}; ${oneOf}`)
  const fields = Object.create(null) as Record<string, unknown>
  try {
    if (Array.isArray(given)) throw badSchedule(what, given, `${kindOf}; ${oneOf}`)
    for (const key of Object.keys(given)) {
      const value = (given as Fields)[key]
      if (value !== undefined) fields[key] = value
    }
  } catch (error) {
    if (TroupeError.is(error, 'BAD_SCHEDULE')) throw error
    throw badSchedule(what, 'the object', `cannot be read: a property throws; ${oneOf}`)
  }
  const present = within === undefined ? names.filter(name => name in fields) : [within]
  const kind = present[0]
  if (kind === undefined) throw badSchedule(what, given, `says no time; ${oneOf}`)
  if (present.length > 1) throw badSchedule(present[1]!, fields[present[1]!], `is given beside '${kind}'; write one of the two`)
  const unknown = Object.keys(fields).find(key => !kinds[kind].includes(key))
  if (unknown !== undefined) throw badSchedule(what, unknown, `is no field of '${kind}'; it has ${kinds[kind].join(', ')}`)
  return { kind, fields }
}

/** A Date, RFC 3339 text, or milliseconds since the epoch. */
export function readInstant(given: unknown, field: string): number {
  if (typeof given === 'string') return parseInstant(given, field)
  const at = isDate(given) ? Date.prototype.getTime.call(given) : given
  if (typeof at !== 'number') {
    throw badSchedule(field, given, "is no instant; give a Date, RFC 3339 text ('2026-03-01T09:00:00Z') or milliseconds since 1970")
  }
  if (isDate(given) && Number.isNaN(at)) throw badSchedule(field, at, 'is an invalid Date; give one that exists')
  return checkInstant(at, at, field)
}

/** A length of time: milliseconds, or text. */
export function readPeriod(given: unknown, field: string): StoredPeriod {
  if (typeof given === 'string') {
    const { months, days, ms, whole } = parsePeriod(given, field)
    if (!whole) throw badSchedule(field, given, "has a fraction of a millisecond; write whole milliseconds, as '2ms'")
    return { months, days, ms }
  }
  if (typeof given !== 'number') {
    throw badSchedule(field, given, "is no length of time; write '1h30m', 'PT30S', 'P1D' or a number of milliseconds")
  }
  if (!Number.isFinite(given)) throw badSchedule(field, given, 'is no length of time; write a finite number of milliseconds')
  if (given < 0) throw badSchedule(field, given, 'is negative; a length of time is 0 or more')
  if (!Number.isInteger(given)) throw badSchedule(field, given, 'has a fraction of a millisecond; write whole milliseconds')
  if (given > LONGEST_MS) throw badSchedule(field, given, 'reaches beyond the year 9999; write a shorter time')
  return { months: 0, days: 0, ms: given === 0 ? 0 : given }
}

/** An instant (Date, text with a date) as milliseconds, or a length of time. */
export function readMoment(given: unknown, field: string): number | StoredPeriod {
  if (isDate(given) || typeof given === 'string' && looksLikeInstant(given)) return readInstant(given, field)
  return readPeriod(given, field)
}

/** Takes `R5/` off a period: 5 times; `R/` is without limit. `times` may be 0: whether that is legal is the caller's. */
export function splitRepeats(given: string, field: string): { period: string; times?: number } {
  if (given.length > LONGEST_TEXT) throw badSchedule(field, given, "is too long; write 'R5/PT10S', 'PT10S' or '10s'")
  const repeats = /^R(\d*)\/(.*)$/s.exec(given)
  if (repeats === null) return { period: given }
  const period = repeats[2]!
  if (repeats[1] === '') return { period }
  const times = Number(repeats[1])
  if (!Number.isSafeInteger(times)) throw badSchedule(field, given, 'repeats more often than can be counted; leave out the number')
  return { period, times }
}

/** As `splitRepeats`, for authors: 0 times is refused. */
export function readRepeats(given: string, field: string): { period: string; times?: number } {
  const split = splitRepeats(given, field)
  if (split.times === 0) throw badSchedule(field, given, "has zero repetitions; write 'R1/' for one, or no 'R' for no limit")
  return split
}
