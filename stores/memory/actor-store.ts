/**
 * Actor state in this process's memory, with the same fence, versions and results as a real store. Gone with the
 * process; two instances share nothing. A commit is atomic because nothing here awaits.
 */
import type {
  ActorAddress, ActorPage, ActorStore, ActorWrite, Claim, ClaimResult, CommitResult, EntryPage, ShardKey, StoredActor,
} from '../actor-store.ts'

interface Row {
  version: number
  epoch: number
  head: Uint8Array
  readonly entries: Map<string, Uint8Array>
}

interface Shard {
  claim: Claim | undefined
  /** In the order of first commits, which `list` counts on: rows are never removed. */
  readonly rows: Map<string, Row>
}

export class MemoryActorStore implements ActorStore {
  readonly name = 'memory:'
  readonly shared = false
  readonly flushAt = 'jobs'
  readonly #types = new Map<string, Map<number, Shard>>()

  async open(): Promise<void> {}
  async close(): Promise<void> {}

  async claim(claims: readonly Claim[]): Promise<readonly ClaimResult[]> {
    return claims.map(claim => {
      const shard = this.#shard(claim)
      const held = shard.claim
      if (held !== undefined && (held.epoch > claim.epoch || (held.epoch === claim.epoch && held.nonce !== claim.nonce))) {
        return { outcome: 'refused', epoch: held.epoch, nonce: held.nonce }
      }
      shard.claim = claim
      return { outcome: 'ok' }
    })
  }

  async load(actors: readonly ActorAddress[]): Promise<readonly (StoredActor | undefined)[]> {
    return actors.map(actor => {
      const row = this.#find(actor)
      return row && { version: row.version, head: row.head }
    })
  }

  async loadEntries(actor: ActorAddress, names: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const entries = this.#find(actor)?.entries
    return names.map(name => entries?.get(name))
  }

  async listEntries(actor: ActorAddress, prefix: string, after: string | undefined, limit: number): Promise<EntryPage> {
    const found: (readonly [string, Uint8Array])[] = []
    for (const entry of this.#find(actor)?.entries ?? []) {
      if (entry[0].startsWith(prefix) && (after === undefined || compareUtf8(entry[0], after) > 0)) found.push(entry)
    }
    found.sort((a, b) => compareUtf8(a[0], b[0]))
    return { entries: found.slice(0, limit), more: found.length > limit }
  }

  async commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    return writes.map(write => this.#apply(write))
  }

  async list(type: string, cursor: string | undefined, limit: number): Promise<ActorPage> {
    const ids: string[] = []
    const [fromShard = 0, fromRow = 0] = cursor?.split('.').map(Number) ?? []
    const shards = [...this.#types.get(type) ?? []].filter(([number]) => number >= fromShard).sort(([a], [b]) => a - b)
    for (const [number, { rows }] of shards) {
      let at = 0
      for (const id of rows.keys()) {
        if (number === fromShard && at < fromRow) { at++; continue }
        if (ids.length === limit) return { ids, cursor: `${number}.${at}` }
        ids.push(id)
        at++
      }
    }
    return { ids, cursor: undefined }
  }

  #apply(write: ActorWrite): CommitResult {
    const shard = this.#shard(write)
    if (shard.claim?.epoch !== write.epoch || shard.claim.nonce !== write.nonce) return 'fenced'
    const row = shard.rows.get(write.id)
    const version = row?.version ?? 0
    if (version !== write.previous) return version === write.previous + 1 && row!.epoch === write.epoch ? 'duplicate' : 'conflict'
    const entries = row?.entries ?? new Map<string, Uint8Array>()
    if (row === undefined) {
      shard.rows.set(write.id, { version: 1, epoch: write.epoch, head: write.head, entries })
    } else {
      row.version++
      row.epoch = write.epoch
      row.head = write.head
    }
    for (const [name, value] of write.entries ?? []) {
      if (value === null) entries.delete(name)
      else entries.set(name, value)
    }
    return 'ok'
  }

  #find(actor: ActorAddress): Row | undefined {
    return this.#types.get(actor.type)?.get(actor.shard)?.rows.get(actor.id)
  }

  #shard(key: ShardKey): Shard {
    let shards = this.#types.get(key.type)
    if (shards === undefined) this.#types.set(key.type, shards = new Map())
    let shard = shards.get(key.shard)
    if (shard === undefined) shards.set(key.shard, shard = { claim: undefined, rows: new Map() })
    return shard
  }
}

/** Order of the UTF-8 bytes, which is not that of JavaScript's code units beyond U+FFFF. */
const compareUtf8 = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
