/**
 * What the failure of a delivery means for its send. Pure.
 *
 * Certain failures count: the method ran and threw, or the call was refused in a way that no repeat changes (no such
 * method, say). What may have happened, and what only the moment refused, is tried again for as long as it takes: such a
 * send is no dead letter, or a person who sends a dead letter again might apply it twice.
 */
import { messageOf, TroupeError, type ErrorCode } from '../../core/errors.ts'
import type { PendingSend } from './send-line.ts'

export type Verdict =
  | { readonly kind: 'dead'; readonly error: string }
  /** Leave again after so long. */
  | { readonly kind: 'again'; readonly delayMs: number }

export interface BackoffLimits {
  /** Longest wait after failures that count. */
  readonly maxBackoffMs: number
  /** Longest wait after those that do not. */
  readonly maxRefusedMs: number
}

/** A send whose author asked for no backoff must not spin while its target's host is away. */
const MIN_REFUSED_MS = 50
const MAX_ERROR_CHARS = 1_000

/** Counts the failure into `pending`. `chance` in [0, 1) spreads the wait by a fifth to both sides. */
export function judge(pending: PendingSend, error: unknown, chance: number, limits: BackoffLimits): Verdict {
  const { send } = pending
  const spread = 0.8 + 0.4 * chance
  if (TroupeError.is(error, 'SEND_OUT_OF_ORDER')) {
    // It named a predecessor: now it leaves after it. A target that finds the first of a line out of order is in trouble.
    if (pending.previous !== undefined) return { kind: 'again', delayMs: 0 }
  } else if (TroupeError.is(error, 'QUARANTINED') && error.executed !== 'yes') {
    return { kind: 'dead', error: describe(error) }
  } else if (counts(error)) {
    pending.failures++
    pending.refusals = 0
    if (pending.failures >= send.attempts) return { kind: 'dead', error: describe(error) }
    return { kind: 'again', delayMs: doubled(send.backoffMs, pending.failures, limits.maxBackoffMs) * spread }
  }
  pending.refusals++
  const delayMs = doubled(Math.max(send.backoffMs, MIN_REFUSED_MS), pending.refusals, limits.maxRefusedMs) * spread
  return { kind: 'again', delayMs: Math.max(delayMs, (TroupeError.is(error) ? error.retryAfterMs : undefined) ?? 0) }
}

/**
 * An error of an author: the method ran. An abandoned turn's memory is gone: nothing of it can be stored any more. A turn that
 * threw because it could not read from the store, or could call nobody since a lease had run out, is refused by the moment, as its
 * commit would have been.
 */
const counts = (error: unknown): boolean => !TroupeError.is(error) || error.code === 'TURN_TIMEOUT'
  || (error.executed === 'yes' && !ofTheMoment.has(error.code))
  || (error.executed === 'no' && !error.retryable && !ofDeployment.has(error.code))

/** Of a turn that threw: an outage, not its method. */
export const ofTheMoment: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['STORE_UNAVAILABLE', 'NO_LEASE'])

/** Cured by the next deployment: hosts of a type are all down, its code cannot start or is older than the state. */
const ofDeployment = new Set<ErrorCode>(['UNKNOWN_TYPE', 'ACTIVATION_FAILED', 'STATE_TOO_NEW', 'STATE_UNREADABLE'])

const doubled = (firstMs: number, times: number, maxMs: number): number => Math.min(maxMs, firstMs * 2 ** Math.min(times - 1, 50))

/** `CODE: message`, as a dead letter shows it. */
export function describe(error: unknown): string {
  const code: unknown = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined
  const message = messageOf(error)
  // An author's error without a text of its own begins with its code.
  const text = typeof code === 'string' && !message.startsWith(code) ? `${code}: ${message}` : message
  return (text.length <= MAX_ERROR_CHARS ? text : `${text.slice(0, MAX_ERROR_CHARS)}…`).toWellFormed()
}
