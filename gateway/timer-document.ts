/**
 * A timer as the Dapr API shows it: as it was registered, but for its period, which is `@every` with a Go duration.
 * Data is JSON text as it came, or bytes as a base64 JSON string.
 */
import { jsonText } from '../actors/json-values.ts'
import type { TimerInfo } from '../actors/management.ts'
import type { ActorKey } from '../core/ids.ts'
import { dataText } from './dapr/json-any.ts'
import { shownTimer } from './dapr/timer-fields.ts'
import { joined } from './reminder-document.ts'

/** `GET …/timers/NAME` as JSON text. */
export const timerDocument = ({ type, id }: ActorKey, info: TimerInfo): string => document({ actorType: type, actorID: id }, info)

/** One entry of `GET …/timers` as JSON text. */
export const namedTimer = ({ type, id }: ActorKey, info: TimerInfo): string => document({ name: info.name, actorType: type, actorID: id }, info)

function document(head: object, info: TimerInfo): string {
  const { callback, data } = info
  const fields = jsonText({ ...head, ...shownTimer(info), ...callback === '' ? {} : { callback } })
  return joined(fields, data === undefined ? '{}' : `{"data":${dataText(data)}}`)
}
