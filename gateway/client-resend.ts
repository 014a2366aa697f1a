/**
 * When the client sends a call again (P6): when it is proved that it did not run, or when it has an idempotency key, so that
 * its effect happens once however often it arrives.
 *
 * At most 3 tries within the call's one time limit, as far as the client's budget goes (client-retry-budget.ts), at another URL
 * where there is one. Pauses grow and are drawn from all of their length, so that those who failed together do not come back
 * together; a server that said when to come again is not asked before. Once a try may have run, no later error proves the
 * opposite: an `executed: 'no'` of a later try then says 'unknown'.
 *
 * That a connection broke three times proves nothing about the call: whether hosts died of it is counted by hosts (outgoing.ts).
 */
import type { Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import { inDoubt } from '../core/in-doubt.ts'
import type { Random } from '../core/random.ts'
import type { CallGuard } from './client-guard.ts'
import { RetryBudget } from './client-retry-budget.ts'

export const MAX_TRIES = 3
const FIRST_PAUSE_MS = 100

export class Resending {
  readonly #random: Random
  readonly #budget: RetryBudget

  constructor(clock: Clock, random: Random) {
    this.#random = random
    this.#budget = new RetryBudget(clock)
  }

  /** Runs `send` until it gives an answer that counts. `key`: names the call, when it has one. @throws what the last try failed with */
  async run<Answer>(guard: CallGuard, key: string | undefined, send: () => Promise<Answer>): Promise<Answer> {
    this.#budget.earn()
    let mayHaveRun = false
    for (let tries = 1; ; tries++) {
      try {
        return await send()
      } catch (error) {
        const stopped = guard.stopped('unknown') !== undefined
        const pauseMs = stopped || tries >= MAX_TRIES || !mayHelp(error, key !== undefined) ? undefined : this.#pauseMs(error, tries)
        if (pauseMs === undefined || pauseMs >= guard.leftMs || !this.#budget.spend()) throw mayHaveRun ? inDoubt(error) : error
        mayHaveRun ||= (error as TroupeError).executed !== 'no'
        await guard.pause(pauseMs)
        const ended = guard.stopped(mayHaveRun ? 'unknown' : 'no')
        if (ended !== undefined) throw ended
      }
    }
  }

  #pauseMs(error: unknown, tries: number): number {
    const leastMs = (error as TroupeError).retryAfterMs ?? 0
    return leastMs + this.#random.float() * Math.max(leastMs, FIRST_PAUSE_MS * 2 ** (tries - 1))
  }
}

/** Nothing of it ran, or whatever ran is done once. */
const mayHelp = (error: unknown, hasKey: boolean): boolean =>
  TroupeError.is(error) && error.retryable && error.code !== 'CALL_TIMEOUT' && (error.executed === 'no' || (hasKey && error.executed === 'unknown'))
