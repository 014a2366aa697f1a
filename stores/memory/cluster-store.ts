/** The cluster's rows in this process's memory: for one host alone, and for tests. Ends by the given clock. */
import type { Clock } from '../../core/clock.ts'
import type { ClusterStore, LeaderRow, SavedTable } from '../cluster-store.ts'

export class MemoryClusterStore implements ClusterStore {
  readonly name = 'memory:'
  readonly #clock: Clock
  #leader: LeaderRow = { nonce: '', address: '', term: 0 }
  #endsAtMs = 0
  #table: SavedTable | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async open(): Promise<void> {}
  async close(): Promise<void> {}

  async campaign(candidate: { nonce: string; address: string; ttlMs: number }): Promise<LeaderRow> {
    const { nonce, address, ttlMs } = candidate
    const nowMs = this.#clock.monotonicMs()
    const free = this.#leader.nonce === '' || this.#endsAtMs <= nowMs
    if (this.#leader.nonce !== nonce && !free) return this.#leader
    this.#leader = { nonce, address, term: this.#leader.nonce === nonce ? this.#leader.term : this.#leader.term + 1 }
    this.#endsAtMs = nowMs + ttlMs
    return this.#leader
  }

  async resign(nonce: string): Promise<void> {
    if (this.#leader.nonce === nonce) this.#leader = { nonce: '', address: '', term: this.#leader.term }
  }

  async loadTable(): Promise<SavedTable | undefined> {
    return this.#table
  }

  async saveTable(table: SavedTable): Promise<'ok' | 'stale'> {
    const newest = Math.max(this.#leader.term, this.#table?.term ?? 0)
    if (table.term < newest || table.version <= (this.#table?.version ?? -1)) return 'stale'
    this.#table = table
    return 'ok'
  }
}
