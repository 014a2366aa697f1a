/**
 * Every error that Troupe itself raises: one class, one closed table of codes.
 *
 * An error is asked by its `code`, never by its text or by `instanceof` across processes. `executed` says what is
 * proved about the call (P6): 'no' = the method never started, 'yes' = it ran to its end (a throw included; a turn
 * that threw is rolled back), 'unknown' = neither is proved. `retryable` says whether the same call may succeed later
 * with nothing changed by the caller. Errors of authors are `ActorError` (actors/errors.ts) and share nothing with these.
 * `docs/errors.md` has one entry a code; a test compares the two.
 */

export type Executed = 'no' | 'yes' | 'unknown'

interface CodeInfo {
  /** HTTP status of the gateway's reply. */
  readonly status: number
  /** gRPC status code (https://grpc.io/docs/guides/status-codes/). */
  readonly grpc: number
  /** The name that the Dapr API gives to this class of error. */
  readonly errorCode: string
  /** What is proved when the thrower says nothing else. */
  readonly executed: Executed
  readonly retryable: boolean
}

const code = (status: number, grpc: number, errorCode: string, executed: Executed, retryable = false): CodeInfo => ({
  status, grpc, errorCode, executed, retryable,
})

const INVOKE = 'ERR_ACTOR_INVOKE_METHOD'

export const errorCodes = {
  // What the caller sent.
  BAD_REQUEST: code(400, 3, 'ERR_BAD_REQUEST', 'no'),
  MALFORMED_BODY: code(400, 3, 'ERR_MALFORMED_REQUEST', 'no'),
  INVALID_ARGUMENT: code(400, 3, INVOKE, 'no'),
  PAYLOAD_TOO_LARGE: code(413, 8, 'ERR_BAD_REQUEST', 'no'),
  NOT_ENCODABLE: code(400, 3, 'ERR_BAD_REQUEST', 'no'),
  UNKNOWN_TYPE: code(404, 9, 'ERR_ACTOR_NO_ADDRESS', 'no'),
  UNKNOWN_METHOD: code(404, 5, INVOKE, 'no'),
  NOT_FOUND: code(404, 5, 'ERR_BAD_REQUEST', 'no'),
  METHOD_NOT_ALLOWED: code(405, 12, 'ERR_BAD_REQUEST', 'no'),
  UNAUTHENTICATED: code(401, 16, 'ERR_UNAUTHORIZED', 'no'),
  FORBIDDEN: code(403, 7, 'ERR_PERMISSION_DENIED', 'no'),
  IDEMPOTENCY_CONFLICT: code(409, 6, INVOKE, 'no'),
  // Reminders, timers, sends.
  BAD_SCHEDULE: code(400, 3, 'ERR_ACTOR_REMINDER_CREATE', 'no'),
  REMINDER_EXISTS: code(409, 6, 'ERR_ACTOR_REMINDER_ALREADY_EXISTS', 'no'),
  REMINDER_NOT_FOUND: code(404, 5, 'ERR_ACTOR_REMINDER_NOT_FOUND', 'no'),
  TIMER_NOT_FOUND: code(404, 5, 'ERR_ACTOR_TIMER_NOT_FOUND', 'no'),
  QUOTA_EXCEEDED: code(429, 8, 'ERR_ACTOR_REMINDER_CREATE', 'no'),
  SEND_OUT_OF_ORDER: code(503, 10, INVOKE, 'no', true),
  // What the actor did.
  METHOD_FAILED: code(500, 13, INVOKE, 'yes'),
  RESULT_NOT_ENCODABLE: code(500, 13, INVOKE, 'yes'),
  RESULT_TOO_LARGE: code(500, 8, INVOKE, 'yes'),
  STATE_NOT_STORABLE: code(500, 13, INVOKE, 'yes'),
  READONLY_VIOLATION: code(500, 13, INVOKE, 'yes'),
  TURN_TIMEOUT: code(504, 4, INVOKE, 'unknown'),
  STATE_TOO_NEW: code(500, 9, INVOKE, 'no'),
  STATE_UNREADABLE: code(500, 15, INVOKE, 'no'),
  ACTIVATION_FAILED: code(500, 13, INVOKE, 'no'),
  OUTSIDE_TURN: code(500, 9, INVOKE, 'no'),
  NOT_ACTIVE: code(400, 13, 'ERR_ACTOR_INSTANCE_MISSING', 'no'),
  // Waiting.
  CALL_CYCLE: code(508, 9, INVOKE, 'no'),
  STACK_DEPTH: code(500, 8, 'ERR_ACTOR_STACK_DEPTH', 'no'),
  MAILBOX_FULL: code(429, 8, INVOKE, 'no', true),
  OVERLOADED: code(503, 8, INVOKE, 'no', true),
  QUARANTINED: code(500, 9, INVOKE, 'unknown'),
  CALL_TIMEOUT: code(504, 4, INVOKE, 'unknown', true),
  CANCELLED: code(499, 1, INVOKE, 'unknown'),
  // The cluster.
  NO_HOST: code(503, 14, 'ERR_ACTOR_NO_ADDRESS', 'no', true),
  MOVED: code(503, 14, INVOKE, 'no', true),
  HOST_STOPPING: code(503, 14, 'ERR_ACTOR_RUNTIME_CLOSED', 'no', true),
  PEER_UNREACHABLE: code(503, 14, INVOKE, 'no', true),
  PEER_LOST: code(503, 14, INVOKE, 'unknown', true),
  NO_LEASE: code(503, 14, INVOKE, 'no', true),
  FENCED: code(503, 10, INVOKE, 'unknown', true),
  STORE_UNAVAILABLE: code(503, 14, INVOKE, 'no', true),
  STORE_CONFLICT: code(503, 10, INVOKE, 'unknown', true),
  COMMIT_UNKNOWN: code(503, 14, INVOKE, 'unknown', true),
  APP_UNREACHABLE: code(503, 14, INVOKE, 'unknown', true),
  PROTOCOL: code(502, 13, INVOKE, 'unknown'),
  INTERNAL: code(500, 13, INVOKE, 'unknown'),
  NOT_READY: code(500, 14, 'ERR_HEALTH_NOT_READY', 'no', true),
  // Starting up.
  BAD_OPTION: code(500, 3, 'ERR_BAD_REQUEST', 'no'),
  BAD_ACTOR_CLASS: code(500, 3, 'ERR_BAD_REQUEST', 'no'),
  APP_LOAD_FAILED: code(500, 3, 'ERR_BAD_REQUEST', 'no'),
  STORE_OPEN_FAILED: code(503, 14, 'ERR_BAD_REQUEST', 'no', true),
  PORT_TAKEN: code(503, 6, 'ERR_BAD_REQUEST', 'no'),
  DUPLICATE_HOST: code(503, 6, 'ERR_BAD_REQUEST', 'no'),
  CLUSTER_MISMATCH: code(503, 9, 'ERR_BAD_REQUEST', 'no'),
  PLACEMENT_UNREACHABLE: code(503, 14, 'ERR_ACTOR_NO_PLACEMENT', 'no', true),
  LEADER_HELD: code(503, 6, 'ERR_BAD_REQUEST', 'no', true),
} as const satisfies Record<string, CodeInfo>

export type ErrorCode = keyof typeof errorCodes

export interface ErrorDetails {
  executed?: Executed
  retryable?: boolean
  /** Milliseconds after which a repeat has a chance. */
  retryAfterMs?: number
  /** Facts for programs: the chain of a cycle, the issues of a validation, the two values of a mismatch. */
  data?: unknown
  cause?: unknown
}

const brand = Symbol.for('troupe.error')

/** An error of the runtime. The message says what, which one, and what to do. */
export class TroupeError extends Error {
  readonly code: ErrorCode
  readonly executed: Executed
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined
  readonly data: unknown

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.executed = details.executed ?? errorCodes[code].executed
    this.retryable = details.retryable ?? errorCodes[code].retryable
    this.retryAfterMs = details.retryAfterMs
    this.data = details.data
  }

  /** True for an error of Troupe, with this code when one is given; works across processes and package copies. */
  static is(error: unknown, code?: ErrorCode): error is TroupeError {
    return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[brand] === true
      && (code === undefined || (error as TroupeError).code === code)
  }
}
Object.defineProperty(TroupeError.prototype, brand, { value: true })
Object.defineProperty(TroupeError.prototype, 'name', { value: 'TroupeError' })

/** The message of anything that was thrown; a non-error is shown as what it is. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message
  try {
    return typeof thrown === 'string' ? thrown : `a non-error was thrown: ${String(thrown)}`
  } catch {
    return 'a non-error was thrown that has no text'
  }
}
