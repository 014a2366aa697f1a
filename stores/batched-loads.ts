/**
 * Joins the loads and claims of one tick (or of its promise jobs, `store.flushAt`) into one call of the store each.
 *
 * Calls of the store may overlap here: a load changes nothing, and a claim is idempotent. Equal claims of one batch are
 * sent once. The queues' bound is the number of activations that are starting; a call is bounded by `maxPerCall`.
 */
import type { Clock } from '../core/clock.ts'
import type { ActorAddress, ActorStore, Claim, ClaimResult, StoredActor } from './actor-store.ts'

interface Waiting<Asked, Answer> {
  readonly asked: Asked
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

export class BatchedLoads {
  readonly #loads: Batch<ActorAddress, StoredActor | undefined>
  readonly #claims: Batch<Claim, ClaimResult>
  readonly #claiming = new Map<string, Promise<ClaimResult>>()

  /** @param maxPerCall actors or claims of one call of the store, 1,024 by default */
  constructor(store: ActorStore, clock: Clock, maxPerCall = 1_024) {
    const later = store.flushAt === 'jobs' ? queueMicrotask : (run: () => void): void => clock.soon(run)
    this.#loads = new Batch(later, maxPerCall, actors => store.load(actors))
    this.#claims = new Batch(later, maxPerCall, claims => store.claim(claims))
  }

  /** What is stored of an actor, read after this call was made. @throws STORE_UNAVAILABLE */
  load(actor: ActorAddress): Promise<StoredActor | undefined> {
    return this.#loads.add(actor)
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

class Batch<Asked, Answer> {
  readonly #later: (run: () => void) => void
  readonly #max: number
  readonly #ask: (asked: readonly Asked[]) => Promise<readonly Answer[]>
  #waiting: Waiting<Asked, Answer>[] = []

  constructor(later: (run: () => void) => void, max: number, ask: (asked: readonly Asked[]) => Promise<readonly Answer[]>) {
    this.#later = later
    this.#max = max
    this.#ask = ask
  }

  add(asked: Asked): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ asked, resolve, reject }) === 1) this.#later(() => this.#send())
    })
  }

  #send(): void {
    const batch = this.#waiting.splice(0, this.#max)
    if (this.#waiting.length > 0) this.#later(() => this.#send())
    this.#ask(batch.map(({ asked }) => asked)).then(
      answers => batch.forEach(({ resolve }, index) => resolve(answers[index]!)),
      error => { for (const { reject } of batch) reject(error) },
    )
  }
}
