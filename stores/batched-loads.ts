/**
 * Joins the loads and claims of one tick (or of its promise jobs, `store.flushAt`) into one call of the store each, and
 * so the reads of entries, but for a store that answers them at once: there each is made when it is asked for.
 *
 * Calls of the store may overlap here: a load changes nothing, and a claim is idempotent. Equal claims of one batch are
 * sent once. The queues' bound is what asks, activations and their calls; a call is bounded by `maxPerCall`.
 */
import type { Clock } from '../core/clock.ts'
import type { ActorAddress, ActorStore, Claim, ClaimResult, EntryRead, EntryValues, StoredActor } from './actor-store.ts'

/** Entries may be large, and many small ones are as well read in a few calls. */
const ENTRIES_PER_CALL = 256

interface Waiting<Asked, Answer> {
  readonly asked: Asked
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

export class BatchedLoads {
  readonly #loads: Batch<ActorAddress, StoredActor | undefined>
  readonly #claims: Batch<Claim, ClaimResult>
  readonly #reads: Batch<EntryRead, EntryValues>
  readonly #store: ActorStore
  readonly #claiming = new Map<string, Promise<ClaimResult>>()

  /** @param maxPerCall actors or claims of one call of the store, 1,024 by default; of entries at most 256 */
  constructor(store: ActorStore, clock: Clock, maxPerCall = 1_024) {
    const later = store.flushAt === 'jobs' ? queueMicrotask : (run: () => void): void => clock.soon(run)
    this.#store = store
    this.#loads = new Batch(later, maxPerCall, together(actors => store.load(actors)))
    this.#claims = new Batch(later, maxPerCall, together(claims => store.claim(claims)))
    this.#reads = new Batch(later, Math.min(maxPerCall, ENTRIES_PER_CALL), apart(reads => store.loadEntries(reads)), ({ names }) => names.length)
  }

  /** What is stored of an actor, read after this call was made. @throws STORE_UNAVAILABLE */
  load(actor: ActorAddress): Promise<StoredActor | undefined> {
    return this.#loads.add(actor)
  }

  /** As one read of `ActorStore.loadEntries`, made after this call was. @throws STORE_UNAVAILABLE */
  entries(read: EntryRead): Promise<EntryValues> {
    return this.#store.readsAtOnce ? this.#store.loadEntries([read])[0]! : this.#reads.add(read)
  }

  /** As one claim of `ActorStore.claim`; a claim that is on its way already is shared. @throws STORE_UNAVAILABLE */
  claim(claim: Claim): Promise<ClaimResult> {
    const key = JSON.stringify([claim.type, claim.shard, claim.epoch, claim.nonce])
    const known = this.#claiming.get(key)
    if (known !== undefined) return known
    const claiming = this.#claims.add(claim).finally(() => this.#claiming.delete(key))
    this.#claiming.set(key, claiming)
    return claiming
  }
}

/** Asks for what waits, all of it, and settles each. */
type Ask<Asked, Answer> = (asked: readonly Asked[], waiting: readonly Waiting<Asked, Answer>[]) => void

/** A call of the store that succeeds or fails as a whole. */
const together = <Asked, Answer>(call: (asked: readonly Asked[]) => Promise<readonly Answer[]>): Ask<Asked, Answer> => (asked, waiting) => {
  call(asked).then(
    answers => waiting.forEach(({ resolve }, index) => resolve(answers[index]!)),
    error => { for (const { reject } of waiting) reject(error) },
  )
}

/** One that answers each for itself. */
const apart = <Asked, Answer>(call: (asked: readonly Asked[]) => readonly Promise<Answer>[]): Ask<Asked, Answer> => (asked, waiting) => {
  for (const [index, answer] of call(asked).entries()) answer.then(waiting[index]!.resolve, waiting[index]!.reject)
}

class Batch<Asked, Answer> {
  readonly #later: (run: () => void) => void
  readonly #max: number
  readonly #ask: Ask<Asked, Answer>
  readonly #sizeOf: (asked: Asked) => number
  #waiting: Waiting<Asked, Answer>[] = []

  /** @param max size of one call; one that is larger goes alone */
  constructor(later: (run: () => void) => void, max: number, ask: Ask<Asked, Answer>, sizeOf: (asked: Asked) => number = () => 1) {
    this.#later = later
    this.#max = max
    this.#ask = ask
    this.#sizeOf = sizeOf
  }

  add(asked: Asked): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ asked, resolve, reject }) === 1) this.#later(() => this.#send())
    })
  }

  #send(): void {
    const batch = this.#waiting.splice(0, this.#fitting())
    if (this.#waiting.length > 0) this.#later(() => this.#send())
    this.#ask(batch.map(({ asked }) => asked), batch)
  }

  /** How many of those that wait go into one call, at least one. */
  #fitting(): number {
    let size = 0
    const end = this.#waiting.findIndex(({ asked }, index) => (size += this.#sizeOf(asked)) > this.#max && index > 0)
    return end === -1 ? this.#waiting.length : end
  }
}
