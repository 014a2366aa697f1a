/**
 * Cron expressions: five fields, or six with seconds first, read by `node-cron` and compiled to bit masks.
 *
 * `node-cron` checks the fields and expands names, ranges, steps and its extensions (`L` last day of the month, `L-3`, `15W`
 * nearest weekday, `5#2` second Friday, `5L` last Friday, `@daily` and its like). Its own search for the next time is not
 * used: it hangs on a scheduler that reads the system clock, and it has no rule for times that do not exist.
 *
 * Day of the month and day of the week, as in Vixie's cron: when both are restricted, a day that matches **either** runs
 * (`0 0 13 * 5` is each 13th and each Friday); a field that begins with `*`, or is `?`, is not a restriction. (`node-cron`
 * itself wants both to match.)
 */
import { parse } from 'node-cron'
import { badSchedule, shown } from './bad-schedule.ts'
import { LONGEST_TEXT } from './duration-formats.ts'
import { daysInMonth } from './instant-format.ts'

/** An expression ready for searching: the allowed values in ascending order, days as a mask a month. */
export interface Cron {
  readonly seconds: readonly number[]
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  /** Index 1 to 12. */
  readonly months: readonly boolean[]
  /** The hour field begins with `*`: the schedule follows real time through changes of the clock. */
  readonly everyHour: boolean
  /** Bit d is set when day d of that month matches. */
  daysOf(year: number, month: number): number
}

const FIELDS = "write five fields 'minute hour day month weekday', or six with seconds first"
const WORDS = '@yearly, @annually, @monthly, @weekly, @daily, @midnight or @hourly'
const FORMS = "'*', a number, a range '1-5', a list '1,3' or a step '*/2'"

/** By the name that `node-cron` gives a field: ours, and what it may hold. */
const holds: Readonly<Record<string, readonly [name: string, values: string]>> = {
  second: ['second', '0 to 59'], minute: ['minute', '0 to 59'], hour: ['hour', '0 to 23'],
  'day of month': ['day of month', "1 to 31, 'L', 'L-3' or '15W'"], month: ['month', '1 to 12 or JAN to DEC'],
  'week day': ['weekday', "0 to 7 (0 and 7 are Sunday), SUN to SAT, '5#2' or '5L'"],
}

/** Numbers of more than two digits would make the library count to them; `5*` it would read as `50-59`. */
const strayNumber = /\d{3}|\d\*/

/** Parsing costs tens of microseconds and its result never changes: a bounded memory of expressions in use, oldest out first. */
const compiled = new Map<string, Cron>()
const MOST_COMPILED = 1024

/** @throws BAD_SCHEDULE when it is no expression, or one that can never match */
export function cronOf(expression: string): Cron {
  const known = compiled.get(expression)
  if (known !== undefined) return known
  const cron = compile(expression)
  if (compiled.size >= MOST_COMPILED) compiled.delete(compiled.keys().next().value!)
  compiled.set(expression, cron)
  return cron
}

function compile(expression: string): Cron {
  const refuse = (problem: string): Error => badSchedule('cron', expression, problem)
  if (expression.length > LONGEST_TEXT) throw refuse(`is too long; ${FIELDS} of at most ${LONGEST_TEXT} characters`)
  if (/\bTZ\s*=/i.test(expression) || /^\s*CRON_TZ/i.test(expression)) {
    throw refuse("sets a time zone; write it beside the expression, as { cron: '0 9 * * *', tz: 'Europe/Berlin' }")
  }
  const stray = strayNumber.exec(expression)
  if (stray !== null) throw refuse(`has ${shown(stray[0])}, which no field allows; ${FIELDS}`)
  let fields: ReturnType<typeof parse>
  try {
    fields = parse(expression)
  } catch (error) {
    throw refuse(problemOf(expression, (error as Error).message))
  }
  const nickname = expression.trim().startsWith('@')
  const words = expression.trim().split(/\s+/)
  const [hourWord, dayWord, , weekdayWord] = words.length === 6 ? words.slice(2) : words.slice(1)
  const open = (word: string | undefined): boolean => word!.startsWith('*') || word === '?'
  const months = monthsOf(fields)
  const cron: Cron = {
    seconds: ascending(fields.second),
    minutes: ascending(fields.minute),
    hours: ascending(fields.hour),
    months,
    everyHour: nickname ? fields.hour.length === 24 : hourWord!.startsWith('*'),
    // `@monthly` and `@yearly` have a day, `@weekly` a weekday, none has both.
    daysOf: dayMasks(fields.dayOfMonth, fields.dayOfWeek, !nickname && !open(dayWord) && !open(weekdayWord)),
  }
  if (!everMatches(cron)) throw refuse(neverMatches(cron.months))
  return cron
}

/** What `node-cron` found, in our words; what it says otherwise is not passed on. */
function problemOf(expression: string, found: string): string {
  const words = expression.trim().split(/\s+/)
  if (/^@every$/i.test(words[0]!)) return "is no expression; for a period leave out cron and write every, as { every: '90s' }"
  if (words[0]!.startsWith('@')) return `is no word that exists; write ${WORDS}, or five fields 'minute hour day month weekday'`
  const [, given, field] = /^(.*) is a invalid expression for (.*)$/.exec(found) ?? []
  const known = field === undefined ? undefined : holds[field]
  if (known !== undefined) return `has ${shown(given)} for its ${known[0]}: ${known[0]} must be ${known[1]}; write ${FORMS}`
  // Each month has a first day: with it the rest can be read.
  if (/impossible day/.test(found)) return neverMatches(monthsOf(parse(words.with(-3, '1').join(' '))))
  const count = words[0] === '' ? 0 : words.length
  if (count < 5 || count > 6) return `has ${count} field${count === 1 ? '' : 's'}; ${FIELDS}`
  return `has a character that no field allows; ${FIELDS}, separated by blanks`
}

const monthsOf = ({ month }: ReturnType<typeof parse>): boolean[] => Array.from({ length: 13 }, (_, number) => month.includes(number))

/** A leap year has all days that there are. */
function neverMatches(months: readonly boolean[]): string {
  const longest = Math.max(...months.flatMap((chosen, month) => chosen ? [daysInMonth(2000, month)] : []))
  return `can never match: its months have no such day; write a day from 1 to ${longest}, or 'L' for the last one`
}

const ascending = (values: readonly number[]): number[] => [...new Set(values)].sort((a, b) => a - b)

type DayToken = number | string

function dayMasks(days: readonly DayToken[], weekdays: readonly DayToken[], either: boolean): Cron['daysOf'] {
  let plainDays = 0
  for (const day of days) if (typeof day === 'number') plainDays |= 1 << day
  const dayRules = days.filter(day => typeof day === 'string')
  const weekdayRules = weekdays.filter(weekday => typeof weekday === 'string')
  const plainWeekdays = weekdays.filter(weekday => typeof weekday === 'number')
  return (year, month) => {
    const last = daysInMonth(year, month)
    const weekdayOfFirst = new Date(Date.UTC(year, month - 1, 1)).getUTCDay()
    const existing = 2 ** (last + 1) - 2
    let byDay = plainDays
    for (const rule of dayRules) byDay |= maskOfDayRule(rule, last, weekdayOfFirst)
    let byWeekday = 0
    for (const weekday of plainWeekdays) byWeekday |= WEEKLY << (weekday - weekdayOfFirst + 7) % 7
    for (const rule of weekdayRules) byWeekday |= maskOfWeekdayRule(rule, last, weekdayOfFirst)
    return (either ? byDay | byWeekday : byDay & byWeekday) & existing
  }
}

/** Days 1, 8, 15, 22 and 29. */
const WEEKLY = 1 << 1 | 1 << 8 | 1 << 15 | 1 << 22 | 1 << 29

/** `L`, `L-n`, `nW`, `LW`. */
function maskOfDayRule(rule: string, last: number, weekdayOfFirst: number): number {
  if (rule === 'L') return 1 << last
  if (rule.startsWith('L-')) return last > Number(rule.slice(2)) ? 1 << last - Number(rule.slice(2)) : 0
  const day = rule === 'LW' ? last : Number(rule.slice(0, -1))
  if (day > last) return 0
  const weekday = (weekdayOfFirst + day - 1) % 7
  // The nearest weekday does not leave the month.
  if (weekday === 6) return 1 << (day === 1 ? 3 : day - 1)
  if (weekday === 0) return 1 << (day === last ? day - 2 : day + 1)
  return 1 << day
}

/** `5#2`: the second Friday; `5L`: the last one. */
function maskOfWeekdayRule(rule: string, last: number, weekdayOfFirst: number): number {
  const first = 1 + (Number(rule[0]) % 7 - weekdayOfFirst + 7) % 7
  const day = rule[1] === '#' ? first + (Number(rule[2]) - 1) * 7 : first + Math.floor((last - first) / 7) * 7
  return day > last ? 0 : 1 << day
}

/** The calendar repeats after 400 years: what has no day in them has none. */
function everMatches(cron: Cron): boolean {
  for (let year = 2000; year < 2400; year++) {
    for (let month = 1; month <= 12; month++) if (cron.months[month] === true && cron.daysOf(year, month) !== 0) return true
  }
  return false
}
