/**
 * Leases on LMDB: a row a lease, each with a stamp that every renewal makes anew.
 *
 * A change is decided on a read and applied under the condition that the row's stamp is still the one that was read. So of a
 * renewal and a revocation that meet, one finds its condition broken and is decided anew: on a lease that is gone, or that lasts.
 *
 * Times are of the machine's monotonic clock (core/clock.ts), so that nobody who sets the wall clock ends a lease or makes it last.
 */
import type { LeaseState, LeaseTime } from '../cluster-store.ts'
import { freshStamp, type LmdbEnvironment, type Rows } from './environment.ts'

/** When a row ends that was given a time. */
export interface Ending {
  readonly endsAtMs: number
  readonly ttlMs: number
}

/**
 * Until it ends; 0 or less: it has. One that seems to last longer than it ever could was written before the machine started
 * anew and its clock with it: its writer is gone.
 */
export function leftMs({ endsAtMs, ttlMs }: Ending, nowMs: number): number {
  const left = endsAtMs - nowMs
  return left > ttlMs ? 0 : left
}

const ROW_BYTES = 16

export class LmdbLeases {
  readonly #env: LmdbEnvironment
  readonly #rows: Rows
  readonly #nowMs: () => number

  constructor(env: LmdbEnvironment, nowMs: () => number) {
    this.#env = env
    this.#rows = env.rows('leases', true)
    this.#nowMs = nowMs
  }

  async open({ id, ttlMs }: LeaseTime): Promise<void> {
    await this.#env.write(() => this.#rows.put(keyOf(id), this.#lasting(ttlMs), freshStamp()))
  }

  async renew({ id, ttlMs }: LeaseTime): Promise<boolean> {
    const key = keyOf(id)
    for (;;) {
      const stamp = this.#read(key)?.stamp
      if (stamp === undefined) return false
      if (await this.#env.write(() => this.#rows.ifVersion(key, stamp, () => { void this.#rows.put(key, this.#lasting(ttlMs), freshStamp()) }))) return true
    }
  }

  async revoke(id: string): Promise<'revoked' | 'held'> {
    const key = keyOf(id)
    for (;;) {
      const row = this.#read(key)
      if (row === undefined) return 'revoked'
      if (leftMs(row, this.#nowMs()) > 0) return 'held'
      if (await this.#env.write(() => this.#rows.ifVersion(key, row.stamp, () => { void this.#rows.remove(key) }))) return 'revoked'
    }
  }

  async end(id: string): Promise<void> {
    await this.#env.write(() => this.#rows.remove(keyOf(id)))
  }

  all(): LeaseState[] {
    this.#env.snapshot()
    return this.#env.read(() => {
      const nowMs = this.#nowMs()
      return [...this.#rows.getRange()].map(({ key, value }) => ({ id: key.toString(), leftMs: leftMs(endingIn(value), nowMs) }))
    })
  }

  #read(key: Buffer): Ending & { readonly stamp: number } | undefined {
    this.#env.snapshot()
    return this.#env.read(() => {
      const entry = this.#rows.getEntry(key)
      return entry && { ...endingIn(entry.value), stamp: entry.version! }
    })
  }

  #lasting(ttlMs: number): Buffer {
    const row = Buffer.allocUnsafe(ROW_BYTES)
    row.writeDoubleBE(this.#nowMs() + ttlMs)
    row.writeDoubleBE(ttlMs, 8)
    return row
  }
}

const keyOf = (id: string): Buffer => Buffer.from(id)

const endingIn = (row: Buffer): Ending => ({ endsAtMs: row.readDoubleBE(0), ttlMs: row.readDoubleBE(8) })
