/**
 * Errors of reminder operations in the words of the Dapr API, which has codes of its own for them.
 *
 * Only `errorCode`, some texts and, for types that no host runs, the status are the standard's: what the error proves stays.
 */
import { TroupeError } from '../core/errors.ts'
import { generalFailure, said, type StandardFailure } from './dapr/standard-failures.ts'

export type ReminderVerb = 'CREATE' | 'GET' | 'DELETE'
export type ReminderFailure = StandardFailure

const PERMISSION_DENIED = 7
export const NON_HOSTED = 'operations on actor reminders are only possible on hosted actor types'
const doing: Readonly<Record<ReminderVerb, string>> = { CREATE: 'creating', GET: 'getting', DELETE: 'deleting' }

export const reminderNotFound = (name: string): TroupeError => new TroupeError('REMINDER_NOT_FOUND', `actor reminder not found: ${name}`)

/** `name` is undefined where the operation is about several. */
export function reminderFailure(error: unknown, verb: ReminderVerb, name?: string, strict = false): ReminderFailure {
  if (!TroupeError.is(error)) return { error }
  switch (error.code) {
    case 'REMINDER_EXISTS': return { error: said(error, `actor reminder already exists: ${name}`) }
    case 'REMINDER_NOT_FOUND': return { error: said(error, `actor reminder not found: ${name}`) }
    case 'UNKNOWN_TYPE': return {
      error: said(error, strict ? NON_HOSTED : `${NON_HOSTED}: ${error.message}`),
      errorCode: 'ERR_ACTOR_REMINDER_NON_HOSTED', status: 403, grpc: PERMISSION_DENIED, prefix: NON_HOSTED,
    }
    default: return generalFailure(error, `ERR_ACTOR_REMINDER_${verb}`, `error ${doing[verb]} actor reminder`, strict)
  }
}
