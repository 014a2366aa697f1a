/**
 * A host alone, with no placement service: it owns every shard of its types.
 *
 * Its one table has the stored version + 1, saved with compare-and-set, so that epochs rise from one start to the next and a
 * second process on the same store gets a higher one: the fence then shuts the first one out (P4).
 */
import { sleep, type Clock } from '../core/clock.ts'
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
const ALONE = 'standalone'
/** Longer than the row of a leader that is dead (1.5 s by default). */
const LEADER_ROW_MS = 2_000
const LOOK_AGAIN_MS = 100
/** Long enough to read one's term from the row, short enough to stand in nobody's way. */
const TERM_TTL_MS = 1_000

export class StandaloneMembership implements Membership {
  readonly connected = true
  readonly #store: ClusterStore
  readonly #clock: Clock
  readonly #random: Random
  readonly #view: TableView

  constructor(options: StandaloneOptions) {
    this.#store = options.clusterStore
    this.#clock = options.clock
    this.#random = options.random
    this.#view = new TableView(options.clock, emptyTable(2 ** (options.shardBits ?? 10)))
  }

  get table(): PlacementTable {
    return this.#view.table
  }

  /** It has no lease: nobody gives its shards away, and a second process on its store has higher epochs. */
  mayServe(): boolean {
    return true
  }

  /**
   * @throws LEADER_HELD when a placement service leads a cluster on this store · STORE_UNAVAILABLE · CLUSTER_MISMATCH when
   * the store was written with other shard bits
   */
  async join(self: JoinRequest, _timeoutMs: number): Promise<void> {
    let term = await this.#refuseLedStore()
    const empty = this.#view.table
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

  /**
   * A host alone takes every shard that it touches, and a living cluster on the same store would lose them. A leader that
   * crashed leaves its row until it expires, so one look is not enough. Gives the newest term.
   */
  async #refuseLedStore(): Promise<number> {
    const giveUpAt = this.#clock.monotonicMs() + LEADER_ROW_MS + (this.#store.lateMs ?? 0)
    for (;;) {
      const nonce = this.#random.nonce()
      const row = await this.#store.campaign({ nonce, address: ALONE, ttlMs: TERM_TTL_MS })
      if (row.nonce === nonce) {
        await this.#store.resign(nonce)
        return row.term
      }
      if (this.#clock.monotonicMs() > giveUpAt && row.address !== ALONE) {
        throw new TroupeError('LEADER_HELD', `a placement service at ${row.address} leads a cluster on ${this.#store.name}, and a host alone would take its actors away; join it with placement ${row.address} (--placement), or use another store`)
      }
      await sleep(this.#clock, LOOK_AGAIN_MS)
    }
  }

  async #termOfRow(): Promise<number> {
    const nonce = this.#random.nonce()
    const row = await this.#store.campaign({ nonce, address: ALONE, ttlMs: TERM_TTL_MS })
    if (row.nonce === nonce) await this.#store.resign(nonce)
    return row.term
  }
}
