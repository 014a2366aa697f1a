/**
 * A reminder as the Dapr API shows it, with Troupe's own fields beside where they are wanted.
 *
 * Of one that was set in Dapr's fields, `dueTime` is shown as it was written. Otherwise Troupe keeps what a schedule means:
 * `dueTime` and `ttl` are instants, `period` is `@every` with a Go duration, an ISO 8601 duration where days and months are
 * those of the calendar, or a cron expression. Data that came as JSON text is shown as that text.
 */
import type { Instant, ReminderInfo } from '../actors/actor-reminders.ts'
import type { ActorKey } from '../core/ids.ts'
import { parsePeriod } from '../reminders/duration-formats.ts'
import { jsonText } from '../actors/json-values.ts'

/** Dapr's fields; absent ones are left out. */
export interface DaprReminder {
  readonly dueTime?: string
  readonly period?: string
  readonly ttl?: string
  readonly data?: unknown
}

/** Whether a door shows it: strictly, what has failed for good is gone. */
export const isShown = ({ dead }: ReminderInfo, strict: boolean): boolean => !strict || dead === undefined

export function daprFieldsOf(info: ReminderInfo): DaprReminder {
  const { method, args } = info
  return { ...timesOf(info), ...(method === undefined && args.length > 0 ? { data: args[0] } : {}) }
}

function timesOf({ schedule, written }: ReminderInfo): Omit<DaprReminder, 'data'> {
  return {
    ...dueTimeOf(schedule, written),
    ...('every' in schedule ? { period: periodText(schedule.every) } : {}),
    ...('cron' in schedule ? { period: schedule.cron } : {}),
    ...('until' in schedule && schedule.until !== undefined ? { ttl: instantText(schedule.until) } : {}),
  }
}

function dueTimeOf(schedule: ReminderInfo['schedule'], written: ReminderInfo['written']): { dueTime?: string } {
  if (written !== undefined) return written.dueTime === '' ? {} : { dueTime: written.dueTime }
  if ('at' in schedule) return { dueTime: instantText(schedule.at as Instant) }
  return 'first' in schedule && schedule.first !== undefined ? { dueTime: instantText(schedule.first) } : {}
}

/** `GET …/reminders/NAME` as JSON text; `strict`: Dapr's fields alone. */
export function reminderDocument({ type, id }: ActorKey, info: ReminderInfo, strict: boolean): string {
  const data = dataText(info)
  const head = jsonText({ actorID: id, actorType: type })
  return joined(head, data === undefined ? '{}' : `{"data":${data}}`, jsonText(timesOf(info)), strict ? '{}' : jsonText(ownFields(info)))
}

/** One entry of `GET …/reminders` as JSON text. */
export function namedReminder({ type, id }: ActorKey, info: ReminderInfo, strict: boolean): string {
  const data = dataText(info)
  const head = jsonText({ name: info.name, actorType: type, actorID: id, ...timesOf(info) })
  return joined(head, data === undefined ? '{}' : `{"data":${data}}`, strict ? '{}' : jsonText(ownFields(info)))
}

/** What the hook gets, as JSON text; undefined: no data, or a method with its arguments. */
const dataText = ({ method, args, json }: ReminderInfo): string | undefined =>
  json ?? (method === undefined && args.length > 0 ? jsonText(args[0]) : undefined)

/** One JSON object of the members of several. */
export function joined(...objects: readonly string[]): string {
  return `{${objects.filter(object => object !== '{}').map(object => object.slice(1, -1)).join(',')}}`
}

const ownFields = ({ schedule, method, args, due, count, failures, dead }: ReminderInfo): object => ({
  schedule,
  ...(method === undefined ? {} : { method, args }),
  ...(due === undefined ? {} : { due }),
  count,
  failures,
  ...(dead === undefined ? {} : { dead }),
})

/** As Go writes it: no fraction of a second where there is none. */
export const instantText = (instant: Instant): string =>
  (typeof instant === 'string' ? instant : new Date(instant).toISOString()).replace('.000Z', 'Z')

/** As Dapr's Scheduler shows a period. */
export function periodText(every: number | string): string {
  if (typeof every === 'number') return `@every ${goDuration(every)}`
  const { months, days, ms } = parsePeriod(every, 'every')
  return months === 0 && days === 0 ? `@every ${goDuration(ms)}` : every
}

/** Milliseconds as Go prints a duration: `1h0m0s`, `1m30s`, `1.5s`, `250ms`. */
export function goDuration(ms: number): string {
  if (ms === 0) return '0s'
  if (ms < 1000) return `${plainNumber(ms)}ms`
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor(ms / 60_000) % 60
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${plainNumber((ms % 60_000) / 1000)}s`
}

const plainNumber = (value: number): string => String(Number(value.toFixed(9)))
