/**
 * The scheduler of a simulation: virtual time, seeded chance, and the processes that live in it.
 *
 * Everything that happens is an event with a time. One event runs, then all promise jobs that follow from it, then the next:
 * so a run is a function of its seed. Events of the same time run in the order in which they were made. A process
 * (sim-process.ts) has its own clock and runs its own events; frozen, they wait; dead, they never run.
 *
 * Promise jobs are drained by the event loop itself, between two immediates. Immediates are set a batch at a time, because
 * a turn of the loop costs more than most events.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { SystemClock } from '../../core/clock.ts'
import { SeededRandom } from '../../core/random.ts'
import { EventHeap, type SimEvent } from './event-heap.ts'
import { SimProcess } from './sim-process.ts'
import { SimTrace } from './sim-trace.ts'

const BATCH = 64
/** Events at one instant after which time will never go on. */
const MAX_AT_ONCE = 200_000

export interface SimKernelOptions {
  readonly seed: number
  /** Wall time at which virtual time begins, ms since the epoch; 14 November 2023, 22:13:20 UTC, by default. */
  readonly wallStartMs?: number
  /** What timers of processes may be late by, as on a real event loop; 0 by default. */
  readonly timerLateMs?: number
  /** Runs what is due at the present time without being asked; time itself stands until `run`. Off by default. */
  readonly prompt?: boolean
  /** Trace lines kept for a report; 200 by default. */
  readonly keptLines?: number
}

export class SimKernel {
  readonly random: SeededRandom
  readonly trace: SimTrace
  readonly wallStartMs: number
  readonly timerLateMs: number
  readonly #prompt: boolean
  readonly #heap = new EventHeap()
  /** Runs a function outside of any turn: the loop may be started from within one. */
  readonly #outside = AsyncLocalStorage.snapshot()
  readonly #loop = new SystemClock()
  readonly #step = (): void => this.#takeStep()
  #now = 0
  #order = 0
  #ran = 0
  /** Of those, at the present instant. */
  #atOnce = 0
  #running: SimProcess | undefined
  /** Steps that are set and have not run. */
  #set = 0
  #drive: { more(): boolean; over(error?: unknown): void } | undefined

  constructor(options: SimKernelOptions) {
    this.random = new SeededRandom(options.seed)
    this.trace = new SimTrace(options.keptLines ?? 200)
    this.wallStartMs = options.wallStartMs ?? 1_700_000_000_000
    this.timerLateMs = options.timerLateMs ?? 0
    this.#prompt = options.prompt ?? false
  }

  /** Virtual milliseconds since the start. */
  get nowMs(): number {
    return this.#now
  }
  /** Events that have run. */
  get ran(): number {
    return this.#ran
  }
  /** The process whose event, or whose promise job, runs now. */
  get running(): SimProcess | undefined {
    return this.#running
  }

  process(name: string): SimProcess {
    return new SimProcess(this, name)
  }

  /** Runs `run` after `delayMs`, as part of `process` when one is given. */
  after(delayMs: number, run: () => void, process?: SimProcess): SimEvent {
    const event: SimEvent = { at: this.#now + delayMs, order: this.#order++, run, process, cancelled: false, index: -1 }
    this.#heap.push(event)
    if (this.#prompt && this.#drive === undefined && event.at <= this.#now) this.#start(() => this.#isDue(this.#now), error => { if (error !== undefined) throw error })
    return event
  }

  cancel(event: SimEvent): void {
    event.cancelled = true
    this.#heap.remove(event)
  }

  /** A line of the trace, with time and running process. */
  note(line: string): void {
    this.trace.add(`${this.#now.toFixed(3)} ${this.#running?.name ?? '-'} ${line}`)
  }

  /** Runs everything that falls due within `ms`; resolves when the clock stands there. Rejects with what an event threw. */
  async run(ms: number): Promise<void> {
    const until = this.#now + ms
    await this.#driving(() => this.#isDue(until))
    this.#now = Math.max(this.#now, until)
  }

  /** Runs until `over` says so, `withinMs` at most; false when it did not. */
  async runUntil(over: () => boolean, withinMs: number): Promise<boolean> {
    const until = this.#now + withinMs
    await this.#driving(() => !over() && this.#isDue(until))
    if (!over()) this.#now = Math.max(this.#now, until)
    return over()
  }

  /** Lets time pass until `promise` settles. */
  async settled<T>(promise: Promise<T>, withinMs: number): Promise<T> {
    let over = false
    const done = (): void => { over = true }
    promise.then(done, done)
    if (!await this.runUntil(() => over, withinMs)) throw new Error(`nothing more happens within ${withinMs} virtual ms, and it is not settled`)
    return promise
  }

  async #driving(more: () => boolean): Promise<void> {
    // What was started promptly first comes to its end.
    while (this.#drive !== undefined) await new Promise<void>(resolve => this.#loop.soon(resolve))
    await new Promise<void>((resolve, reject) => this.#start(more, error => error === undefined ? resolve() : reject(error as Error)))
  }

  #start(more: () => boolean, over: (error?: unknown) => void): void {
    this.#drive = { more, over }
    if (this.#set === 0) this.#outside(() => this.#setSteps())
  }

  #setSteps(): void {
    this.#set = BATCH
    for (let i = 0; i < BATCH; i++) this.#loop.soon(this.#step)
  }

  #isDue(until: number): boolean {
    const first = this.#heap.first
    return first !== undefined && first.at <= until
  }

  #takeStep(): void {
    this.#set--
    const drive = this.#drive
    if (drive === undefined) return
    this.#running = undefined
    try {
      if (!drive.more()) {
        this.#drive = undefined
        drive.over()
        return
      }
      const event = this.#heap.pop()!
      this.#atOnce = event.at > this.#now ? 0 : this.#atOnce + 1
      if (this.#atOnce > MAX_AT_ONCE) throw new Error(`${MAX_AT_ONCE} events at ${this.#now} virtual ms: something repeats itself without letting time pass`)
      this.#now = Math.max(this.#now, event.at)
      this.#ran++
      this.trace.count(this.#now, event.order)
      this.act(event.process, event.run)
    } catch (error) {
      this.#drive = undefined
      drive.over(error ?? new Error('an event threw nothing'))
      return
    }
    if (this.#set === 0) this.#setSteps()
  }

  /** Runs `run` as part of `process`: now, when it is thawed, or never. */
  act(process: SimProcess | undefined, run: () => void): void {
    if (process !== undefined && !process.mayRun(run)) return
    this.#running = process
    run()
  }
}
