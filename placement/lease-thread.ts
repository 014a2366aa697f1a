/**
 * Holds a lease on a thread of its own, so that a busy main thread does not lose it; one that is stuck for longer than `stallMs` does.
 *
 * Promises: what `LeaseKeeper` promises, asked without waiting for that thread. A frozen process finds its lease over in the
 * very moment in which it goes on, since the deadline lies in memory and the clock does not stop. The thread keeps no process
 * alive and ends with it. One that crashes is replaced while the lease lasts; when that fails again and again, the lease counts as revoked.
 */
import { Worker } from 'node:worker_threads'
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { LeaseBoardReader, leaseMemory } from './lease-board.ts'
import type { LeaseFailure, LeaseOrder, LeaseReport, LeaseTask } from './lease-messages.ts'
import { defaultLeaseTimes, type LeaseHolder, type LeaseNews, type LeaseTimes } from './lease.ts'

/** How often the main thread says that it runs. */
const BEAT_MS = 100
/** A thread that has not opened the lease by then never will: loading takes part of a second, and stores give up within seconds. */
const OPEN_MS = 20_000
/** How long beyond the store's own time a thread may take to end. */
const CLOSE_MS = 5_000
/** A thread that crashed is replaced after a pause, so often within a minute. */
const MAX_CRASHES = 3
const CRASHES_WITHIN_MS = 60_000
const RESTART_MS = 50

export interface LeaseThreadOptions {
  /** URL of the cluster store; the thread opens a connection of its own. */
  readonly clusterStore: string
  readonly namespace: string
  /** Must go with the machine's monotonic clock. */
  readonly clock: Clock
  readonly log: Logger
  readonly times?: LeaseTimes
  /** What runs on the thread; for tests. */
  readonly worker?: URL
}

export class LeaseThread implements LeaseHolder {
  readonly #options: LeaseThreadOptions
  readonly #clock: Clock
  readonly #log: Logger
  readonly #times: LeaseTimes
  readonly #memory = leaseMemory()
  readonly #board: LeaseBoardReader
  readonly #news: ((news: LeaseNews) => void)[] = []
  readonly #revoked: (() => void)[] = []
  readonly #crashes: number[] = []
  #id: string | undefined
  #worker: Worker | undefined
  #opening: { resolve(): void; reject(error: Error): void } | undefined
  #opened = false
  #gaveUp = false
  #ended = false
  #closed: Promise<void> | undefined
  #beat: Timer | undefined
  #restart: Timer | undefined

  constructor(options: LeaseThreadOptions) {
    this.#options = options
    this.#clock = options.clock
    this.#log = options.log.child({ thread: 'lease' })
    this.#times = options.times ?? defaultLeaseTimes
    this.#board = new LeaseBoardReader(this.#memory, options.clock)
  }

  open(id: string): Promise<void> {
    if (this.#id !== undefined || this.#ended) return Promise.reject(new TroupeError('INTERNAL', 'lease: this holder has had its lease; make a new one for another'))
    this.#id = id
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(OPEN_MS, () => this.#opening?.reject(new TroupeError('STORE_UNAVAILABLE',
        `lease ${id}: its thread did not open it within ${OPEN_MS} ms`)), true)
      const settle = (): void => {
        timer.cancel()
        this.#opening = undefined
      }
      this.#opening = {
        resolve: () => { settle(); this.#opened = true; resolve() },
        reject: error => {
          settle()
          if (!this.#ended) void this.close(false)
          reject(error)
        },
      }
      this.#beatOn()
      this.#start(false)
    })
  }

  valid(): boolean {
    return this.#board.leftMs() > 0
  }

  leftMs(): number {
    return this.#board.leftMs()
  }

  onNews(listener: (news: LeaseNews) => void): void {
    this.#news.push(listener)
  }

  onRevoked(listener: () => void): void {
    this.#revoked.push(listener)
  }

  renewNow(): void {
    this.#tell({ kind: 'renewNow' })
  }

  close(release: boolean): Promise<void> {
    return (this.#closed ??= this.#end(release))
  }

  async #end(release: boolean): Promise<void> {
    this.#ended = true
    this.#board.end()
    this.#beat?.cancel()
    this.#restart?.cancel()
    this.#opening?.reject(new TroupeError('STORE_UNAVAILABLE', `lease ${this.#id}: it was closed before it was open`))
    const worker = this.#worker
    if (worker === undefined) return
    await new Promise<void>(resolve => {
      const late = this.#clock.after(this.#times.ttlMs + CLOSE_MS, () => {
        this.#log.warn({}, 'the thread of the lease did not end by itself; it is stopped')
        void worker.terminate()
        // One that hangs in a store's own code ends with the process.
        resolve()
      }, true)
      worker.once('exit', () => {
        late.cancel()
        resolve()
      })
      this.#tell({ kind: 'close', release })
    })
  }

  #tell(order: LeaseOrder): void {
    this.#worker?.postMessage(order)
  }

  #beatOn(): void {
    this.#board.beat()
    this.#beat = this.#clock.after(BEAT_MS, () => this.#beatOn())
  }

  #start(resume: boolean): void {
    const { clusterStore, namespace } = this.#options
    const task: LeaseTask = { id: this.#id!, resume, clusterStore, namespace, times: this.#times, memory: this.#memory }
    const worker = new Worker(this.#options.worker ?? workerFile(), {
      // What the process was told to preload is not meant for this thread.
      workerData: task, name: 'troupe-lease', execArgv: [],
    })
    this.#worker = worker
    let reason = 'it ended'
    worker.on('message', (said: LeaseReport) => this.#heard(said))
    worker.on('error', error => { reason = messageOf(error) })
    worker.on('exit', () => {
      this.#worker = undefined
      this.#gone(reason)
    })
    // After the listeners: to listen is to keep the process up.
    worker.unref()
  }

  #heard(said: LeaseReport): void {
    // Whoever closed this wants to hear nothing more, but may have to read why something failed.
    if (said.kind === 'log') return this.#log[said.level](said.fields, said.message)
    if (this.#ended) return
    if (said.kind === 'opened') this.#opening?.resolve()
    else if (said.kind === 'failed') this.#failed(said.failure)
    else if (said.kind === 'news') for (const listener of this.#news) listener(said.news)
    else if (said.kind === 'revoked') this.#over()
  }

  #failed({ code, message }: LeaseFailure): void {
    if (this.#opening !== undefined) return this.#opening.reject(new TroupeError(code, message))
    // A thread that was to go on with the lease could not open its store: that is no crash, and the next one may.
    this.#log.warn({ reason: message }, 'the thread of the lease could not open its store')
    this.#gaveUp = true
    this.#tell({ kind: 'close', release: false })
  }

  #gone(reason: string): void {
    if (this.#ended) return
    if (this.#gaveUp) {
      this.#gaveUp = false
      this.#restart = this.#clock.after(this.#times.renewMs, () => this.#start(true))
      return
    }
    if (!this.#opened) {
      this.#opening?.reject(new TroupeError('STORE_UNAVAILABLE', `lease ${this.#id}: its thread crashed before it was open: ${reason}`))
      return
    }
    const nowMs = this.#clock.monotonicMs()
    while (this.#crashes.length > 0 && this.#crashes[0]! < nowMs - CRASHES_WITHIN_MS) this.#crashes.shift()
    if (this.#crashes.push(nowMs) > MAX_CRASHES) {
      this.#log.error({ reason }, 'the thread of the lease crashes again and again: the lease is given up')
      return this.#over()
    }
    this.#log.error({ reason }, 'the thread of the lease crashed; another one goes on with it')
    this.#restart = this.#clock.after(RESTART_MS * 2 ** this.#crashes.length, () => this.#start(true))
  }

  #over(): void {
    void this.close(false)
    for (const listener of this.#revoked) listener()
  }
}

/** Beside this file, in the form that this file has: sources run by type stripping, or what was built of them. */
const workerFile = (): URL => new URL(import.meta.url.endsWith('.ts') ? './lease-worker.ts' : './lease-worker.js', import.meta.url)
