/** The cluster's rows on Redis: each change is one script, and the server's clock says when a leader's row ends. */
import type { ClusterStore, LeaderRow, SavedTable } from '../cluster-store.ts'
import type { RedisConnection } from './connection.ts'
import type { RedisKeys } from './keys.ts'
import { campaignScript, resignScript, saveTableScript } from './scripts.ts'

export class RedisClusterStore implements ClusterStore {
  readonly name: string
  readonly #redis: RedisConnection
  readonly #leader: string
  readonly #table: string

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.name = redis.name
    this.#redis = redis
    this.#leader = keys.cluster('leader')
    this.#table = keys.cluster('table')
  }

  open(): Promise<void> {
    return this.#redis.open()
  }

  close(): Promise<void> {
    return this.#redis.close()
  }

  async campaign(candidate: { nonce: string; address: string; ttlMs: number }): Promise<LeaderRow> {
    const args = [candidate.nonce, candidate.address, String(candidate.ttlMs)]
    const [nonce, address, term] = await this.#redis.run(campaignScript, [this.#leader], args) as [Buffer, Buffer, Buffer]
    return { nonce: nonce.toString(), address: address.toString(), term: Number(term) }
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
}
