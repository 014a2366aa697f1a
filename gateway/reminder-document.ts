/**
 * A reminder as the Dapr API shows it, with Troupe's own fields beside.
 *
 * What was set in Dapr's own fields is shown as it was written, its `ttl` as an instant. Of any other, Troupe keeps what the
 * schedule means: `dueTime` and `ttl` are instants, `period` is `@every` with a Go duration, an ISO 8601 duration where days
 * and months are those of the calendar, or a cron expression.
 */
import type { Instant, ReminderInfo } from '../actors/actor-reminders.ts'
import { instantText, periodText, shownPeriod } from './dapr/shown-times.ts'

export { goDuration } from './dapr/shown-times.ts'

/** Dapr's fields; absent ones are left out. */
export interface DaprReminder {
  readonly dueTime?: string
  readonly period?: string
  readonly ttl?: string
  readonly data?: unknown
}

/** `strict`: periods that were written are shown as Dapr does, as `@every`. */
export function daprFieldsOf({ schedule, method, args, written }: ReminderInfo, strict = false): DaprReminder {
  return {
    ...(written === undefined ? meantTimes(schedule) : writtenTimes(written, strict)),
    ...('until' in schedule && schedule.until !== undefined ? { ttl: instantText(schedule.until) } : {}),
    ...(method === undefined && args.length > 0 ? { data: args[0] } : {}),
  }
}

const writtenTimes = ({ dueTime, period }: NonNullable<ReminderInfo['written']>, strict: boolean): DaprReminder => ({
  ...(dueTime === '' ? {} : { dueTime }),
  ...(period === '' ? {} : { period: strict ? shownPeriod(period) : period }),
})

const meantTimes = (schedule: ReminderInfo['schedule']): DaprReminder => ({
  ...('at' in schedule ? { dueTime: instantText(schedule.at as Instant) } : {}),
  ...('first' in schedule && schedule.first !== undefined ? { dueTime: instantText(schedule.first) } : {}),
  ...('every' in schedule ? { period: periodText(schedule.every) } : {}),
  ...('cron' in schedule ? { period: schedule.cron } : {}),
})

/** `GET …/reminders/NAME`. */
export const reminderDocument = (type: string, id: string, info: ReminderInfo): object => {
  const { data, ...times } = daprFieldsOf(info)
  return { actorID: id, actorType: type, ...(data === undefined ? {} : { data }), ...times, ...ownFields(info) }
}

/** One entry of `GET …/reminders`. */
export const namedReminder = (type: string, id: string, info: ReminderInfo): object =>
  ({ name: info.name, actorType: type, actorID: id, ...daprFieldsOf(info), ...ownFields(info) })

const ownFields = ({ schedule, method, args, due, count, failures, dead }: ReminderInfo): object => ({
  schedule,
  ...(method === undefined ? {} : { method, args }),
  ...(due === undefined ? {} : { due }),
  count,
  failures,
  ...(dead === undefined ? {} : { dead }),
})
