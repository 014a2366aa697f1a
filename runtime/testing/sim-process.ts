/**
 * One process of a simulation, which is the clock of all that runs in it.
 *
 * *Frozen* as by SIGSTOP: none of its events run, its clocks go on; what fell due meanwhile runs when it is thawed. *Paused*
 * as a machine whose hypervisor stopped it: its monotonic clock stands as well. *Dead*: what it had set never runs, and what
 * still runs of it to the end of its present promise jobs reaches nobody (`onDeath`, and whoever asks for its phase).
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock, Timer } from '../../core/clock.ts'
import type { SimEvent } from './event-heap.ts'
import type { SimKernel } from './sim-kernel.ts'

export type SimProcessPhase = 'up' | 'frozen' | 'dead'

export class SimProcess implements Clock {
  readonly name: string
  readonly #kernel: SimKernel
  readonly #mourners: (() => void)[] = []
  #phase: SimProcessPhase = 'up'
  /** What fell due while it was frozen, in order. */
  #backlog: (() => void)[] = []
  #wallAheadMs = 0
  /** Own monotonic time at the kernel's `#sinceMs`, and how fast it goes. */
  #monotonicMs: number
  #sinceMs: number
  #rate = 1
  #soonMs = 0

  constructor(kernel: SimKernel, name: string) {
    this.#kernel = kernel
    this.name = name
    this.#sinceMs = this.#monotonicMs = kernel.nowMs
  }

  get phase(): SimProcessPhase {
    return this.#phase
  }

  wallMs(): number {
    return Math.floor(this.#kernel.wallStartMs + this.#kernel.nowMs + this.#wallAheadMs)
  }

  monotonicMs(): number {
    return this.#monotonicMs + (this.#kernel.nowMs - this.#sinceMs) * this.#rate
  }

  after(delayMs: number, run: () => void): Timer {
    return new SimTimer(this.#kernel, this, Math.max(0, delayMs), AsyncLocalStorage.bind(run))
  }

  soon(run: () => void): void {
    // In their order, also when the kernel adds chance to times.
    this.#soonMs = Math.max(this.#soonMs, this.#kernel.nowMs)
    this.#kernel.after(this.#soonMs - this.#kernel.nowMs, AsyncLocalStorage.bind(run), this)
  }

  /** Virtual milliseconds until this process's monotonic clock shows `monotonicMs`. */
  untilMs(monotonicMs: number): number {
    return this.#rate === 0 ? Infinity : Math.max(0, (monotonicMs - this.monotonicMs()) / this.#rate)
  }

  // ---- faults -----------------------------------------------------------------------------------------------------

  jumpWall(ms: number): void {
    this.#wallAheadMs += ms
  }

  /** How fast its monotonic clock goes; 1 is right. Timers that run are late or early by the difference at most once. */
  setRate(rate: number): void {
    this.#monotonicMs = this.monotonicMs()
    this.#sinceMs = this.#kernel.nowMs
    this.#rate = rate
  }

  /** `clock`: whether its monotonic clock goes on meanwhile. */
  freeze(clock: 'goes on' | 'stands'): void {
    if (this.#phase !== 'up') return
    this.#phase = 'frozen'
    if (clock === 'stands') this.setRate(0)
  }

  thaw(): void {
    if (this.#phase !== 'frozen') return
    this.#phase = 'up'
    if (this.#rate === 0) this.setRate(1)
    const backlog = this.#backlog
    this.#backlog = []
    for (const run of backlog) this.#kernel.after(0, run, this)
  }

  kill(): void {
    if (this.#phase === 'dead') return
    this.#phase = 'dead'
    this.#backlog = []
    for (const mourn of this.#mourners) mourn()
  }

  /** What the operating system does when it is killed. */
  onDeath(mourn: () => void): void {
    this.#mourners.push(mourn)
  }

  /** For the kernel: whether `run` may run now. A frozen process runs it later. */
  mayRun(run: () => void): boolean {
    if (this.#phase === 'frozen') this.#backlog.push(run)
    return this.#phase === 'up'
  }
}

/** Due by the process's own clock, which may have run slower than was thought when it was set. */
class SimTimer implements Timer {
  readonly #kernel: SimKernel
  readonly #process: SimProcess
  readonly #run: () => void
  readonly #dueMs: number
  readonly #ring = (): void => this.#fire()
  #event: SimEvent | undefined
  #over = false

  constructor(kernel: SimKernel, process: SimProcess, delayMs: number, run: () => void) {
    this.#kernel = kernel
    this.#process = process
    this.#run = run
    this.#dueMs = process.monotonicMs() + delayMs
    const lateMs = kernel.timerLateMs === 0 ? 0 : kernel.random.float() * kernel.timerLateMs
    this.#event = kernel.after(delayMs + lateMs, this.#ring, process)
  }

  #fire(): void {
    if (this.#over) return
    const leftMs = this.#process.untilMs(this.#dueMs)
    // What is left by rounding alone is nothing.
    if (leftMs > 1e-6) {
      this.#event = this.#kernel.after(leftMs, this.#ring, this.#process)
      return
    }
    this.#over = true
    this.#run()
  }

  cancel(): void {
    this.#over = true
    if (this.#event !== undefined) this.#kernel.cancel(this.#event)
    this.#event = undefined
  }
}
