/**
 * Calls waiting for a turn of one activation: first come, first served, bounded. Pure.
 * Settled ones (given up by their callers) are skipped and do not count.
 */
import type { CallKeeper, Invocation } from '../../actors/invocation.ts'

export class Mailbox implements CallKeeper {
  #calls: Invocation[] = []
  #head = 0
  #live = 0

  get size(): number {
    return this.#live
  }

  /** Places taken in memory, those of settled calls included: at most twice `size`, and a few. */
  get room(): number {
    return this.#calls.length
  }

  push(call: Invocation): void {
    this.#calls.push(call)
    this.#live++
  }

  /** The caller gave up; its place is skipped when its turn comes, or taken back when such places are most of all. */
  abandoned(): void {
    this.#live--
    if (this.#live === 0) this.#reset()
    else if (this.#calls.length > 64 && this.#live * 2 < this.#calls.length) {
      this.#calls = this.takeAll()
      this.#live = this.#calls.length
    }
  }

  /** The next waiting call, left in its place. */
  peek(): Invocation | undefined {
    while (this.#head < this.#calls.length && this.#calls[this.#head]!.settled) this.#head++
    return this.#calls[this.#head]
  }

  /** Takes what `peek` showed. */
  shift(): void {
    this.#calls[this.#head] = undefined as unknown as Invocation
    this.#head++
    this.#live--
    if (this.#live === 0) this.#reset()
    else if (this.#head > 64 && this.#head * 2 > this.#calls.length) {
      this.#calls = this.#calls.slice(this.#head)
      this.#head = 0
    }
  }

  /** Takes the first waiting call for which `test` holds, out of turn. */
  takeFirst(test: (call: Invocation) => boolean): Invocation | undefined {
    for (let i = this.#head; i < this.#calls.length; i++) {
      const call = this.#calls[i]!
      if (call.settled || !test(call)) continue
      this.#calls.splice(i, 1)
      this.#live--
      return call
    }
    return undefined
  }

  /** All that wait, in order; the mailbox is empty afterwards. */
  takeAll(): Invocation[] {
    const rest = this.#calls.slice(this.#head).filter(call => !call.settled)
    this.#reset()
    return rest
  }

  #reset(): void {
    this.#calls = []
    this.#head = 0
    this.#live = 0
  }
}
