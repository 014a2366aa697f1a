/**
 * What a host's main thread and the thread that renews its lease leave for each other in shared memory: until when the lease is
 * valid, and that the main thread still runs. Neither ever waits for the other.
 *
 * Times are milliseconds of the machine's monotonic clock in 32 bits that wrap around every 50 days; compared by their difference. Each
 * thread converts from its own clock, rounding to the safe side: a deadline down, the present up. A deadline that nobody moved for so
 * long that it would seem to lie ahead again counts as over: whoever reads looks often (`beat`) and takes it back in time.
 */
import { machineMs, type Clock } from '../core/clock.ts'

const DEADLINE = 0
const PHASE = 1
const BEATS = 2
const WORDS = 3

const NONE = 0
const OPEN = 1
const ENDED = 2

/** A deadline this long ago is as good as any; far from the 25 days at which differences change their sign. */
const LONG_AGO_MS = 3_600_000
/** A reader that has not looked for so long cannot tell an old deadline from a new one. */
const UNSEEN_MS = 2 ** 30

export type LeaseMemory = SharedArrayBuffer

export const leaseMemory = (): LeaseMemory => new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)

/**
 * Bounds of what to add to this thread's clock to get the machine's: each reading of the machine's clock was taken after (high) or before
 * (low) one of ours, and of several the closest counts, so that a thread that was held up in between errs little, and to the safe side.
 */
export function clockOffsets(clock: Clock, machine: () => number = machineMs): { readonly low: number; readonly high: number } {
  let low = -Infinity
  let high = Infinity
  for (let i = 0; i < 5; i++) {
    const before = machine()
    const own = clock.monotonicMs()
    const after = machine()
    low = Math.max(low, before - own)
    high = Math.min(high, after - own)
  }
  return { low, high }
}

/** The renewing thread's end. */
export class LeaseBoardWriter {
  readonly #words: Int32Array
  readonly #offsetMs: number

  constructor(memory: LeaseMemory, clock: Clock, machine?: () => number) {
    this.#words = new Int32Array(memory)
    this.#offsetMs = clockOffsets(clock, machine).low
  }

  /** The lease is valid until then, by this thread's clock; -Infinity: never again. */
  deadline(deadlineMs: number): void {
    if (deadlineMs === -Infinity) return void Atomics.store(this.#words, PHASE, ENDED)
    Atomics.store(this.#words, DEADLINE, Math.floor(deadlineMs + this.#offsetMs) | 0)
    Atomics.compareExchange(this.#words, PHASE, NONE, OPEN)
  }

  /** Changes with each beat of the main thread. */
  beats(): number {
    return Atomics.load(this.#words, BEATS)
  }
}

/** The main thread's end. */
export class LeaseBoardReader {
  readonly #words: Int32Array
  readonly #clock: Clock
  readonly #offsetMs: number
  #lookedMs: number

  constructor(memory: LeaseMemory, clock: Clock, machine?: () => number) {
    this.#words = new Int32Array(memory)
    this.#clock = clock
    this.#offsetMs = clockOffsets(clock, machine).high
    this.#lookedMs = clock.monotonicMs()
  }

  /** Until the deadline; 0 or less: it has passed, or there is none. No allocation. */
  leftMs(): number {
    const nowMs = this.#clock.monotonicMs()
    if (Atomics.load(this.#words, PHASE) !== OPEN || nowMs - this.#lookedMs > UNSEEN_MS) return 0
    return (Atomics.load(this.#words, DEADLINE) - Math.ceil(nowMs + this.#offsetMs)) | 0
  }

  /** Says that this thread runs; several times a second. */
  beat(): void {
    Atomics.add(this.#words, BEATS, 1)
    const deadline = Atomics.load(this.#words, DEADLINE)
    const nowMs = this.#clock.monotonicMs()
    const now = Math.ceil(nowMs + this.#offsetMs) | 0
    const unseen = nowMs - this.#lookedMs > UNSEEN_MS
    // Only if no newer one came meanwhile.
    if (unseen || ((deadline - now) | 0) < -LONG_AGO_MS) Atomics.compareExchange(this.#words, DEADLINE, deadline, (now - LONG_AGO_MS) | 0)
    this.#lookedMs = nowMs
  }

  /** The lease is over for good. */
  end(): void {
    Atomics.store(this.#words, PHASE, ENDED)
  }
}
