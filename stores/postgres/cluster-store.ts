/** The cluster's rows on PostgreSQL: each change is one procedure, and the database's clock says when a leader's row or a lease ends. */
import type { Candidate, ClusterStore, LeaderRow, LeaseRenewal, LeaseState, LeaseTime, SavedTable } from '../cluster-store.ts'
import type { PostgresConnection } from './connection.ts'
import { clusterStatements, type ClusterStatements } from './statements.ts'

export class PostgresClusterStore implements ClusterStore {
  readonly name: string
  readonly #postgres: PostgresConnection
  readonly #statements: ClusterStatements

  constructor(postgres: PostgresConnection) {
    this.name = postgres.name
    this.#postgres = postgres
    this.#statements = clusterStatements(postgres.schema)
  }

  open(): Promise<void> {
    return this.#postgres.open()
  }

  close(): Promise<void> {
    return this.#postgres.close()
  }

  async campaign({ nonce, address, ttlMs, deposes = '' }: Candidate): Promise<LeaderRow> {
    const [row] = await this.#postgres.run(this.#statements.campaign, [nonce, address, ttlMs, deposes])
    return leaderIn(row!)!
  }

  async resign(nonce: string): Promise<void> {
    await this.#postgres.run(this.#statements.resign, [nonce])
  }

  async loadTable(): Promise<SavedTable | undefined> {
    const [row] = await this.#postgres.run(this.#statements.loadTable, [])
    if (row === undefined) return undefined
    const [term, version, bytes] = row as [number, number, Buffer]
    return { term, version, bytes }
  }

  async saveTable({ term, version, bytes }: SavedTable): Promise<'ok' | 'stale'> {
    const [row] = await this.#postgres.run(this.#statements.saveTable, [term, version, Buffer.from(bytes)])
    return row![0] === 'ok' ? 'ok' : 'stale'
  }

  async openLease({ id, ttlMs }: LeaseTime): Promise<void> {
    await this.#postgres.run(this.#statements.openLease, [id, ttlMs])
  }

  async renewLease({ id, ttlMs }: LeaseTime): Promise<LeaseRenewal> {
    const [row] = await this.#postgres.run(this.#statements.renewLease, [id, ttlMs])
    const [held, version, ...leader] = row!
    return { held: held === true, version: Number(version ?? 0), leader: leaderIn(leader) }
  }

  async revokeLease(id: string): Promise<'revoked' | 'held'> {
    const [row] = await this.#postgres.run(this.#statements.revokeLease, [id])
    return row![0] === 'held' ? 'held' : 'revoked'
  }

  async endLease(id: string): Promise<void> {
    await this.#postgres.run(this.#statements.endLease, [id])
  }

  async leases(): Promise<readonly LeaseState[]> {
    const rows = await this.#postgres.run(this.#statements.leases, [])
    return rows.map(row => ({ id: row[0] as string, leftMs: row[1] as number }))
  }
}

function leaderIn(row: readonly unknown[]): LeaderRow | undefined {
  const [nonce, address, term] = row as [string | null, string, string]
  return nonce === null ? undefined : { nonce, address, term: Number(term) }
}
