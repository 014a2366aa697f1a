/** Which shards this host has claimed in the store, and under which epoch: each epoch once, before anything is read there (P4). */
import type { ClaimResult, ShardKey } from '../../stores/actor-store.ts'
import type { BatchedLoads } from '../../stores/batched-loads.ts'

export class ShardClaims {
  readonly #loads: BatchedLoads
  readonly #nonce: string
  readonly #epochs = new Map<string, number[]>()

  constructor(loads: BatchedLoads, nonce: string) {
    this.#loads = loads
    this.#nonce = nonce
  }

  /** True when the store holds this very claim, as far as this host knows. */
  has(type: string, shard: number, epoch: number): boolean {
    return this.#epochs.get(type)?.[shard] === epoch
  }

  /** The claim under which rows of the shard may be written now. */
  of({ type, shard }: ShardKey): { readonly epoch: number; readonly nonce: string } | undefined {
    const epoch = this.#epochs.get(type)?.[shard]
    return epoch === undefined || epoch === 0 ? undefined : { epoch, nonce: this.#nonce }
  }

  /** @throws STORE_UNAVAILABLE */
  async claim(type: string, shard: number, epoch: number): Promise<ClaimResult> {
    const result = await this.#loads.claim({ type, shard, epoch, nonce: this.#nonce })
    if (result.outcome === 'ok') {
      let ofType = this.#epochs.get(type)
      if (ofType === undefined) this.#epochs.set(type, (ofType = []))
      // Of two claims on their way the newer one counts.
      ofType[shard] = Math.max(epoch, ofType[shard] ?? 0)
    }
    return result
  }

  /** The store refused a commit, or the shard is another's: it must be claimed again before anything more is read from it. */
  forget(type: string, shard: number): void {
    const ofType = this.#epochs.get(type)
    if (ofType !== undefined) ofType[shard] = 0
  }
}
