/**
 * The output gate of one activation (P3): what waits until the changes that it could have seen are durable. Pure.
 *
 * Two groups: of the flush in flight, and of the one after it. Each is an array once there is something to store.
 */
import { mechanisms } from '../../core/mechanisms.ts'
import type { Held } from './turn.ts'

export class AnswerGate {
  #queued: Held[] | undefined
  #inFlight: Held[] | undefined

  get shut(): boolean {
    return this.#queued !== undefined || this.#inFlight !== undefined
  }

  get writing(): boolean {
    return this.#inFlight !== undefined
  }

  /** A turn left changes. True when they need a flush that nobody has asked for yet. */
  shutForChanges(): boolean {
    if (this.#queued !== undefined) return false
    this.#queued = []
    return true
  }

  /** Lets it go at once, or when what is visible now is durable. */
  pass(held: Held): void {
    const group = this.#queued ?? this.#inFlight
    if (group === undefined || mechanisms.off?.has('answers-wait')) held.release()
    else group.push(held)
  }

  /** A flush begins: it takes everything that is queued. */
  flushBegins(): void {
    this.#inFlight = this.#queued
    this.#queued = undefined
  }

  /** The flush has ended, well or not: who waited for it. */
  flushEnded(): readonly Held[] {
    const held = this.#inFlight ?? []
    this.#inFlight = undefined
    return held
  }

  /** All that wait, the gate is open afterwards. */
  takeAll(): readonly Held[] {
    const all = [...this.#inFlight ?? [], ...this.#queued ?? []]
    this.#inFlight = this.#queued = undefined
    return all
  }
}
