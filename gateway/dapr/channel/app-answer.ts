/**
 * What an application's answer other than 200 means. The texts are those of Dapr: clients compare them.
 *
 * 404 to a method says that there is none. A reminder or timer whose route is missing has failed as any other: its policy of
 * repeats counts it.
 */
import { METHOD_NOT_FOUND, SERVICE_ERROR } from '../../../actors/app-channel.ts'
import { TroupeError } from '../../../core/errors.ts'
import type { WireReply } from './app-wire.ts'

export type CallPurpose = 'method' | 'callback' | 'deactivation'

/** In the answer to a reminder or tick: no more of it. */
export const ACTOR_CANCEL_HEADER = 'x-daprremindercancel'

/** METHOD_FAILED or UNKNOWN_METHOD; `path` as it was asked for, without the query. */
export function failureOf(reply: WireReply, purpose: CallPurpose, path: string): TroupeError {
  const data = { status: reply.status }
  if (reply.status === 404 && purpose !== 'deactivation') {
    const message = `${METHOD_NOT_FOUND}${decodedPath(path)}`
    return purpose === 'method' ? new TroupeError('UNKNOWN_METHOD', message, { data }) : new TroupeError('METHOD_FAILED', message, { data })
  }
  const text = Buffer.from(reply.body.buffer, reply.body.byteOffset, reply.body.byteLength).toString()
  return new TroupeError('METHOD_FAILED', `${SERVICE_ERROR}(${reply.status}) ${text}${reply.cut ? '…' : ''}`, { data })
}

const decodedPath = (path: string): string => decodeURIComponent(path.slice(1))
