/** The cluster's rows in this process's memory: for one host alone, and for tests. Ends by the given clock. */
import type { Clock } from '../../core/clock.ts'
import { mechanisms } from '../../core/mechanisms.ts'
import type { Candidate, ClusterStore, LeaderRow, LeaseRenewal, LeaseState, LeaseTime, SavedTable } from '../cluster-store.ts'

export class MemoryClusterStore implements ClusterStore {
  readonly name = 'memory:'
  readonly #clock: Clock
  #leader: LeaderRow = { nonce: '', address: '', term: 0 }
  #endsAtMs = 0
  #table: SavedTable | undefined
  /** When each lease is over. */
  readonly #leases = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async open(): Promise<void> {}
  async close(): Promise<void> {}

  async campaign({ nonce, address, ttlMs, deposes }: Candidate): Promise<LeaderRow> {
    const nowMs = this.#clock.monotonicMs()
    const free = this.#leader.nonce === '' || this.#leader.nonce === deposes || this.#endsAtMs <= nowMs
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
    if ((table.term < newest && !mechanisms.off?.has('table-term')) || table.version <= (this.#table?.version ?? -1)) return 'stale'
    this.#table = table
    return 'ok'
  }

  async openLease({ id, ttlMs }: LeaseTime): Promise<void> {
    this.#leases.set(id, this.#clock.monotonicMs() + ttlMs)
  }

  async renewLease({ id, ttlMs }: LeaseTime): Promise<LeaseRenewal> {
    const nowMs = this.#clock.monotonicMs()
    const held = this.#leases.has(id)
    if (held) this.#leases.set(id, nowMs + ttlMs)
    const led = this.#leader.nonce !== '' && this.#endsAtMs > nowMs
    return { held, version: this.#table?.version ?? 0, leader: led ? this.#leader : undefined }
  }

  async revokeLease(id: string): Promise<'revoked' | 'held'> {
    if ((this.#leases.get(id) ?? -Infinity) > this.#clock.monotonicMs()) return 'held'
    this.#leases.delete(id)
    return 'revoked'
  }

  async endLease(id: string): Promise<void> {
    this.#leases.delete(id)
  }

  async leases(): Promise<readonly LeaseState[]> {
    const nowMs = this.#clock.monotonicMs()
    return [...this.#leases].map(([id, endsAtMs]) => ({ id, leftMs: endsAtMs - nowMs }))
  }
}
