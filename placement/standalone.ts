/**
 * A host alone, with no placement service: it owns every shard of its types.
 *
 * Its one table has the stored version + 1, saved with compare-and-set, so that epochs rise from one start to the next and a
 * second process on the same store gets a higher one: the fence then shuts the first one out (P4).
 */
import type { Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import type { ClusterStore } from '../stores/cluster-store.ts'
import { decodeCluster, encodeCluster } from './cluster-record.ts'
import type { JoinRequest, Membership, PlacementTable, TableChange } from './membership.ts'
import { memberOf } from './join-check.ts'
import { nextTable } from './next-table.ts'
import { TableView } from './table-view.ts'
import { emptyTable } from './table.ts'

export interface StandaloneOptions {
  readonly clusterStore: ClusterStore
  readonly clock: Clock
  readonly random: Random
  /** log2 of the shards a type has; 10 by default. */
  readonly shardBits?: number
}

const MAX_ATTEMPTS = 100
/** Long enough to read one's term from the row, short enough to stand in nobody's way. */
const TERM_TTL_MS = 1_000

export class StandaloneMembership implements Membership {
  readonly connected = true
  readonly #store: ClusterStore
  readonly #random: Random
  readonly #view: TableView

  constructor(options: StandaloneOptions) {
    this.#store = options.clusterStore
    this.#random = options.random
    this.#view = new TableView(options.clock, emptyTable(2 ** (options.shardBits ?? 10)))
  }

  get table(): PlacementTable {
    return this.#view.table
  }

  /** @throws STORE_UNAVAILABLE · CLUSTER_MISMATCH when the store was written with other shard bits */
  async join(self: JoinRequest, _timeoutMs: number): Promise<void> {
    const empty = this.#view.table
    let term = 1
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const saved = await this.#store.loadTable()
      if (saved !== undefined) decodeCluster(saved.bytes, empty.shards)
      term = Math.max(term, saved?.term ?? 0)
      const table = nextTable(empty, [memberOf(self, false)], (saved?.version ?? 0) + 1)
      const bytes = encodeCluster({ table, fingerprint: self.fingerprint })
      if (await this.#store.saveTable({ term, version: table.version, bytes }) === 'ok') return this.#view.advance(table)
      // Another process was faster, or a leader was elected since that has saved nothing yet.
      term = Math.max(term, await this.#termOfRow())
    }
    throw new TroupeError('STORE_UNAVAILABLE', `the cluster store ${this.#store.name} refused this host's table ${MAX_ATTEMPTS} times; too many processes start on it at once`)
  }

  onChange(listener: (change: TableChange) => void): void {
    this.#view.onChange(listener)
  }

  /** Nobody expels a host that is alone. */
  onExpelled(_listener: (reason: Error) => void): void {}

  waitFor(version: number, timeoutMs: number): Promise<boolean> {
    return this.#view.waitFor(version, timeoutMs)
  }

  released(_shards: readonly { type: string; shard: number }[]): void {}

  suspect(_memberId: string): void {}

  async leave(_timeoutMs: number): Promise<void> {}

  async close(): Promise<void> {
    this.#view.close()
  }

  async #termOfRow(): Promise<number> {
    const nonce = this.#random.nonce()
    const row = await this.#store.campaign({ nonce, address: 'standalone', ttlMs: TERM_TTL_MS })
    if (row.nonce === nonce) await this.#store.resign(nonce)
    return row.term
  }
}
