/** Schedules and times as people read them in a table. */
import type { Instant, ReminderSchedule } from '../actors/actor-reminders.ts'
import { goDuration } from '../gateway/reminder-document.ts'

/** `every 1h0m0s from 2026-03-01T08:00:00Z, 5 times`. */
export function scheduleText(schedule: ReminderSchedule): string {
  const { times, until } = { times: undefined, until: undefined, ...schedule }
  return [
    whenText(schedule),
    ...(times === undefined ? [] : [times === 1 ? 'once' : `${times} times`]),
    ...(until === undefined ? [] : [`until ${instantText(until)}`]),
  ].join(', ')
}

function whenText(schedule: ReminderSchedule): string {
  if ('at' in schedule) return `at ${instantText(schedule.at)}`
  if ('in' in schedule) return `in ${lengthText(schedule.in)}`
  const zone = schedule.tz === undefined || schedule.tz === 'UTC' ? '' : ` (${schedule.tz})`
  if ('cron' in schedule) return `cron ${schedule.cron}${zone}`
  const from = schedule.first === undefined ? '' : ` from ${instantText(schedule.first)}`
  return `every ${lengthText(schedule.every)}${from}${zone}`
}

const lengthText = (length: number | string): string => (typeof length === 'number' ? goDuration(length) : length)

/** RFC 3339 without a fraction of a second where there is none. */
export const instantText = (instant: Instant): string =>
  (typeof instant === 'string' ? instant : new Date(instant).toISOString()).replace('.000Z', 'Z')

/** An error's text in a cell: one line, not too long. */
export const errorText = (text: string): string => {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 120 ? `${line.slice(0, 119)}…` : line
}
