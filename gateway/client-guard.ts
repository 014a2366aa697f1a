/**
 * What can end a call from the caller's side: its time, its signal, or the end of its client.
 *
 * The guard outlives the attempts to send (one deadline for all of them) and, for a stream, the reply's headers: then only
 * the time limit is lifted.
 */
import type { Clock, Timer } from '../core/clock.ts'
import { TroupeError, type ErrorCode, type Executed } from '../core/errors.ts'

export class CallGuard {
  readonly what: string
  readonly #clock: Clock
  readonly #endsAt: number
  readonly #timer: Timer
  readonly #signals: readonly AbortSignal[]
  #stop: { code: ErrorCode; why: string; cause: unknown } | undefined
  #kill: (() => void) | undefined

  constructor(clock: Clock, what: string, waitMs: number, signal: AbortSignal | undefined, closing: AbortSignal) {
    this.what = what
    this.#clock = clock
    this.#endsAt = clock.monotonicMs() + waitMs
    this.#timer = clock.after(waitMs, () => this.#stopFor('CALL_TIMEOUT', `no answer within ${waitMs} ms`, undefined), true)
    this.#signals = signal === undefined ? [closing] : [closing, signal]
    for (const each of this.#signals) each.addEventListener('abort', this.#onAbort)
    if (signal?.aborted === true) this.#onAbort()
  }

  readonly #onAbort = (): void => {
    const [closing, signal] = this.#signals
    if (closing!.aborted) this.#stopFor('CANCELLED', 'the client was closed', undefined)
    else this.#stopFor('CANCELLED', 'cancelled by its signal', signal?.reason)
  }

  #stopFor(code: ErrorCode, why: string, cause: unknown): void {
    this.#stop ??= { code, why, cause }
    this.#kill?.()
  }

  /** Calls `kill` when the call is stopped, now if it already is; replaces what was watched before. */
  watch(kill: () => void): void {
    this.#kill = kill
    if (this.#stop !== undefined) kill()
  }

  /** Why the call was stopped, or undefined: then the connection failed by itself. */
  stopped(executed: Executed): TroupeError | undefined {
    if (this.#stop === undefined) return undefined
    const { code, why, cause } = this.#stop
    return new TroupeError(code, `${this.what}: ${why}`, { executed, ...(cause === undefined ? {} : { cause }) })
  }

  /** Milliseconds until its time is over. */
  get leftMs(): number {
    return Math.max(0, this.#endsAt - this.#clock.monotonicMs())
  }

  /** Resolves after `delayMs`, or when the call is stopped. */
  pause(delayMs: number): Promise<void> {
    return new Promise(resolve => {
      const timer = this.#clock.after(delayMs, resolve, true)
      this.watch(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  /** The reply has begun to stream: it may take as long as it likes. */
  liftDeadline(): void {
    this.#timer.cancel()
  }

  end(): void {
    this.#timer.cancel()
    this.#kill = undefined
    for (const each of this.#signals) each.removeEventListener('abort', this.#onAbort)
  }
}
