/**
 * The one flusher between activations and an ActorStore: many commits, one write.
 *
 * One flush is in flight at a time; what is queued meanwhile goes into the next. When nothing is in flight a flush
 * begins when the present promise jobs (or the tick, `store.flushAt`) are done, and takes what has come by then: also
 * right after a flush, since the replies it lets out bring the next commits in the same tick. An activation is queued
 * at most once and is asked for its write only when a flush begins, so several of its turns fold into one write.
 *
 * Promises: every `takeWrite` gets exactly one `writeSettled`, and is called again only after it. A flush without
 * an answer in time settles as 'unknown' and its late answer is ignored; what may not be flushed for as long settles as
 * 'unavailable', for it was not sent. Nothing a Committable throws reaches another.
 * The queue's bound is the number of live activations; a flush is bounded by `maxWrites` and `maxBytes`.
 *
 * No promise, closure or timer is made per commit, and none but the store's per flush.
 */
import type { Clock } from '../core/clock.ts'
import { mechanisms } from '../core/mechanisms.ts'
import type { ActorStore, ActorWrite, CommitResult } from './actor-store.ts'

/** Something with state to store. */
export interface Committable {
  /** Called when a flush begins: everything this actor's completed turns left. If it throws: settled as 'conflict'. */
  takeWrite(): ActorWrite
  /** Called once per takeWrite. */
  writeSettled(result: CommitResult): void
}

export interface GroupCommitOptions {
  /** Writes of one flush, 4,096 by default. */
  readonly maxWrites?: number
  /** Bytes at which a flush takes no more, 16 MiB by default; the write that reaches it still belongs to it. */
  readonly maxBytes?: number
  /** After this a flush's writes are 'unknown' (up to half as late again), 10 s by default. */
  readonly commitTimeoutMs?: number
  /** Asked before each flush; while it says no, everything waits, for `commitTimeoutMs` at most. */
  readonly mayFlush?: () => boolean
  /** Told of what a Committable or the store threw against their contract. */
  readonly onFault?: (error: unknown) => void
}

/** How soon a flush that may not begin asks again. */
const HELD_UP_MS = 25

export class GroupCommit {
  readonly #store: ActorStore
  readonly #clock: Clock
  readonly #maxWrites: number
  readonly #maxBytes: number
  readonly #timeoutMs: number
  readonly #mayFlush: () => boolean
  readonly #onFault: (error: unknown) => void
  readonly #run = (): void => this.#flush()

  #phase: 'idle' | 'scheduled' | 'flushing' = 'idle'
  #queue: Committable[] = []
  /** Those of `#queue` before this index were taken. */
  #next = 0
  #flight: Committable[] = []
  /** Number of the flush in flight or last ended; a late answer carries an older one. */
  #number = 0
  #watching = false
  /** Since when this flush may not begin. */
  #heldUpAtMs: number | undefined
  #idleWaiters: (() => void)[] = []

  constructor(store: ActorStore, clock: Clock, options: GroupCommitOptions = {}) {
    this.#store = store
    this.#clock = clock
    this.#maxWrites = options.maxWrites ?? 4_096
    this.#maxBytes = options.maxBytes ?? 16 * 1024 * 1024
    this.#timeoutMs = options.commitTimeoutMs ?? 10_000
    this.#mayFlush = options.mayFlush ?? (() => true)
    this.#onFault = options.onFault ?? (() => undefined)
  }

  /** Commits queued or in flight. */
  get pending(): number {
    return this.#queue.length - this.#next + this.#flight.length
  }

  /** Queues `committable` for the next flush. It must not be queued already; one whose write is in flight may be. */
  enqueue(committable: Committable): void {
    this.#queue.push(committable)
    if (this.#phase === 'idle') this.#schedule()
  }

  /** Resolves when nothing is queued or in flight. */
  idle(): Promise<void> {
    return this.#phase === 'idle' ? Promise.resolve() : new Promise(resolve => { this.#idleWaiters.push(resolve) })
  }

  #schedule(): void {
    this.#phase = 'scheduled'
    if (this.#store.flushAt === 'jobs') queueMicrotask(this.#run)
    else this.#clock.soon(this.#run)
  }

  #flush(): void {
    const heldUp = !this.#mayFlush()
    if (heldUp && !this.#heldUpTooLong()) return void this.#clock.after(HELD_UP_MS, this.#run)
    this.#heldUpAtMs = undefined
    this.#phase = 'flushing'
    const number = ++this.#number
    const writes = this.#take()
    if (writes.length === 0) {
      this.#ended()
      return
    }
    if (heldUp) return this.#settle(number, writes.map(() => 'unavailable'))
    this.#watch()
    const failed = (error: unknown): void => {
      this.#settle(number, [])
      this.#onFault(error)
    }
    try {
      this.#store.commit(writes).then(results => this.#settle(number, results), failed)
    } catch (error) {
      failed(error)
    }
  }

  #heldUpTooLong(): boolean {
    const nowMs = this.#clock.monotonicMs()
    this.#heldUpAtMs ??= nowMs
    return nowMs - this.#heldUpAtMs >= this.#timeoutMs
  }

  #take(): ActorWrite[] {
    const writes: ActorWrite[] = []
    let bytes = 0
    // What is queued from inside `writeSettled` below waits for the next flush.
    const end = this.#queue.length
    while (this.#next < end && writes.length < this.#maxWrites && bytes < this.#maxBytes) {
      const committable = this.#queue[this.#next++]!
      try {
        const write = committable.takeWrite()
        bytes += bytesOf(write)
        writes.push(write)
        this.#flight.push(committable)
      } catch (error) {
        this.#tell(committable, 'conflict')
        this.#onFault(error)
      }
    }
    if (this.#next === this.#queue.length) {
      this.#queue = []
      this.#next = 0
    }
    return writes
  }

  #settle(number: number, results: readonly CommitResult[]): void {
    if (number !== this.#number || this.#phase !== 'flushing') return
    const settled = this.#flight
    this.#flight = []
    for (let i = 0; i < settled.length; i++) this.#tell(settled[i]!, results[i] ?? 'unknown')
    this.#ended()
  }

  #tell(committable: Committable, result: CommitResult): void {
    try {
      committable.writeSettled(mechanisms.off?.has('commit-result') ? 'ok' : result)
    } catch (error) {
      this.#onFault(error)
    }
  }

  #ended(): void {
    if (this.#next < this.#queue.length) {
      this.#schedule()
      return
    }
    this.#phase = 'idle'
    for (const resolve of this.#idleWaiters.splice(0)) resolve()
  }

  /** One timer for all flushes: each time it runs out, the flush that it saw the time before is overdue. */
  #watch(): void {
    if (this.#watching) return
    this.#watching = true
    this.#lookAgain(this.#number, 1)
  }

  #lookAgain(seen: number, looks: number): void {
    this.#clock.after(this.#timeoutMs / 2, () => {
      if (this.#phase !== 'flushing') this.#watching = false
      else if (seen !== this.#number) this.#lookAgain(this.#number, 1)
      else if (looks < 2) this.#lookAgain(seen, looks + 1)
      else {
        this.#watching = false
        this.#settle(seen, [])
      }
    })
  }
}

function bytesOf(write: ActorWrite): number {
  let bytes = write.head === null ? 0 : write.head.length
  if (write.entries !== undefined) for (const [, value] of write.entries) bytes += value === null ? 0 : value.length
  return bytes
}
