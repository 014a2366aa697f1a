/**
 * Calls waiting for a turn of one activation: first come, first served, bounded. Pure.
 * Settled ones (given up by their callers) are skipped and do not count. It knows its pace: how long one call after the
 * other took to leave, while it lasted.
 */
import type { CallKeeper, Invocation } from '../../actors/invocation.ts'

/** Calls that must have left before the pace counts for anything, and as many as it is the mean of, about. */
const SOUND_AFTER = 16
const MEMORY = 32

export class Mailbox implements CallKeeper {
  #calls: Invocation[] = []
  #head = 0
  #live = 0
  #bytes = 0
  #paceMs = 0
  #left = 0
  #lastLeftMs: number | undefined

  get size(): number {
    return this.#live
  }

  /** Places taken in memory, those of settled calls included: at most twice `size`, and a few. */
  get room(): number {
    return this.#calls.length
  }

  /** What the arguments of the waiting calls take, as far as is known. */
  get bytes(): number {
    return this.#bytes
  }

  /** How long a call that came now would wait for its turn and for the end of it; undefined while too little is known. */
  get expectedMs(): number | undefined {
    return this.#left < SOUND_AFTER ? undefined : (this.#live + 1) * this.#paceMs
  }

  push(call: Invocation): void {
    this.#calls.push(call)
    this.#live++
    this.#bytes += call.bytes
  }

  /** The caller gave up; its place is skipped when its turn comes, or taken back when such places are most of all. */
  abandoned(call: Invocation): void {
    this.#live--
    this.#bytes -= call.bytes
    if (this.#live === 0) this.#reset()
    else if (this.#calls.length > 64 && this.#live * 2 < this.#calls.length) {
      const bytes = this.#bytes
      this.#calls = this.takeAll()
      this.#live = this.#calls.length
      this.#bytes = bytes
    }
  }

  /** The next waiting call, left in its place. */
  peek(): Invocation | undefined {
    while (this.#head < this.#calls.length && this.#calls[this.#head]!.settled) this.#head++
    return this.#calls[this.#head]
  }

  /** Takes what `peek` showed. */
  shift(nowMs: number): void {
    this.#measure(nowMs)
    this.#bytes -= this.#calls[this.#head]!.bytes
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
      this.#bytes -= call.bytes
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

  /** Only calls that others wait behind tell of the pace: the first of a queue found it empty. */
  #measure(nowMs: number): void {
    if (this.#lastLeftMs !== undefined) {
      const tookMs = nowMs - this.#lastLeftMs
      this.#left++
      this.#paceMs += (tookMs - this.#paceMs) / Math.min(this.#left, MEMORY)
    }
    this.#lastLeftMs = nowMs
  }

  #reset(): void {
    this.#calls = []
    this.#head = 0
    this.#live = 0
    this.#bytes = 0
    // Whoever comes next finds nobody waiting: time until then is not the queue's.
    this.#lastLeftMs = undefined
  }
}
