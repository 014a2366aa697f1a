/**
 * The fence on LMDB: claims of shards, and the one condition under which a whole flush may be applied.
 *
 * The naive fence is one condition a write ("the claim row still has my epoch"), which halves the throughput. Here each
 * open store, an *instance*, has a **guard row** with a random stamp, and one rule holds: whoever changes a claim row
 * marked with an instance gives that instance's guard a fresh stamp, in the same transaction. So while my guard has the
 * stamp that I read, no claim of mine has changed, and "guard = stamp" fences any number of writes at once. When it
 * fails, nothing was written; the claims are read again and the flush is made anew.
 *
 * Two more things follow. Since only the marked instance writes in a shard, its own reads are as good as reads inside
 * the transaction (versions of heads). And an instance that finds its owner's claim marked with another instance (the
 * same incarnation opened the store twice) marks it as its own first, by the same rule.
 *
 * Stamps are random, not counted, because two that move the guard at once must not write the same value.
 */
import { randomBytes } from 'node:crypto'
import type { Claim, ClaimResult, ShardKey } from '../actor-store.ts'
import { freshStamp, type LmdbEnvironment, type Rows } from './environment.ts'
import { shardKey } from './keys.ts'

interface Held {
  readonly epoch: number
  readonly nonce: string
  readonly instance: string
  /** Changes with every write of the row. */
  readonly stamp: number
}

const CLAIM = Buffer.from([1])
const GUARD = Buffer.from([2])
const NONE = Buffer.alloc(0)

export class LmdbClaims {
  readonly #env: LmdbEnvironment
  readonly #rows: Rows
  readonly #instance = randomBytes(8).toString('latin1')
  readonly #guard = guardKey(this.#instance)
  /** Claims read or made under the present stamp and marked with this instance: type → shard → claim. */
  readonly #mine = new Map<string, Map<number, Held>>()
  #stamp: number | undefined

  constructor(env: LmdbEnvironment) {
    this.#env = env
    this.#rows = env.rows('claims', true)
  }

  open(): Promise<boolean> {
    return this.#env.write(() => this.#rows.put(this.#guard, NONE, freshStamp()))
  }

  close(): Promise<boolean> {
    return this.#env.write(() => this.#rows.remove(this.#guard))
  }

  /** Runs `puts` if no claim of this instance has changed since `holds` was asked; false: nothing was written. */
  guarded(puts: () => void): Promise<boolean> {
    return this.#env.write(() => this.#rows.ifVersion(this.#guard, this.#stamp ?? 0, puts))
  }

  /** True while no claim of this instance has changed since `holds` was asked. */
  unmoved(): boolean {
    this.#env.snapshot()
    return this.#rows.getEntry(this.#guard)?.version === this.#stamp
  }

  /** Reads the guard, unless it is known. Before `holds`, in the same tick. */
  refresh(): void {
    if (this.#stamp !== undefined) return
    this.#mine.clear()
    this.#env.snapshot()
    this.#stamp = this.#rows.getEntry(this.#guard)?.version
  }

  /** The guard has moved: what was known of claims is void. */
  forget(): void {
    this.#stamp = undefined
  }

  /** Whether the claim of a shard is (epoch, nonce): 'other' when the same claim is marked with another instance. */
  holds(key: ShardKey, epoch: number, nonce: string): 'yes' | 'no' | 'other' {
    const known = this.#mine.get(key.type)?.get(key.shard)
    if (known !== undefined && known.epoch === epoch && known.nonce === nonce) return 'yes'
    const held = this.#read(claimKey(key))
    if (held?.epoch !== epoch || held.nonce !== nonce) return 'no'
    if (held.instance !== this.#instance) return 'other'
    this.#remember(key, held)
    return 'yes'
  }

  /** Raises claims; the contract is that of `ActorStore.claim`. Claims that hold already are marked as this instance's. */
  async claim(claims: readonly Claim[]): Promise<ClaimResult[]> {
    const results: ClaimResult[] = claims.map(() => ({ outcome: 'ok' }))
    let open = claims.map((_, index) => index)
    // Each round that leaves something open was beaten by another's claim of that very shard, so rounds are few.
    while (open.length > 0) {
      this.#env.snapshot()
      const raised: { readonly index: number; readonly held: Held | undefined }[] = []
      for (const index of open) {
        const claim = claims[index]!
        const held = this.#env.read(() => this.#read(claimKey(claim)))
        if (held !== undefined && (held.epoch > claim.epoch || (held.epoch === claim.epoch && held.nonce !== claim.nonce))) {
          results[index] = { outcome: 'refused', epoch: held.epoch, nonce: held.nonce }
        } else if (held === undefined || held.epoch < claim.epoch || held.instance !== this.#instance) {
          raised.push({ index, held })
        }
      }
      const applied = await this.#raiseAll(raised.map(({ index, held }) => ({ claim: claims[index]!, held })))
      open = raised.flatMap(({ index }, at) => applied[at] === true ? [] : [index])
    }
    return results
  }

  async #raiseAll(raises: readonly { claim: Claim; held: Held | undefined }[]): Promise<boolean[]> {
    if (raises.length === 0) return []
    let applied: boolean[] = []
    await this.#env.write(async () => {
      applied = await Promise.all(raises.map(({ claim, held }) => this.#raise(claim, held)))
      return true
    })
    // A raise of a shard that was already mine has moved my own guard.
    if (raises.some(({ held }) => held?.instance === this.#instance)) this.forget()
    return applied
  }

  #raise(claim: Claim, held: Held | undefined): Promise<boolean> {
    const key = claimKey(claim)
    const put = (): void => { void this.#rows.put(key, claimRow(claim, this.#instance), freshStamp()) }
    if (held === undefined) return this.#rows.ifNoExists(key, put)
    const guard = guardKey(held.instance)
    return this.#rows.ifVersion(key, held.stamp, () => {
      put()
      // A guard that is gone belongs to a closed instance, which will never write again.
      if (this.#rows.doesExist(guard)) void this.#rows.put(guard, NONE, freshStamp())
    })
  }

  #read(key: Buffer): Held | undefined {
    const entry = this.#rows.getEntry(key)
    if (entry === undefined) return undefined
    const { value } = entry
    return {
      epoch: value.readDoubleBE(0), instance: value.toString('latin1', 8, 16), nonce: value.toString('utf8', 16), stamp: entry.version!,
    }
  }

  #remember(key: ShardKey, held: Held): void {
    let shards = this.#mine.get(key.type)
    if (shards === undefined) this.#mine.set(key.type, shards = new Map())
    shards.set(key.shard, held)
  }
}

const claimKey = (key: ShardKey): Buffer => Buffer.concat([CLAIM, shardKey(key)])
const guardKey = (instance: string): Buffer => Buffer.concat([GUARD, Buffer.from(instance, 'latin1')])

function claimRow(claim: Claim, instance: string): Buffer {
  const row = Buffer.allocUnsafe(16 + Buffer.byteLength(claim.nonce))
  row.writeDoubleBE(claim.epoch)
  row.write(instance, 8, 'latin1')
  row.write(claim.nonce, 16)
  return row
}
