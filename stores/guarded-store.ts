/**
 * An ActorStore behind circuits: while the store is away its callers hear so at once.
 *
 * Reads and writes have a circuit each: a store may answer one of them alone (a process that froze with LMDB's write lock, a
 * replica that takes no writes). A refused load or claim throws STORE_UNAVAILABLE with `retryAfterMs`; a refused commit is
 * 'unavailable', never 'unknown', for it was not sent. A store that consists of parts (`inParts`) is passed through: one part
 * that is away must not cost the others. So are reads of one that answers from memory.
 */
import type { Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import { silentLogger, type Logger } from '../core/logger.ts'
import type {
  ActorAddress, ActorPage, ActorStore, ActorWrite, Claim, ClaimResult, CommitResult, DuePage, DueQuery, EntryPage, EntryRead,
  EntryValues, Regress, StoredActor, StoreHealth,
} from './actor-store.ts'
import { Circuit, type CircuitOptions } from './circuit.ts'

export interface GuardOptions extends CircuitOptions {
  readonly log?: Logger
}

/** What is asked for, and its circuit. */
interface Way {
  readonly what: 'reads' | 'writes'
  readonly circuit: Circuit
}

export class GuardedStore implements ActorStore {
  readonly name: string
  readonly shared: boolean
  readonly flushAt: 'jobs' | 'tick'
  readonly readsAtOnce: boolean
  readonly inParts: boolean
  readonly #store: ActorStore
  readonly #clock: Clock
  readonly #log: Logger
  readonly #reads: Way
  readonly #writes: Way
  #outages = 0
  #regresses = 0
  #lostWrites = 0
  #lastRegress: string | undefined

  constructor(store: ActorStore, clock: Clock, options: GuardOptions = {}) {
    this.name = store.name
    this.shared = store.shared
    this.flushAt = store.flushAt
    this.readsAtOnce = store.readsAtOnce
    this.inParts = store.inParts === true
    this.#store = store
    this.#clock = clock
    this.#log = options.log ?? silentLogger
    this.#reads = { what: 'reads', circuit: new Circuit(options) }
    this.#writes = { what: 'writes', circuit: new Circuit(options) }
    store.onRegress?.(regress => {
      this.#regresses++
      this.#lostWrites += regress.lostWrites
      this.#lastRegress = regress.reason
    })
  }

  get health(): StoreHealth {
    const nowMs = this.#clock.monotonicMs()
    return {
      readsAwayMs: Math.round(this.#reads.circuit.openMs(nowMs)), writesAwayMs: Math.round(this.#writes.circuit.openMs(nowMs)),
      outages: this.#outages, regresses: this.#regresses, lostWrites: this.#lostWrites, lastRegress: this.#lastRegress,
    }
  }

  open(): Promise<void> {
    return this.#store.open()
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  onRegress(listener: (regress: Regress) => void): () => void {
    return this.#store.onRegress?.(listener) ?? (() => undefined)
  }

  claim(claims: readonly Claim[]): Promise<readonly ClaimResult[]> {
    return this.#through(this.#writes, () => this.#store.claim(claims))
  }

  load(actors: readonly ActorAddress[]): Promise<readonly (StoredActor | undefined)[]> {
    return this.#through(this.#reads, () => this.#store.load(actors))
  }

  loadEntries(reads: readonly EntryRead[]): readonly Promise<EntryValues>[] {
    if (this.readsAtOnce || this.inParts) return this.#store.loadEntries(reads)
    if (!this.#admits(this.#reads)) return reads.map(() => Promise.reject(this.#away(this.#reads)))
    const answers = this.#store.loadEntries(reads)
    // One answer says as much of the store as all of them.
    Promise.any(answers).then(() => this.#answered(this.#reads), (failed: AggregateError) => this.#failed(this.#reads, failed.errors[0]))
    return answers
  }

  listEntries(actor: ActorAddress, prefix: string, after: string | undefined, limit: number): Promise<EntryPage> {
    return this.#through(this.#reads, () => this.#store.listEntries(actor, prefix, after, limit))
  }

  due(queries: readonly DueQuery[]): Promise<readonly DuePage[]> {
    return this.#through(this.#reads, () => this.#store.due(queries))
  }

  list(type: string, cursor: string | undefined, limit: number): Promise<ActorPage> {
    return this.#through(this.#reads, () => this.#store.list(type, cursor, limit))
  }

  async commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    if (!this.#admits(this.#writes)) return writes.map(() => 'unavailable')
    try {
      const results = await this.#store.commit(writes)
      if (results.length > 0 && results.every(result => result === 'unknown' || result === 'unavailable')) this.#unanswered(this.#writes)
      else this.#answered(this.#writes)
      return results
    } catch (error) {
      // Against the port; whoever asked hears of it as ever.
      this.#unanswered(this.#writes)
      throw error
    }
  }

  async #through<T>(way: Way, call: () => Promise<T>): Promise<T> {
    if (!this.#admits(way)) throw this.#away(way)
    try {
      const answer = await call()
      this.#answered(way)
      return answer
    } catch (error) {
      this.#failed(way, error)
      throw error
    }
  }

  #admits(way: Way): boolean {
    return this.inParts || way.circuit.admits(this.#clock.monotonicMs())
  }

  /** An error that repeating does not cure is an answer. */
  #failed(way: Way, error: unknown): void {
    if (TroupeError.is(error, 'STORE_UNAVAILABLE') && error.retryable) this.#unanswered(way, error.message)
    else this.#answered(way)
  }

  #unanswered({ what, circuit }: Way, reason?: string): void {
    if (!circuit.unanswered(this.#clock.monotonicMs()) || this.inParts) return
    this.#outages++
    this.#log.warn({ store: this.name, what, reason }, 'the store does not answer: calls fail at once until it does')
  }

  #answered({ what, circuit }: Way): void {
    const awayMs = Math.round(circuit.openMs(this.#clock.monotonicMs()))
    if (circuit.answered() && !this.inParts) this.#log.info({ store: this.name, what, awayMs }, 'the store answers again')
  }

  #away({ what, circuit }: Way): TroupeError {
    const nowMs = this.#clock.monotonicMs()
    const retryAfterMs = circuit.retryAfterMs(nowMs)
    return new TroupeError('STORE_UNAVAILABLE',
      `${this.name}: its ${what} have had no answer for ${Math.round(circuit.openMs(nowMs))} ms; repeat in ${retryAfterMs} ms`, { executed: 'no', retryAfterMs })
  }
}
