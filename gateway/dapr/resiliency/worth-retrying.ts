/**
 * What an error says about trying again under a policy that a user has written: errors of the application are retried too, those
 * that the same call would only get again are not.
 */
import { isActorError } from '../../../actors/errors.ts'
import { errorCodes, TroupeError, type ErrorCode } from '../../../core/errors.ts'
import type { RetryPolicy, StatusRange } from './resiliency-spec.ts'

/** The caller's own doing: nothing is learnt about the actor. */
const callers: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BAD_REQUEST', 'MALFORMED_BODY', 'INVALID_ARGUMENT', 'PAYLOAD_TOO_LARGE', 'NOT_ENCODABLE', 'UNKNOWN_METHOD', 'NOT_FOUND', 'METHOD_NOT_ALLOWED', 'UNAUTHENTICATED',
  'FORBIDDEN', 'IDEMPOTENCY_CONFLICT', 'BAD_SCHEDULE', 'REMINDER_EXISTS', 'REMINDER_NOT_FOUND', 'TIMER_NOT_FOUND', 'CALL_CYCLE', 'STACK_DEPTH', 'CANCELLED', 'NOT_ACTIVE', 'OUTSIDE_TURN',
])

/** The actor's or the host's, and the same next time. */
const lasting: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'QUOTA_EXCEEDED', 'RESULT_NOT_ENCODABLE', 'RESULT_TOO_LARGE', 'STATE_NOT_STORABLE', 'READONLY_VIOLATION', 'STATE_TOO_NEW', 'STATE_UNREADABLE', 'QUARANTINED',
  'BAD_OPTION', 'BAD_ACTOR_CLASS', 'APP_LOAD_FAILED', 'DUPLICATE_HOST', 'CLUSTER_MISMATCH',
])

export const isCallersDoing = (error: unknown): boolean => TroupeError.is(error) && callers.has(error.code)

export function worthRetrying(error: unknown, { httpStatuses, grpcStatuses }: RetryPolicy): boolean {
  if (TroupeError.is(error) && (callers.has(error.code) || lasting.has(error.code))) return false
  if (httpStatuses === undefined && grpcStatuses === undefined) return true
  const { http, grpc } = statusOf(error)
  return includes(httpStatuses, http) || includes(grpcStatuses, grpc)
}

/** With what status the application itself answered, where the error says so (`data.status`). */
function statusOf(error: unknown): { http: number; grpc: number } {
  if (isActorError(error)) return { http: error.status, grpc: errorCodes.METHOD_FAILED.grpc }
  if (!TroupeError.is(error)) return { http: 500, grpc: 2 }
  const { status, grpc } = errorCodes[error.code]
  const own = (error.data as { status?: unknown } | null | undefined)?.status
  return { http: error.code === 'METHOD_FAILED' && typeof own === 'number' ? own : status, grpc }
}

const includes = (ranges: readonly StatusRange[] | undefined, status: number): boolean =>
  ranges?.some(([from, to]) => status >= from && status <= to) === true
