/**
 * The cluster's rows on LMDB, for hosts of one machine: its monotonic clock, which they share, says when a leader's row ends.
 * Leases have a table of their own (leases.ts).
 *
 * Every change is decided on a read and applied under the condition that no row has changed since: all rows share one
 * `sequence` row whose random stamp each change renews. A change that was beaten to it is decided anew.
 */
import { machineMs } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import type { Candidate, ClusterStore, LeaderRow, LeaseRenewal, LeaseState, LeaseTime, SavedTable } from '../cluster-store.ts'
import { freshStamp, type LmdbEnvironment, type Rows } from './environment.ts'
import { leftMs, LmdbLeases, type Ending } from './leases.ts'

type StoredLeader = LeaderRow & Ending

const SEQUENCE = Buffer.from('sequence')
const LEADER = Buffer.from('leader')
const TABLE = Buffer.from('table')
const NONE: StoredLeader = { nonce: '', address: '', term: 0, endsAtMs: 0, ttlMs: 0 }

export class LmdbClusterStore implements ClusterStore {
  readonly name: string
  readonly #env: LmdbEnvironment
  readonly #nowMs: () => number
  #rows: Rows | undefined
  #leases: LmdbLeases | undefined

  constructor(env: LmdbEnvironment, nowMs: () => number = machineMs) {
    this.name = env.name
    this.#env = env
    this.#nowMs = nowMs
  }

  async open(): Promise<void> {
    this.#env.open()
    const rows = this.#env.rows('cluster', true)
    this.#rows = rows
    this.#leases = new LmdbLeases(this.#env, this.#nowMs)
    await this.#env.write(() => rows.ifNoExists(SEQUENCE, () => { void rows.put(SEQUENCE, Buffer.alloc(0), freshStamp()) }))
  }

  async close(): Promise<void> {
    if (this.#rows === undefined) return
    this.#rows = undefined
    this.#leases = undefined
    await this.#env.close()
  }

  campaign({ nonce, address, ttlMs, deposes }: Candidate): Promise<LeaderRow> {
    return this.#change<LeaderRow>(() => {
      const held = this.#leader()
      const nowMs = this.#nowMs()
      if (held.nonce !== nonce && held.nonce !== '' && held.nonce !== deposes && leftMs(held, nowMs) > 0) return { result: rowOf(held) }
      const leader = { nonce, address, term: held.nonce === nonce ? held.term : held.term + 1 }
      return { result: leader, key: LEADER, value: json({ ...leader, endsAtMs: nowMs + ttlMs, ttlMs }) }
    })
  }

  resign(nonce: string): Promise<void> {
    return this.#change<void>(() => {
      const held = this.#leader()
      return held.nonce === nonce ? { result: undefined, key: LEADER, value: json({ ...NONE, term: held.term }) } : { result: undefined }
    })
  }

  async loadTable(): Promise<SavedTable | undefined> {
    this.#env.snapshot()
    return this.#env.read(() => this.#table(this.#open()))
  }

  saveTable(table: SavedTable): Promise<'ok' | 'stale'> {
    return this.#change(() => {
      const saved = this.#table(this.#open())
      const newest = Math.max(this.#leader().term, saved?.term ?? 0)
      if (table.term < newest || table.version <= (saved?.version ?? -1)) return { result: 'stale' }
      const value = Buffer.allocUnsafe(16 + table.bytes.length)
      value.writeDoubleBE(table.term)
      value.writeDoubleBE(table.version, 8)
      value.set(table.bytes, 16)
      return { result: 'ok', key: TABLE, value }
    })
  }

  async openLease(lease: LeaseTime): Promise<void> {
    await this.#openLeases().open(lease)
  }

  async renewLease(lease: LeaseTime): Promise<LeaseRenewal> {
    const held = await this.#openLeases().renew(lease)
    this.#env.snapshot()
    return this.#env.read(() => {
      const leader = this.#leader()
      const led = leader.nonce !== '' && leftMs(leader, this.#nowMs()) > 0
      return { held, version: this.#table(this.#open())?.version ?? 0, leader: led ? rowOf(leader) : undefined }
    })
  }

  async revokeLease(id: string): Promise<'revoked' | 'held'> {
    return await this.#openLeases().revoke(id)
  }

  async endLease(id: string): Promise<void> {
    await this.#openLeases().end(id)
  }

  async leases(): Promise<readonly LeaseState[]> {
    return this.#openLeases().all()
  }

  /** Repeats `decide` on fresh reads until its change is the next one, or it wants none. */
  async #change<T>(decide: () => { result: T; key?: Buffer; value?: Buffer }): Promise<T> {
    for (;;) {
      this.#env.snapshot()
      const { stamp, change } = this.#env.read(() => ({ stamp: this.#open().getEntry(SEQUENCE)!.version!, change: decide() }))
      const { key, value } = change
      const rows = this.#open()
      if (key === undefined || value === undefined) return change.result
      const applied = await this.#env.write(() => rows.ifVersion(SEQUENCE, stamp, () => {
        void rows.put(SEQUENCE, Buffer.alloc(0), freshStamp())
        void rows.put(key, value, 0)
      }))
      if (applied) return change.result
    }
  }

  #open(): Rows {
    if (this.#rows === undefined) throw new TroupeError('STORE_UNAVAILABLE', `${this.name}: this store is not open`)
    return this.#rows
  }

  #openLeases(): LmdbLeases {
    this.#open()
    return this.#leases!
  }

  #leader(): StoredLeader {
    const bytes = this.#open().getBinary(LEADER)
    return bytes === undefined ? NONE : JSON.parse(bytes.toString()) as StoredLeader
  }

  #table(rows: Rows): SavedTable | undefined {
    const bytes = rows.getBinary(TABLE)
    return bytes && { term: bytes.readDoubleBE(0), version: bytes.readDoubleBE(8), bytes: bytes.subarray(16) }
  }
}

const rowOf = ({ nonce, address, term }: LeaderRow): LeaderRow => ({ nonce, address, term })

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
