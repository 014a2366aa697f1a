/**
 * Calls to actors under the policies that a user has written for them: a time limit for each try, retries, circuit breakers.
 *
 * From outside in: retries, the breaker (asked for each try; one that refuses ends the retries), the time limit. All three stand
 * before the actor's turn: the limit of a try covers its wait in the actor's queue too. Whoever can put the limit on the turn
 * itself, as a Dapr sidecar does, takes `turnTimeoutMs` and makes this with `timeouts: false`.
 *
 * A call whose type has no policy is made as if this were not here. What may be tried twice is the user's decision: with a retry
 * policy a method that failed, or that nobody knows the end of, runs again.
 */
import type { Clock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import { silentLogger, type Logger } from '../../core/logger.ts'
import type { Random } from '../../core/random.ts'
import { BackOff } from './resiliency/back-off.ts'
import { Breakers } from './resiliency/breakers.ts'
import type { CircuitBreaker, Outcome } from './resiliency/circuit-breaker.ts'
import { DEFAULT_CACHE_SIZE, type ActorPolicy, type ResiliencySpec, type RetryPolicy } from './resiliency/resiliency-spec.ts'
import { isCallersDoing, worthRetrying } from './resiliency/worth-retrying.ts'

export interface ActorResiliencyOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log?: Logger
  /** False: time limits are kept elsewhere, by `turnTimeoutMs`. */
  readonly timeouts?: boolean
}

/** What a try is given is aborted when its time is over, or the caller gives up. */
export type Attempt<T> = (signal: AbortSignal | undefined) => Promise<T>

interface Named {
  readonly type: string
  readonly id: string
}

interface Call<T> extends Named {
  readonly attempt: Attempt<T>
  readonly signal: AbortSignal | undefined
  readonly isFailure: ((result: T) => boolean) | undefined
}

/** How a try ended. */
type End<T> =
  | { readonly ok: true; readonly result: T; readonly failed: boolean }
  | { readonly ok: false; readonly error: unknown; /** By its breaker: no other try would fare better. */ readonly refused: boolean }

interface Guarded {
  readonly policy: ActorPolicy
  readonly breakers: Breakers | undefined
}

export class ActorResiliency {
  readonly #types = new Map<string, Guarded>()
  readonly #otherwise: Guarded | undefined
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Logger
  readonly #timeouts: boolean

  constructor(spec: ResiliencySpec, { clock, random, log = silentLogger, timeouts = true }: ActorResiliencyOptions) {
    this.#clock = clock
    this.#random = random
    this.#log = log
    this.#timeouts = timeouts
    for (const [type, policy] of spec.types) this.#types.set(type, guardedBy(policy, policy.breakerScope === 'type' ? 1 : policy.breakerCacheSize))
    // One breaker for each type that comes by; callers choose the names, so they are bounded like those of actors.
    this.#otherwise = spec.otherwise === undefined ? undefined : guardedBy(spec.otherwise, DEFAULT_CACHE_SIZE)
  }

  /** The limit of one try, to be put on the turn; undefined: there is none. */
  turnTimeoutMs(type: string): number | undefined {
    return this.#guarding(type)?.policy.timeoutMs
  }

  /**
   * Rejects as `attempt`, with CALL_TIMEOUT when a try took too long, with OVERLOADED when its breaker is open.
   * @param signal the caller's; once it is aborted, nothing is tried again
   * @param isFailure of a result that counts as a failure: it is tried again, and handed out when that does not help
   */
  run<T>(type: string, id: string, attempt: Attempt<T>, signal?: AbortSignal, isFailure?: (result: T) => boolean): Promise<T> {
    const guarded = this.#guarding(type)
    return guarded === undefined ? attempt(signal) : this.#tries({ type, id, attempt, signal, isFailure }, guarded)
  }

  #guarding(type: string): Guarded | undefined {
    return this.#types.get(type) ?? this.#otherwise
  }

  async #tries<T>(call: Call<T>, guarded: Guarded): Promise<T> {
    const { retry } = guarded.policy
    const beganMs = this.#clock.monotonicMs()
    const backOff = retry === undefined ? undefined : new BackOff(retry, this.#random)
    for (;;) {
      const end = await this.#try(call, guarded)
      if (end.ok && !end.failed) return end.result
      const again = call.signal?.aborted !== true && mayHelp(end, retry)
      const pauseMs = again ? backOff?.next(this.#clock.monotonicMs() - beganMs, wishOf(end)) : undefined
      if (pauseMs === undefined || !await this.#paused(pauseMs, call.signal)) {
        if (end.ok) return end.result
        throw end.error
      }
    }
  }

  async #try<T>(call: Call<T>, guarded: Guarded): Promise<End<T>> {
    const breaker = this.#breakerOf(call, guarded)
    const ticket = breaker?.enter(this.#clock.monotonicMs())
    if (breaker !== undefined && ticket === undefined) return { ok: false, refused: true, error: this.#refusal(call, guarded, breaker) }
    const end = await this.#timed(call, guarded.policy.timeoutMs)
    if (breaker !== undefined) this.#tell(breaker, ticket!, outcomeOf(end, call.signal), call, guarded)
    return end
  }

  #breakerOf({ type, id }: Named, { policy, breakers }: Guarded): CircuitBreaker | undefined {
    return breakers?.get(policy.breakerScope === 'type' ? type : id, this.#clock.monotonicMs())
  }

  #tell(breaker: CircuitBreaker, ticket: number, outcome: Outcome, { type, id }: Named, { policy }: Guarded): void {
    const nowMs = this.#clock.monotonicMs()
    const before = breaker.phase(nowMs)
    breaker.leave(ticket, outcome, nowMs)
    const after = breaker.phase(nowMs)
    if (after === before) return
    const ofType = policy.breakerScope === 'type'
    const fields = { type, ...(ofType ? {} : { id }), breaker: policy.breaker!.name, phase: after }
    const message = `circuit breaker ${policy.breaker!.name} of ${type}${ofType ? '' : `/${id}`} is ${after}`
    if (ofType) this.#log.warn(fields, message)
    else this.#log.debug(fields, message)
  }

  #refusal({ type, id }: Named, { policy }: Guarded, breaker: CircuitBreaker): TroupeError {
    const nowMs = this.#clock.monotonicMs()
    const retryAfterMs = breaker.retryAfterMs(nowMs)
    const what = breaker.phase(nowMs) === 'open' ? 'is open: too many calls before this one failed' : 'is half-open, and the calls that shall show whether to close it are under way'
    const whose = policy.breakerScope === 'type' ? `the type ${type}` : `${type}/${id}`
    const message = `${type}/${id} was not called: circuit breaker ${policy.breaker!.name} of ${whose} ${what}; repeat the call after ${retryAfterMs} ms`
    return new TroupeError('OVERLOADED', message, { retryAfterMs, executed: 'no' })
  }

  async #timed<T>(call: Call<T>, limitMs: number | undefined): Promise<End<T>> {
    try {
      const result = await (limitMs === undefined || !this.#timeouts ? call.attempt(call.signal) : this.#within(limitMs, call))
      return { ok: true, result, failed: call.isFailure?.(result) === true }
    } catch (error) {
      return { ok: false, error, refused: false }
    }
  }

  /** A try that goes on when its time is over is not waited for: what it still does is its actor's business. */
  #within<T>(limitMs: number, { type, id, attempt, signal }: Call<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const own = new AbortController()
      const timer = this.#clock.after(limitMs, () => {
        const error = new TroupeError('CALL_TIMEOUT', `${type}/${id} did not answer within the ${limitMs} ms of its resiliency policy; raise its timeout, or look what holds the actor up`)
        reject(error)
        own.abort(error)
      })
      // Not taken off when the try has ended: the result may be a stream, which the caller can still cancel.
      const either = signal === undefined ? own.signal : AbortSignal.any([signal, own.signal])
      attempt(either).then(resolve, reject).finally(() => timer.cancel())
    })
  }

  /** False when the caller gave up meanwhile. */
  #paused(pauseMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    return new Promise(resolve => {
      const timer = this.#clock.after(pauseMs, () => {
        signal?.removeEventListener('abort', givenUp)
        resolve(true)
      }, true)
      const givenUp = (): void => {
        timer.cancel()
        resolve(false)
      }
      signal?.addEventListener('abort', givenUp, { once: true })
    })
  }
}

const guardedBy = (policy: ActorPolicy, breakers: number): Guarded =>
  ({ policy, breakers: policy.breaker === undefined ? undefined : new Breakers(policy.breaker, breakers) })

const mayHelp = (end: End<unknown>, retry: RetryPolicy | undefined): boolean =>
  retry !== undefined && (end.ok || !end.refused && worthRetrying(end.error, retry))

/** How long an error asks to be left alone. */
const wishOf = (end: End<unknown>): number => !end.ok && TroupeError.is(end.error) ? end.error.retryAfterMs ?? 0 : 0

function outcomeOf(end: End<unknown>, signal: AbortSignal | undefined): Outcome {
  if (end.ok) return end.failed ? 'failure' : 'success'
  return signal?.aborted === true || isCallersDoing(end.error) ? 'nothing' : 'failure'
}
