/**
 * When the client sends a call again (P6): when it is proved that it did not run, or when it has an idempotency key, so that
 * its effect happens once however often it arrives.
 *
 * At most 3 tries within the call's one time limit, as far as the client's budget goes (client-retry-budget.ts), at another URL
 * where there is one. Pauses grow and are drawn from all of their length, so that those who failed together do not come back
 * together; a server that said when to come again is not asked before. Once a try may have run, no later error proves the
 * opposite: an `executed: 'no'` of a later try then says 'unknown'.
 *
 * A call with a key whose connection broke three times, by then or in earlier calls with this key, may be what ends its
 * hosts: it is QUARANTINED, and not sent again by this client for a while.
 */
import type { Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import { inDoubt } from '../core/in-doubt.ts'
import type { Random } from '../core/random.ts'
import type { CallGuard } from './client-guard.ts'
import { RetryBudget } from './client-retry-budget.ts'

export const MAX_TRIES = 3
const FIRST_PAUSE_MS = 100
/** Connections that broke under one call. */
const MOST_LOST = 3
const MOST_KEYS = 1_000
const KEPT_MS = 10 * 60_000

interface Losses {
  count: number
  readonly untilMs: number
}

export class Resending {
  readonly #clock: Clock
  readonly #random: Random
  readonly #budget: RetryBudget
  /** By key, of calls whose connection broke; the oldest first. */
  readonly #lost = new Map<string, Losses>()

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
    this.#budget = new RetryBudget(clock)
  }

  /** Runs `send` until it gives an answer that counts. `key`: names the call, when it has one. @throws what the last try failed with · QUARANTINED */
  async run<Answer>(guard: CallGuard, key: string | undefined, send: () => Promise<Answer>): Promise<Answer> {
    if (key !== undefined && this.#lostOf(key) >= MOST_LOST) throw quarantined(guard)
    this.#budget.earn()
    let mayHaveRun = false
    for (let tries = 1; ; tries++) {
      try {
        const answer = await send()
        if (this.#lost.size > 0 && key !== undefined) this.#lost.delete(key)
        return answer
      } catch (error) {
        const stopped = guard.stopped('unknown') !== undefined
        if (key !== undefined && !stopped && TroupeError.is(error, 'PEER_LOST') && this.#lose(key) >= MOST_LOST) throw quarantined(guard, error)
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

  #lostOf(key: string): number {
    const losses = this.#lost.get(key)
    if (losses === undefined) return 0
    if (losses.untilMs > this.#clock.monotonicMs()) return losses.count
    this.#lost.delete(key)
    return 0
  }

  #lose(key: string): number {
    const count = this.#lostOf(key) + 1
    this.#lost.delete(key)
    this.#lost.set(key, { count, untilMs: this.#clock.monotonicMs() + KEPT_MS })
    if (this.#lost.size > MOST_KEYS) for (const oldest of this.#lost.keys()) { this.#lost.delete(oldest); break }
    return count
  }
}

/** Nothing of it ran, or whatever ran is done once. */
const mayHelp = (error: unknown, hasKey: boolean): boolean =>
  TroupeError.is(error) && error.retryable && error.code !== 'CALL_TIMEOUT' && (error.executed === 'no' || (hasKey && error.executed === 'unknown'))

const quarantined = (guard: CallGuard, cause?: unknown): TroupeError =>
  new TroupeError('QUARANTINED', `${guard.what}: its connection broke ${MOST_LOST} times before the answer: it may be what ends its hosts, and is not sent again; see their logs`, cause === undefined ? {} : { cause })
