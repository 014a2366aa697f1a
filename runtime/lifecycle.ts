/**
 * Start and stop as data: stages run in order, and are undone in the opposite order, each within its deadline.
 * A start that fails undoes what had started, and rejects with the reason of the stage that failed.
 */
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'

export interface Stage {
  readonly name: string
  start?(): void | Promise<void>
  stop?(): void | Promise<void>
  /** How long `stop` may take before the next stage is stopped all the same. */
  readonly stopWithinMs?: number
}

export class Lifecycle {
  readonly #stages: readonly Stage[]
  readonly #clock: Clock
  readonly #log: Logger
  #started = 0

  constructor(stages: readonly Stage[], clock: Clock, log: Logger) {
    this.#stages = stages
    this.#clock = clock
    this.#log = log
  }

  async start(): Promise<void> {
    for (const stage of this.#stages) {
      try {
        // Counted first: a stage that fails half-way has something to undo.
        this.#started++
        await stage.start?.()
      } catch (error) {
        await this.stop()
        throw error
      }
    }
  }

  /** Names of the stages that did not stop in time or threw. */
  async stop(): Promise<string[]> {
    const late: string[] = []
    while (this.#started > 0) {
      const stage = this.#stages[--this.#started]!
      if (stage.stop !== undefined && !await this.#stopOne(stage)) late.push(stage.name)
    }
    return late
  }

  async #stopOne(stage: Stage): Promise<boolean> {
    const withinMs = stage.stopWithinMs ?? 5000
    let timer: Timer | undefined
    const deadline = new Promise<'late'>(resolve => { timer = this.#clock.after(withinMs, () => resolve('late'), true) })
    try {
      if (await Promise.race([Promise.resolve(stage.stop!()), deadline]) !== 'late') return true
      this.#log.warn({ stage: stage.name, withinMs }, 'stage did not stop in time')
    } catch (error) {
      this.#log.warn({ stage: stage.name, reason: messageOf(error) }, 'stage failed to stop')
    } finally {
      timer?.cancel()
    }
    return false
  }
}
