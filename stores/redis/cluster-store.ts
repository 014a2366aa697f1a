/** The cluster's rows on Redis: each change is one script, and the server's clock says when a leader's row or a lease ends. */
import type { Candidate, ClusterStore, LeaderRow, LeaseRenewal, LeaseState, LeaseTime, SavedTable } from '../cluster-store.ts'
import {
  campaignScript, leasesScript, openLeaseScript, renewLeaseScript, resignScript, revokeLeaseScript, saveTableScript,
} from './cluster-scripts.ts'
import type { RedisConnection } from './connection.ts'
import type { RedisKeys } from './keys.ts'

export class RedisClusterStore implements ClusterStore {
  readonly name: string
  readonly #redis: RedisConnection
  readonly #leader: string
  readonly #table: string
  readonly #leases: string

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.name = redis.name
    this.#redis = redis
    this.#leader = keys.cluster('leader')
    this.#table = keys.cluster('table')
    this.#leases = keys.cluster('leases')
  }

  open(): Promise<void> {
    return this.#redis.open()
  }

  close(): Promise<void> {
    return this.#redis.close()
  }

  async campaign({ nonce, address, ttlMs, deposes = '' }: Candidate): Promise<LeaderRow> {
    return leaderIn(await this.#redis.run(campaignScript, [this.#leader], [nonce, address, String(ttlMs), deposes]) as Buffer[])!
  }

  async resign(nonce: string): Promise<void> {
    await this.#redis.run(resignScript, [this.#leader], [nonce])
  }

  async loadTable(): Promise<SavedTable | undefined> {
    const [term, version, bytes] = await this.#redis.command('HMGET', [this.#table, 'term', 'version', 'bytes']) as (Buffer | null)[]
    return bytes ? { term: Number(term), version: Number(version), bytes } : undefined
  }

  async saveTable(table: SavedTable): Promise<'ok' | 'stale'> {
    const args = [String(table.term), String(table.version), Buffer.from(table.bytes)]
    return String(await this.#redis.run(saveTableScript, [this.#leader, this.#table], args)) === 'ok' ? 'ok' : 'stale'
  }

  async openLease({ id, ttlMs }: LeaseTime): Promise<void> {
    await this.#redis.run(openLeaseScript, [this.#leases], [id, String(ttlMs)])
  }

  async renewLease({ id, ttlMs }: LeaseTime): Promise<LeaseRenewal> {
    const [held, version, ...leader] = await this.#redis.run(renewLeaseScript, [this.#leases, this.#leader, this.#table], [id, String(ttlMs)]) as Buffer[]
    return { held: String(held) === '1', version: Number(version), leader: leaderIn(leader) }
  }

  async revokeLease(id: string): Promise<'revoked' | 'held'> {
    return String(await this.#redis.run(revokeLeaseScript, [this.#leases], [id])) === 'held' ? 'held' : 'revoked'
  }

  async endLease(id: string): Promise<void> {
    await this.#redis.command('HDEL', [this.#leases, id])
  }

  async leases(): Promise<readonly LeaseState[]> {
    const rows = await this.#redis.run(leasesScript, [this.#leases], []) as Buffer[]
    return rows.flatMap((row, i) => i % 2 === 0 ? [{ id: row.toString(), leftMs: Number(rows[i + 1]) }] : [])
  }
}

function leaderIn([nonce, address, term]: readonly Buffer[]): LeaderRow | undefined {
  return nonce && address && term && { nonce: nonce.toString(), address: address.toString(), term: Number(term) }
}
