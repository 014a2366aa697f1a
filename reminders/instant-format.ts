/**
 * Instants as text: RFC 3339, read strictly. A day that does not exist is refused, not moved into the next month, and
 * a time without an offset is refused, since it would mean something else on every machine.
 */
import { badSchedule } from './bad-schedule.ts'
import { LONGEST_MS } from './duration-formats.ts'

const shape = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$/
const EXAMPLE = "write RFC 3339 with an offset, as '2026-03-01T09:00:00+01:00'"

/** True for text that means an instant, right or wrong, and no length of time. */
export const looksLikeInstant = (text: string): boolean => text.includes(':') || /^[+-]?\d+-/.test(text)

/** 1 to 12 → days. */
export function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/**
 * Milliseconds since the epoch. Digits below the millisecond are rounded up: never early.
 * @throws BAD_SCHEDULE for anything but an existing instant from 1970 to 9999
 */
export function parseInstant(text: string, field: string): number {
  const parts = text.length > 64 ? null : shape.exec(text)
  if (parts === null) {
    if (/^[+-]?\d{5,}-/.test(text)) throw badSchedule(field, text, 'lies beyond the year 9999; write a year from 1970 to 9999')
    if (/^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?$/.test(text)) throw badSchedule(field, text, `has no offset; ${EXAMPLE}`)
    throw badSchedule(field, text, `is no instant; ${EXAMPLE}`)
  }
  type Six = [number, number, number, number, number, number]
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as Six
  const wrong = (problem: string): Error => badSchedule(field, text, `${problem}; ${EXAMPLE}`)
  if (month < 1 || month > 12) throw wrong(`has month ${month}, there are 12`)
  if (day < 1 || day > daysInMonth(year, month)) throw wrong(`has a day that does not exist: month ${month} of ${year} has ${daysInMonth(year, month)}`)
  if (hour > 23) throw wrong(`has hour ${hour}, the last is 23`)
  if (minute > 59) throw wrong(`has minute ${minute}, the last is 59`)
  if (second > 59) throw wrong(second === 60 ? 'is a leap second, which Unix time does not have' : `has second ${second}, the last is 59`)
  const fraction = parts[7] ?? ''
  const ms = Number(fraction.slice(0, 3).padEnd(3, '0')) + (/[1-9]/.test(fraction.slice(3)) ? 1 : 0)
  return checkInstant(Date.UTC(year, month - 1, day, hour, minute, second) + ms - offsetMs(parts[8]!, text, field), text, field)
}

/** @throws BAD_SCHEDULE when `at` is no whole millisecond from 1970 to 9999 */
export function checkInstant(at: number, given: unknown, field: string): number {
  if (!Number.isFinite(at)) throw badSchedule(field, given, `is no instant; give a Date, milliseconds since 1970, or ${EXAMPLE}`)
  if (at < 0 || at > LONGEST_MS) throw badSchedule(field, given, `lies outside the years 1970 to 9999; ${EXAMPLE}`)
  if (!Number.isInteger(at)) throw badSchedule(field, given, 'has a fraction of a millisecond; give whole milliseconds')
  return at === 0 ? 0 : at
}

function offsetMs(offset: string, text: string, field: string): number {
  if (offset === 'Z' || offset === 'z') return 0
  const hours = Number(offset.slice(1, 3))
  const minutes = Number(offset.slice(4, 6))
  if (hours > 23 || minutes > 59) throw badSchedule(field, text, `has the offset ${offset}, which does not exist; ${EXAMPLE}`)
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000
}
