/** A service of a simulated machine under a supervisor: what died or failed is started again, each time as a new process. */
import { messageOf } from '../../core/errors.ts'
import type { SimKernel } from './sim-kernel.ts'
import type { SimProcess } from './sim-process.ts'

export interface SimServiceParts<Running> {
  /** Starts it within `process`, which is new. */
  boot(process: SimProcess): Promise<Running>
  /** A planned stop. */
  shut(running: Running): Promise<void>
  /** Resolves or rejects when it stopped by itself. */
  ended?(running: Running): Promise<void>
}

const RESTART_MS = 500

export class SimService<Running> {
  readonly name: string
  readonly #kernel: SimKernel
  readonly #parts: SimServiceParts<Running>
  #process: SimProcess | undefined
  #running: Running | undefined
  #wanted = true
  #upSinceMs = Infinity
  lives = 0

  constructor(kernel: SimKernel, name: string, parts: SimServiceParts<Running>) {
    this.#kernel = kernel
    this.name = name
    this.#parts = parts
  }

  /** Undefined while it is down. */
  get process(): SimProcess | undefined {
    return this.#process
  }

  /** What was booted; undefined while it starts or is down. */
  get running(): Running | undefined {
    return this.#process?.phase === 'dead' ? undefined : this.#running
  }

  /** Virtual ms for which it has been up and was not asked to stop; 0 while it is not. */
  get upMs(): number {
    return this.running === undefined ? 0 : Math.max(0, this.#kernel.nowMs - this.#upSinceMs)
  }

  start(): void {
    this.#wanted = true
    if (this.#process !== undefined) return
    const process = this.#process = this.#kernel.process(this.name)
    this.lives++
    this.#kernel.note(`${this.name} starts, life ${this.lives}`)
    this.#kernel.after(0, () => {
      this.#parts.boot(process).then(running => {
        if (this.#process !== process) return
        this.#running = running
        this.#upSinceMs = this.#kernel.nowMs
        this.#kernel.note(`${this.name} is up`)
        const ended = (): void => this.#ended(process, 'it stopped')
        this.#parts.ended?.(running).then(ended, ended)
      }, (error: unknown) => this.#ended(process, `it did not start: ${messageOf(error)}`))
    }, process)
  }

  #ended(process: SimProcess, why: string): void {
    if (this.#process !== process) return
    this.#kernel.note(`${this.name} ended: ${why}`)
    this.kill(RESTART_MS)
  }

  /** As `kill -9`; started again after `downMs`. */
  kill(downMs: number): void {
    const process = this.#process
    this.#process = this.#running = undefined
    process?.kill()
    if (process !== undefined) this.#kernel.after(downMs, () => { if (this.#wanted) this.start() })
  }

  /** A planned stop (SIGTERM); started again `downMs` after it has ended. */
  stop(downMs: number): void {
    const process = this.#process
    const running = this.#running
    if (process === undefined || running === undefined) return
    this.#upSinceMs = Infinity
    this.#kernel.after(0, () => {
      const over = (): void => {
        if (this.#process === process) this.kill(downMs)
      }
      this.#parts.shut(running).then(over, over)
    }, process)
  }
}
