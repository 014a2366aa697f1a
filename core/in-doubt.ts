/**
 * What an error proves when it is the answer to a repeat: that this try did not run, and nothing of the tries before it (P6).
 * Only calls with an idempotency key are repeated so.
 */
import { TroupeError } from './errors.ts'

/** The error as it may be told when an earlier try of the same call may have run: `executed: 'no'` becomes 'unknown'. */
export function inDoubt(error: unknown): unknown {
  if (!TroupeError.is(error) || error.executed !== 'no') return error
  const { code, message, retryable, retryAfterMs, data } = error
  return new TroupeError(code, `${message} (an earlier try of this call may have run)`, {
    executed: 'unknown', retryable, data, cause: error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}
