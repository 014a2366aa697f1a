/**
 * A timer as the Dapr API shows it: as it was registered, but for its period, which is `@every` with a Go duration.
 * Data is JSON text as it came, or bytes as a base64 JSON string.
 */
import type { DoorData, TimerInfo, TimerSetting } from '../actors/management.ts'
import type { ActorKey } from '../core/ids.ts'
import { splitRepeats } from '../reminders/schedule-fields.ts'
import { joined, instantText, periodText } from './reminder-document.ts'
import { jsonText } from '../actors/json-values.ts'

/** `GET …/timers/NAME` as JSON text. */
export const timerDocument = ({ type, id }: ActorKey, info: TimerInfo): string => document({ actorType: type, actorID: id }, info)

/** One entry of `GET …/timers` as JSON text. */
export const namedTimer = ({ type, id }: ActorKey, info: TimerInfo): string => document({ name: info.name, actorType: type, actorID: id }, info)

/** With the `ttl` that it is shown with: the instant of its end. */
export function withInstantTtl(setting: TimerSetting, nowMs: number): TimerSetting {
  const { schedule: { until }, written } = setting
  if (typeof until !== 'number' || written.ttl === '' || written.ttl.includes(':')) return setting
  return { ...setting, written: { ...written, ttl: instantText(Math.ceil(nowMs) + until) } }
}

function document(head: object, { written: { dueTime, period, ttl }, callback, data }: TimerInfo): string {
  const fields = jsonText({
    ...head,
    ...dueTime === '' ? {} : { dueTime },
    ...period === '' ? {} : { period: shownPeriod(period) },
    ...ttl === '' ? {} : { ttl },
    ...callback === '' ? {} : { callback },
  })
  return joined(fields, data === undefined ? '{}' : `{"data":${dataText(data)}}`)
}

/** A text that no door would have taken is shown as it is. */
function shownPeriod(period: string): string {
  try {
    return periodText(splitRepeats(period, 'period').period.replace(/^@every\s+/, ''))
  } catch {
    return period
  }
}

const dataText = (data: DoorData): string => 'json' in data ? data.json : `"${Buffer.from(data.bytes.buffer, data.bytes.byteOffset, data.bytes.byteLength).toString('base64')}"`
