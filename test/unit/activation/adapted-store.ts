/** A real ActorStore behind a recorder and a gate: what was asked, and commits that wait or answer what a test says. */
import type {
  ActorAddress, ActorPage, ActorStore, ActorWrite, Claim, ClaimResult, CommitResult, DuePage, DueQuery, EntryPage, EntryRead,
  EntryValues, StoredActor,
} from '../../../stores/actor-store.ts'
import { Signal } from './signal.ts'

export class AdaptedStore implements ActorStore {
  readonly name = 'memory:'
  readonly shared = false
  readonly flushAt = 'jobs'
  readonly readsAtOnce = true
  /** Every write of every commit so far, as it was given. */
  readonly writes: ActorWrite[] = []
  /** Calls of `commit`. */
  commits = 0
  readonly #store: ActorStore
  #held: Signal | undefined
  #answers: ((writes: readonly ActorWrite[]) => Promise<readonly CommitResult[]> | undefined)[] = []
  #arrived = new Signal()
  #onLoad: (() => Promise<void>) | undefined

  constructor(store: ActorStore) {
    this.#store = store
  }

  /** From now on commits wait; returns what lets them go. */
  hold(): () => void {
    const held = this.#held = new Signal()
    return () => {
      this.#held = undefined
      held.fire()
    }
  }

  /** The next commit is answered so, without reaching the store; an Error is what it rejects with. */
  answerNext(answer: CommitResult | Error): void {
    this.#answers.push(writes => answer instanceof Error ? Promise.reject(answer) : Promise.resolve(writes.map(() => answer)))
  }

  /** The next commit reaches the store and is answered so all the same. */
  storeAndAnswer(answer: CommitResult): void {
    this.#answers.push(async writes => (await this.#store.commit(writes)).map(() => answer))
  }

  /** Runs before each load; undefined for nothing. */
  beforeLoad(run: (() => Promise<void>) | undefined): void {
    this.#onLoad = run
  }

  /** Resolves when commits were called `count` times in all. */
  async committing(count: number): Promise<void> {
    while (this.commits < count) await this.#arrived.wait(`${count} commits, had ${this.commits}`)
  }

  open(): Promise<void> {
    return this.#store.open()
  }
  close(): Promise<void> {
    return this.#store.close()
  }
  claim(claims: readonly Claim[]): Promise<readonly ClaimResult[]> {
    return this.#store.claim(claims)
  }
  async load(actors: readonly ActorAddress[]): Promise<readonly (StoredActor | undefined)[]> {
    await this.#onLoad?.()
    return this.#store.load(actors)
  }
  loadEntries(reads: readonly EntryRead[]): readonly Promise<EntryValues>[] {
    return this.#store.loadEntries(reads)
  }
  listEntries(actor: ActorAddress, prefix: string, after: string | undefined, limit: number): Promise<EntryPage> {
    return this.#store.listEntries(actor, prefix, after, limit)
  }
  due(queries: readonly DueQuery[]): Promise<readonly DuePage[]> {
    return this.#store.due(queries)
  }
  async commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    this.commits++
    this.writes.push(...writes)
    const arrived = this.#arrived
    this.#arrived = new Signal()
    arrived.fire()
    await this.#held?.wait('a held commit')
    return this.#answers.shift()?.(writes) ?? this.#store.commit(writes)
  }
  list(type: string, cursor: string | undefined, limit: number): Promise<ActorPage> {
    return this.#store.list(type, cursor, limit)
  }
}
