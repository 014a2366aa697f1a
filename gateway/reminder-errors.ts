/**
 * Errors of reminder operations in the words of the Dapr API, which has codes of its own for them.
 *
 * Only `errorCode`, some texts and, for types that no host runs, the status are the standard's: what the error proves stays.
 */
import { errorCodes, TroupeError } from '../core/errors.ts'

export type ReminderVerb = 'CREATE' | 'GET' | 'DELETE'

export interface ReminderFailure {
  readonly error: unknown
  readonly errorCode?: string
  /** HTTP status. */
  readonly status?: number
  /** gRPC status code. */
  readonly grpc?: number
  /** What the standard begins the text of this error with, over gRPC. */
  readonly prefix?: string
}

const PERMISSION_DENIED = 7
const NON_HOSTED = 'operations on actor reminders are only possible on hosted actor types'
/** What says no more than that the operation failed. */
const general: ReadonlySet<string> = new Set(['ERR_ACTOR_INVOKE_METHOD', 'ERR_ACTOR_REMINDER_CREATE'])
const doing: Readonly<Record<ReminderVerb, string>> = { CREATE: 'creating', GET: 'getting', DELETE: 'deleting' }

export const reminderNotFound = (name: string): TroupeError => new TroupeError('REMINDER_NOT_FOUND', `actor reminder not found: ${name}`)

/** `name` is undefined where the operation is about several. */
export function reminderFailure(error: unknown, verb: ReminderVerb, name?: string): ReminderFailure {
  if (!TroupeError.is(error)) return { error }
  switch (error.code) {
    case 'REMINDER_EXISTS': return { error: said(error, `actor reminder already exists: ${name}`) }
    case 'REMINDER_NOT_FOUND': return { error: said(error, `actor reminder not found: ${name}`) }
    case 'UNKNOWN_TYPE': return {
      error: said(error, `${NON_HOSTED}: ${error.message}`), errorCode: 'ERR_ACTOR_REMINDER_NON_HOSTED', status: 403, grpc: PERMISSION_DENIED, prefix: NON_HOSTED,
    }
    default: return general.has(errorCodes[error.code].errorCode)
      ? { error, errorCode: `ERR_ACTOR_REMINDER_${verb}`, prefix: `error ${doing[verb]} actor reminder` } : { error }
  }
}

/** The same error in the standard's words. */
function said(error: TroupeError, text: string): TroupeError {
  const { code, executed, retryable, retryAfterMs, data } = error
  return new TroupeError(code, text, {
    executed, retryable, data, cause: error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}
