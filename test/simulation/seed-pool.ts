/** Runs seeds on processes of its own, as many at a time as there are. Seeds share nothing, so neither do their processes. */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { RunOptions, RunResult } from './run-seed.ts'

export type SeedReport = Omit<RunResult, 'history'>

interface Job {
  readonly seed: number
  readonly options: RunOptions
  settle(report: SeedReport): void
}

/** Real time after which a run that does not end is given up: a mechanism that is off may make it go round for ever. */
const STUCK_MS = 120_000

export class SeedPool {
  readonly #idle: ChildProcess[] = []
  readonly #all = new Set<ChildProcess>()
  readonly #jobs: Job[] = []
  readonly #size: number

  constructor(size: number) {
    this.#size = size
  }

  run(seed: number, options: RunOptions): Promise<SeedReport> {
    return new Promise(resolve => {
      this.#jobs.push({ seed, options, settle: resolve })
      this.#pump()
    })
  }

  close(): void {
    for (const child of this.#all) child.kill('SIGKILL')
    this.#all.clear()
  }

  #pump(): void {
    while (this.#jobs.length > 0) {
      const child = this.#idle.pop() ?? (this.#all.size < this.#size ? this.#start() : undefined)
      if (child === undefined) return
      this.#give(child, this.#jobs.shift()!)
    }
  }

  #start(): ChildProcess {
    // Its own options only: those of a test runner are none of its business.
    const child = fork(fileURLToPath(new URL('./seed-worker.ts', import.meta.url)), { execArgv: [], serialization: 'advanced' })
    this.#all.add(child)
    return child
  }

  #give(child: ChildProcess, { seed, options, settle }: Job): void {
    const over = (report: SeedReport, lives: boolean): void => {
      clearTimeout(timer)
      child.removeAllListeners('message').removeAllListeners('exit')
      if (lives) this.#idle.push(child)
      else this.#all.delete(child)
      settle(report)
      this.#pump()
    }
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      over(brokenDown(seed, `it did not end within ${STUCK_MS / 1000} s`), false)
    }, STUCK_MS)
    child.once('message', report => over(report as SeedReport, true))
    child.once('exit', (code, signal) => over(brokenDown(seed, `its process ended with ${signal ?? code}`), false))
    child.send({ seed, options })
  }
}

const brokenDown = (seed: number, problem: string): SeedReport =>
  ({ seed, hash: '', problems: [{ checker: 'nothing-breaks-down', problem }], plan: [], lines: [], events: 0, calls: 0, acknowledged: 0 })
