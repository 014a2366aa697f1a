/**
 * Actor state in this process's memory, with the same fence, versions and results as a real store. Gone with the
 * process; two instances share nothing. A commit is atomic because nothing here awaits.
 */
import type {
  ActorAddress, ActorPage, ActorStore, ActorWrite, Claim, ClaimResult, CommitResult, DuePage, DueQuery, EntryChange, EntryPage,
  EntryRead, EntryValues, ShardKey, StoredActor,
} from '../actor-store.ts'
import { mechanisms } from '../../core/mechanisms.ts'
import { compareUtf8, DueIndex } from './due-index.ts'

interface Row {
  version: number
  epoch: number
  head: Uint8Array
}

interface Entry {
  readonly value: Uint8Array
  readonly due: number | undefined
}

interface Shard {
  claim: Claim | undefined
  /** In the order of first commits, which `list` counts on: rows are never removed. */
  readonly rows: Map<string, Row>
  /** Id → name → entry. Apart from the rows: an actor may have entries without a head. */
  readonly entries: Map<string, Map<string, Entry>>
  readonly due: DueIndex
}

export class MemoryActorStore implements ActorStore {
  readonly name = 'memory:'
  readonly shared = false
  readonly flushAt = 'jobs'
  readonly readsAtOnce = true
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
      const row = this.#find(actor)?.rows.get(actor.id)
      return row && { version: row.version, head: row.head }
    })
  }

  loadEntries(reads: readonly EntryRead[]): readonly Promise<EntryValues>[] {
    return reads.map(async ({ actor, names }) => {
      const entries = this.#find(actor)?.entries.get(actor.id)
      return names.map(name => entries?.get(name)?.value)
    })
  }

  async listEntries(actor: ActorAddress, prefix: string, after: string | undefined, limit: number): Promise<EntryPage> {
    const found: (readonly [string, Uint8Array])[] = []
    for (const [name, { value }] of this.#find(actor)?.entries.get(actor.id) ?? []) {
      if (name.startsWith(prefix) && (after === undefined || compareUtf8(name, after) > 0)) found.push([name, value])
    }
    found.sort((a, b) => compareUtf8(a[0], b[0]))
    return { entries: found.slice(0, limit), more: found.length > limit }
  }

  async due(queries: readonly DueQuery[]): Promise<readonly DuePage[]> {
    return queries.map(query => this.#find(query)?.due.page(query) ?? { rows: [], next: undefined })
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
    if ((shard.claim?.epoch !== write.epoch || shard.claim.nonce !== write.nonce) && !mechanisms.off?.has('fence')) return 'fenced'
    if (write.head !== null) {
      const row = shard.rows.get(write.id)
      const version = row?.version ?? 0
      if (version !== write.previous && !mechanisms.off?.has('version')) return version === write.previous + 1 && row!.epoch === write.epoch ? 'duplicate' : 'conflict'
      if (row === undefined) {
        shard.rows.set(write.id, { version: 1, epoch: write.epoch, head: write.head })
      } else {
        row.version++
        row.epoch = write.epoch
        row.head = write.head
      }
    }
    if (write.entries !== undefined && write.entries.length > 0) change(shard, write.id, write.entries)
    return 'ok'
  }

  #find(key: ShardKey): Shard | undefined {
    return this.#types.get(key.type)?.get(key.shard)
  }

  #shard(key: ShardKey): Shard {
    let shards = this.#types.get(key.type)
    if (shards === undefined) this.#types.set(key.type, shards = new Map())
    let shard = shards.get(key.shard)
    if (shard === undefined) shards.set(key.shard, shard = { claim: undefined, rows: new Map(), entries: new Map(), due: new DueIndex() })
    return shard
  }
}

function change(shard: Shard, id: string, changes: readonly EntryChange[]): void {
  let entries = shard.entries.get(id)
  if (entries === undefined) shard.entries.set(id, entries = new Map())
  for (const [name, value, due] of changes) {
    const old = due === undefined ? undefined : entries.get(name)?.due
    if (old !== undefined) shard.due.remove({ due: old, id, name })
    if (value === null) {
      entries.delete(name)
    } else {
      entries.set(name, { value, due: due ?? undefined })
      if (due !== undefined && due !== null) shard.due.add({ due, id, name, value })
    }
  }
  if (entries.size === 0) shard.entries.delete(id)
}
