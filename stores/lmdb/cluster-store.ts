/**
 * The cluster's rows on LMDB, for hosts of one machine: their common wall clock says when a leader's row ends.
 *
 * Every change is decided on a read and applied under the condition that no row has changed since: all rows share one
 * `sequence` row whose random stamp each change renews. A change that was beaten to it is decided anew.
 */
import type { Clock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import type { ClusterStore, LeaderRow, SavedTable } from '../cluster-store.ts'
import { freshStamp, type LmdbEnvironment, type Rows } from './environment.ts'

interface StoredLeader extends LeaderRow {
  readonly endsAtMs: number
}

const SEQUENCE = Buffer.from('sequence')
const LEADER = Buffer.from('leader')
const TABLE = Buffer.from('table')
const NONE: StoredLeader = { nonce: '', address: '', term: 0, endsAtMs: 0 }

export class LmdbClusterStore implements ClusterStore {
  readonly name: string
  readonly #env: LmdbEnvironment
  readonly #clock: Clock
  #rows: Rows | undefined

  constructor(env: LmdbEnvironment, clock: Clock) {
    this.name = env.name
    this.#env = env
    this.#clock = clock
  }

  async open(): Promise<void> {
    this.#env.open()
    const rows = this.#env.rows('cluster', true)
    this.#rows = rows
    await this.#env.write(() => rows.ifNoExists(SEQUENCE, () => { void rows.put(SEQUENCE, Buffer.alloc(0), freshStamp()) }))
  }

  async close(): Promise<void> {
    if (this.#rows === undefined) return
    this.#rows = undefined
    await this.#env.close()
  }

  campaign(candidate: { nonce: string; address: string; ttlMs: number }): Promise<LeaderRow> {
    const { nonce, address, ttlMs } = candidate
    return this.#change<LeaderRow>(() => {
      const held = this.#leader()
      const nowMs = this.#clock.wallMs()
      if (held.nonce !== nonce && held.nonce !== '' && held.endsAtMs > nowMs) return { result: held }
      const leader = { nonce, address, term: held.nonce === nonce ? held.term : held.term + 1 }
      return { result: leader, key: LEADER, value: json({ ...leader, endsAtMs: nowMs + ttlMs }) }
    }).then(row => ({ nonce: row.nonce, address: row.address, term: row.term }))
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

  #leader(): StoredLeader {
    const bytes = this.#open().getBinary(LEADER)
    return bytes === undefined ? NONE : JSON.parse(bytes.toString()) as StoredLeader
  }

  #table(rows: Rows): SavedTable | undefined {
    const bytes = rows.getBinary(TABLE)
    return bytes && { term: bytes.readDoubleBE(0), version: bytes.readDoubleBE(8), bytes: bytes.subarray(16) }
  }
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
