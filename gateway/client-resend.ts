/**
 * When the client sends a call again although it may have run: only with an idempotency key (P6).
 *
 * Without a key a call whose outcome is unknown is over. With one its effect happens once however often it arrives, so
 * the outcome can be asked for by sending it again: at most 3 tries within the call's one time limit, with growing and
 * jittered pauses, at another URL where there is one. Once a try may have run, no later error proves the opposite: an
 * `executed: 'no'` of a later try then says 'unknown'.
 */
import { TroupeError } from '../core/errors.ts'
import { inDoubt } from '../core/in-doubt.ts'
import type { Random } from '../core/random.ts'
import type { CallGuard } from './client-guard.ts'

export const MAX_TRIES = 3
const FIRST_PAUSE_MS = 50

/** Runs `send` until it gives an answer that counts. @throws what the last try failed with */
export async function resending<Answer>(guard: CallGuard, random: Random, send: () => Promise<Answer>): Promise<Answer> {
  let mayHaveRun = false
  for (let tries = 1; ; tries++) {
    try {
      return await send()
    } catch (error) {
      const stopped = guard.stopped('unknown') !== undefined
      if (stopped || tries >= MAX_TRIES || !mayHelp(error, mayHaveRun)) throw mayHaveRun ? inDoubt(error) : error
      mayHaveRun = true
      await guard.pause(FIRST_PAUSE_MS * 2 ** (tries - 1) * (0.5 + random.float()))
      const ended = guard.stopped('unknown')
      if (ended !== undefined) throw ended
    }
  }
}

/** Unknown, and a repeat may tell; after the first such failure also what only says that this try came to nothing. */
const mayHelp = (error: unknown, mayHaveRun: boolean): boolean =>
  TroupeError.is(error) && error.retryable && error.code !== 'CALL_TIMEOUT' && (error.executed === 'unknown' || (mayHaveRun && error.executed === 'no'))
