/** Reads the schedule of a timer: strictly, by the rules and in the words of reminders (reminders/schedule-fields.ts). Pure. */
import { TroupeError } from '../../core/errors.ts'
import { badSchedule } from '../../reminders/bad-schedule.ts'
import { DAY_MS } from '../../reminders/calendar.ts'
import { readFields, readPeriod } from '../../reminders/schedule-fields.ts'

export interface ReadTimerSchedule {
  /** From now to the first tick. */
  readonly firstMs: number
  /** Undefined: one tick. */
  readonly everyMs: number | undefined
  readonly times: number
  /** From now to the time after which no tick is due; Infinity: it has no end. */
  readonly untilMs: number
  readonly keepAlive: boolean
}

const kinds = { timer: ['first', 'every', 'times', 'until', 'keepAlive'] }

/** @throws BAD_SCHEDULE naming the field, the value and the remedy */
export function readTimerSchedule(given: unknown): ReadTimerSchedule {
  try {
    return read(given)
  } catch (error) {
    if (!TroupeError.is(error, 'BAD_SCHEDULE')) throw error
    // The readers of fields speak of a reminder's schedule, and name the whole of this one again.
    const message = error.message.replace(/^schedule: (?:timer )?/, 'timer: ').replace("is no field of 'timer'", 'is no field of its schedule')
    throw new TroupeError('BAD_SCHEDULE', message, { data: error.data, cause: error })
  }
}

function read(given: unknown): ReadTimerSchedule {
  const { first, every, times, until, keepAlive } = readFields(given, kinds, 'timer').fields
  if (first === undefined && every === undefined) throw badSchedule('timer', given, "has neither 'first' nor 'every'; write { every: '10s' } or { first: '10s' }")
  const everyMs = every === undefined ? undefined : lengthMs(every, 'every')
  if (everyMs === 0) throw badSchedule('every', every, 'is too short; 1 ms is the least')
  if (times !== undefined && !(Number.isSafeInteger(times) && Number(times) >= 1)) throw badSchedule('times', times, 'is no number of ticks; write a whole number from 1 up')
  if (Number(times) > 1 && everyMs === undefined) throw badSchedule('times', times, "needs 'every': without it there is one tick")
  if (keepAlive !== undefined && typeof keepAlive !== 'boolean') throw badSchedule('keepAlive', keepAlive, 'is neither true nor false')
  const firstMs = first === undefined ? everyMs! : lengthMs(first, 'first')
  const untilMs = until === undefined ? Infinity : lengthMs(until, 'until')
  if (untilMs < firstMs) throw badSchedule('until', until, 'ends before the first tick; write a longer time')
  return {
    firstMs, everyMs, untilMs,
    times: everyMs === undefined ? 1 : (times as number | undefined) ?? Infinity, keepAlive: keepAlive ?? false,
  }
}

/** Time of the clock alone: a day is 24 hours. */
function lengthMs(given: unknown, field: string): number {
  const { months, days, ms } = readPeriod(given, field)
  if (months > 0) throw badSchedule(field, given, 'has months or years, which only reminders know; write days or less')
  return days * DAY_MS + ms
}
