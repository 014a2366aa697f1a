/**
 * Time as a port. Nothing outside the adapters in this file reads a clock or sets a timer.
 *
 * `wallMs` decides only when durable things are due (P10); every wait and deadline uses `monotonicMs`.
 */

/** A timer that can be called off; calling it off twice is harmless. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Milliseconds since the Unix epoch; may jump. */
  wallMs(): number
  /** Milliseconds since some fixed start; never goes back. */
  monotonicMs(): number
  /** Runs `run` once after `delayMs` (0 to 2^31-1); the process does not stay up for it unless `keepAlive`. */
  after(delayMs: number, run: () => void, keepAlive?: boolean): Timer
  /** Runs `run` when the present tick's callbacks and promise jobs are done. */
  soon(run: () => void): void
}

export class SystemClock implements Clock {
  wallMs(): number {
    return Date.now()
  }
  monotonicMs(): number {
    return performance.now()
  }
  after(delayMs: number, run: () => void, keepAlive = false): Timer {
    const handle = setTimeout(run, delayMs)
    if (!keepAlive) handle.unref()
    return { cancel: () => clearTimeout(handle) }
  }
  soon(run: () => void): void {
    setImmediate(run)
  }
}

/**
 * Milliseconds of the machine's monotonic clock: the same in all its processes, never set, starting anew with the machine. For
 * times that processes of one machine leave for each other.
 */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** Resolves after `delayMs`. */
export const sleep = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise(resolve => { clock.after(delayMs, resolve, true) })

/**
 * A clock moved by hand: `advance(ms)` runs what falls due, in order, with promise jobs in between.
 * Two calls of `after` for the same instant run in the order they were made.
 */
export class ManualClock implements Clock {
  #now = 0
  #order = 0
  #pending: { at: number; order: number; run: () => void }[] = []
  readonly #wallStart: number

  constructor(wallStartMs = 1_700_000_000_000) {
    this.#wallStart = wallStartMs
  }
  wallMs(): number {
    return this.#wallStart + this.#now
  }
  monotonicMs(): number {
    return this.#now
  }
  after(delayMs: number, run: () => void): Timer {
    const entry = { at: this.#now + Math.max(0, delayMs), order: this.#order++, run }
    this.#pending.push(entry)
    return { cancel: () => { this.#pending = this.#pending.filter(p => p !== entry) } }
  }
  soon(run: () => void): void {
    this.after(0, run)
  }
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    for (;;) {
      // Macrotask in between: promise chains of any length settle before the next timer runs.
      await new Promise<void>(resolve => setImmediate(resolve))
      const due = this.#pending.filter(p => p.at <= until).sort((a, b) => a.at - b.at || a.order - b.order)[0]
      if (due === undefined) break
      this.#pending = this.#pending.filter(p => p !== due)
      this.#now = Math.max(this.#now, due.at)
      due.run()
    }
    this.#now = until
  }
}
