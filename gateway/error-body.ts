/**
 * Errors as replies: one shape for HTTP bodies, gRPC trailers and streams, and the way back in the client.
 *
 * `errorCode` and `message` are what the Dapr API has; `code`, `executed`, `retryable`, `retryAfterMs` and `data` are
 * Troupe's. Author's errors carry `actorError: true`, so that neither side can be taken for the other.
 */
import { isActorError, rebuildActorError } from '../actors/errors.ts'
import { errorCodes, TroupeError, type ErrorCode, type Executed } from '../core/errors.ts'

export interface ErrorBody {
  readonly errorCode: string
  readonly message: string
  readonly code: string
  readonly executed: Executed
  readonly retryable: boolean
  readonly retryAfterMs?: number
  readonly data?: unknown
  readonly actorError?: true
}

export interface Failure {
  /** HTTP status. */
  readonly status: number
  /** gRPC status code. */
  readonly grpc: number
  readonly body: ErrorBody
  /** False for what nobody meant to throw: the caller gets no text of it, the log does. */
  readonly expected: boolean
}

const INVOKE = 'ERR_ACTOR_INVOKE_METHOD'

/** What a caller is told about anything that was thrown. */
export function failureOf(thrown: unknown): Failure {
  if (isActorError(thrown)) {
    // Authors may have assigned anything to these.
    const [code, message] = [String(thrown.code), String(thrown.message)]
    const { data } = thrown
    const status = Number.isInteger(thrown.status) && thrown.status >= 400 && thrown.status <= 599 ? thrown.status : 500
    return {
      status, grpc: errorCodes.METHOD_FAILED.grpc, expected: true,
      body: {
        errorCode: INVOKE, message, code, executed: 'yes', retryable: false,
        ...(data === undefined ? {} : { data }),
        actorError: true,
      },
    }
  }
  if (!TroupeError.is(thrown)) {
    const unexpected = new TroupeError('INTERNAL', 'internal error of this host; its log tells more')
    return { ...failureOf(unexpected), expected: false }
  }
  const { code, message, executed, retryable, retryAfterMs, data } = thrown
  const { status, grpc, errorCode } = errorCodes[code] ?? errorCodes.INTERNAL
  return {
    status, grpc, expected: true,
    body: {
      errorCode, message, code, executed, retryable,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(data === undefined ? {} : { data }),
    },
  }
}

/** The error behind a body that a gateway wrote; `status` is the author's HTTP status where there is one. */
export function errorOf(body: unknown, status: number): Error {
  const given = typeof body === 'object' && body !== null ? body as Partial<ErrorBody> : {}
  const message = typeof given.message === 'string' ? given.message : `status ${status} without an error body`
  if (given.actorError === true && typeof given.code === 'string') {
    return rebuildActorError({ code: given.code, message, data: given.data, status })
  }
  if (typeof given.code !== 'string' || !Object.hasOwn(errorCodes, given.code)) {
    const shown = typeof given.errorCode === 'string' ? `${given.errorCode}: ${message}` : message
    return new TroupeError('PROTOCOL', `the answer (status ${status}) is not Troupe's: ${shown.slice(0, 500)}`)
  }
  const code = given.code as ErrorCode
  const { executed, retryable, retryAfterMs, data } = given
  return new TroupeError(code, message, {
    executed: executed === 'no' || executed === 'yes' ? executed : 'unknown',
    ...(typeof retryable === 'boolean' ? { retryable } : {}),
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
    ...(data === undefined ? {} : { data }),
  })
}
