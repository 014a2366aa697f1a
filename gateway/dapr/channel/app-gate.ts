/**
 * So many requests to an application at once; the rest waits in line, first come first served.
 *
 * A turn that waits for another turn of the same application keeps its place meanwhile: with a limit of 1, a call from actor to actor
 * waits for itself until its deadline, as in Dapr.
 */
import { TroupeError } from '../../../core/errors.ts'
import { stopped } from './app-wire.ts'

const RETRY_MS = 500

export class AppGate {
  readonly #limit: number
  readonly #maxWaiting: number
  #inside = 0
  readonly #waiting = new Set<() => void>()

  constructor(limit: number, maxWaiting: number) {
    this.#limit = limit
    this.#maxWaiting = maxWaiting
  }

  /** Undefined: at once. `leave` ends what was entered. @throws OVERLOADED · CANCELLED, or what `signal` was aborted with */
  enter(what: string, signal: AbortSignal): Promise<void> | undefined {
    if (signal.aborted) return Promise.reject(stopped(signal, what, 'no'))
    if (this.#inside < this.#limit) {
      this.#inside++
      return undefined
    }
    if (this.#waiting.size >= this.#maxWaiting) {
      return Promise.reject(new TroupeError('OVERLOADED',
        `${what}: ${this.#limit} requests to the application are under way and ${this.#waiting.size} wait, more may not (--app-max-concurrency)`, { retryAfterMs: RETRY_MS }))
    }
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', giveUp)
        resolve()
      }
      const giveUp = (): void => {
        this.#waiting.delete(go)
        reject(stopped(signal, what, 'no'))
      }
      this.#waiting.add(go)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }

  leave(): void {
    for (const next of this.#waiting) {
      this.#waiting.delete(next)
      // The place goes over to it.
      return next()
    }
    this.#inside--
  }
}
