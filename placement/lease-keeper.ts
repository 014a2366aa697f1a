/**
 * Holds a lease: opens it, renews it on the given clock, and knows at every moment until when it is safe to serve.
 *
 * Promises: the deadline is counted from before the request that brought it (a late answer counts from its own request), so
 * `valid()` is never true when the store would let anybody revoke. One renewal at a time; one without an answer is given up in time for
 * two more before the deadline, and failures are repeated soon, never later than the next beat. 'Not held' is final: told
 * once. After `close` nothing is sent and nobody is told anything.
 */
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import type { ClusterStore, LeaseRenewal } from '../stores/cluster-store.ts'
import { backoffMs } from './backoff.ts'
import { defaultLeaseTimes, giveUpMs, leaseDeadlineMs, leastPauseMs, type LeaseHolder, type LeaseNews, type LeaseTimes } from './lease.ts'

/** A store that takes longer to open a lease is as good as away; adapters give up sooner. */
const OPEN_MS = 10_000
/** First pause after a renewal that failed. */
const RETRY_MS = 25
/**
 * Renewals given up whose answers are still out: a store that never answers is not sent ever more of them. More than adapters have out
 * when all are lost, each of which fails within seconds.
 */
const MAX_UNANSWERED = 16

export interface LeaseKeeperOptions {
  readonly store: ClusterStore
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly times?: LeaseTimes
  /** Asked before each renewal: while it says no, none is sent. */
  readonly mayRenew?: () => boolean
  /** Told of each new deadline, on `clock`; -Infinity: never again. */
  readonly onDeadline?: (deadlineMs: number) => void
}

interface Attempt {
  readonly sentMs: number
  readonly giveUp: Timer
}

export class LeaseKeeper implements LeaseHolder {
  readonly #store: ClusterStore
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Logger
  readonly #times: LeaseTimes
  readonly #mayRenew: () => boolean
  readonly #onDeadline: (deadlineMs: number) => void
  readonly #news: ((news: LeaseNews) => void)[] = []
  readonly #revoked: (() => void)[] = []
  #id: string | undefined
  /** Settles with the request that opens the lease in the store, whatever comes of it. */
  #opening: Promise<unknown> | undefined
  #renewing = false
  #closed: Promise<void> | undefined
  #deadlineMs = -Infinity
  #attempt: Attempt | undefined
  #unanswered = 0
  #failures = 0
  /** When the newest renewal was sent, and the newest that was answered. */
  #sentMs = -Infinity
  #newsMs = -Infinity
  #askedAgain = false
  #timer: Timer | undefined
  #dueMs = Infinity
  #saidOver = false

  constructor(options: LeaseKeeperOptions) {
    this.#store = options.store
    this.#clock = options.clock
    this.#random = options.random
    this.#log = options.log
    this.#times = options.times ?? defaultLeaseTimes
    this.#mayRenew = options.mayRenew ?? (() => true)
    this.#onDeadline = options.onDeadline ?? (() => undefined)
  }

  async open(id: string): Promise<void> {
    this.#take(id)
    const sentMs = this.#clock.monotonicMs()
    const opening = (async () => this.#store.openLease({ id, ttlMs: this.#times.ttlMs }))()
    this.#opening = opening.catch(() => undefined)
    try {
      await within(this.#clock, OPEN_MS, opening)
    } catch (error) {
      // Whether it was opened is not known; this id is used up.
      void this.close(false)
      throw error
    }
    if (this.#closed !== undefined) throw new TroupeError('STORE_UNAVAILABLE', `lease ${id}: it was closed before it was open`)
    this.#extend(leaseDeadlineMs(sentMs, this.#times.ttlMs))
    this.#start()
  }

  /** Goes on with a lease that another keeper opened; valid with the first renewal that is held. */
  resume(id: string): void {
    this.#take(id)
    this.#start()
  }

  valid(): boolean {
    return this.#clock.monotonicMs() < this.#deadlineMs
  }

  leftMs(): number {
    return this.#deadlineMs - this.#clock.monotonicMs()
  }

  onNews(listener: (news: LeaseNews) => void): void {
    this.#news.push(listener)
  }

  onRevoked(listener: () => void): void {
    this.#revoked.push(listener)
  }

  renewNow(): void {
    if (!this.#renewing) return
    // What is in flight may have been answered before that of which somebody waits to hear.
    if (this.#attempt !== undefined) this.#askedAgain = true
    else if (this.#failures === 0) this.#renewAt(this.#sentMs + leastPauseMs(this.#times))
  }

  close(release: boolean): Promise<void> {
    return (this.#closed ??= this.#end(release && this.#id !== undefined ? this.#id : undefined))
  }

  #take(id: string): void {
    if (this.#id !== undefined || this.#closed !== undefined) throw new TroupeError('INTERNAL', 'lease: this holder has had its lease; make a new one for another')
    this.#id = id
  }

  #start(): void {
    this.#renewing = true
    this.#renewAt(-Infinity)
  }

  async #end(released: string | undefined): Promise<void> {
    this.#renewing = false
    this.#timer?.cancel()
    this.#attempt?.giveUp.cancel()
    this.#extend(-Infinity)
    if (released === undefined) return
    try {
      // In this order: an end that overtakes the opening would leave the lease there.
      await within(this.#clock, this.#times.ttlMs, Promise.resolve(this.#opening).then(() => this.#store.endLease(released)))
    } catch (error) {
      this.#log.debug({ lease: released, reason: messageOf(error) }, 'a lease could not be released; it ends by itself')
    }
  }

  #extend(deadlineMs: number): void {
    this.#deadlineMs = deadlineMs
    this.#onDeadline(deadlineMs)
  }

  /** The next renewal is sent at `dueMs`, or before when that was planned already. */
  #renewAt(dueMs: number): void {
    if (this.#timer !== undefined && this.#dueMs <= dueMs) return
    this.#timer?.cancel()
    this.#dueMs = dueMs
    this.#timer = this.#clock.after(Math.max(0, dueMs - this.#clock.monotonicMs()), () => {
      this.#timer = undefined
      this.#send()
    })
  }

  #send(): void {
    if (!this.#renewing || this.#attempt !== undefined) return
    const sentMs = this.#clock.monotonicMs()
    if (!this.#mayRenew() || this.#unanswered >= MAX_UNANSWERED) return this.#renewAt(sentMs + leastPauseMs(this.#times))
    const giveUp = this.#clock.after(giveUpMs(this.#times), () => this.#failed(attempt, `no answer within ${Math.round(giveUpMs(this.#times))} ms`))
    const attempt = { sentMs, giveUp }
    this.#attempt = attempt
    this.#sentMs = sentMs
    this.#askedAgain = false
    this.#unanswered++
    void (async () => this.#store.renewLease({ id: this.#id!, ttlMs: this.#times.ttlMs }))().then(
      renewal => this.#answered(attempt, renewal),
      (error: unknown) => {
        this.#unanswered--
        this.#failed(attempt, messageOf(error))
      },
    )
  }

  #answered(attempt: Attempt, renewal: LeaseRenewal): void {
    this.#unanswered--
    attempt.giveUp.cancel()
    if (!this.#renewing) return
    if (!renewal.held) return this.#wasRevoked()
    const deadlineMs = leaseDeadlineMs(attempt.sentMs, this.#times.ttlMs)
    if (deadlineMs > this.#deadlineMs) this.#extend(deadlineMs)
    if (this.#attempt === attempt) this.#next(attempt)
    if (this.#saidOver && this.valid()) {
      this.#saidOver = false
      this.#log.warn({ lease: this.#id }, 'the lease is held again; nothing of this host was given away')
    }
    // An answer that was overtaken knows less than what was told already.
    if (attempt.sentMs < this.#newsMs) return
    this.#newsMs = attempt.sentMs
    for (const listener of this.#news) listener({ version: renewal.version, leader: renewal.leader })
  }

  #next(answered: Attempt): void {
    this.#attempt = undefined
    this.#failures = 0
    this.#renewAt(answered.sentMs + (this.#askedAgain ? leastPauseMs(this.#times) : this.#times.renewMs))
  }

  #failed(attempt: Attempt, reason: string): void {
    attempt.giveUp.cancel()
    // Given up before: another one runs or is planned.
    if (!this.#renewing || this.#attempt !== attempt) return
    this.#attempt = undefined
    this.#log.debug({ lease: this.#id, reason }, 'a renewal of the lease failed')
    this.#renewAt(this.#clock.monotonicMs() + backoffMs(this.#failures++, RETRY_MS, this.#times.renewMs, this.#random))
    if (this.#saidOver || this.valid()) return
    this.#saidOver = true
    this.#log.error({ lease: this.#id, reason }, 'the lease could not be renewed in time: this host serves nothing until it is held again')
  }

  #wasRevoked(): void {
    void this.close(false)
    for (const listener of this.#revoked) listener()
  }
}

/** The result of `work`, or STORE_UNAVAILABLE after `ms`. */
async function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T> {
  let timer: Timer | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = clock.after(ms, () => reject(new TroupeError('STORE_UNAVAILABLE', `the cluster store gave no answer within ${ms} ms`)), true)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    timer?.cancel()
  }
}
