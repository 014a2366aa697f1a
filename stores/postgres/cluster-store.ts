/** The cluster's rows on PostgreSQL: each change is one procedure, and the database's clock says when a leader's row ends. */
import type { ClusterStore, LeaderRow, SavedTable } from '../cluster-store.ts'
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

  async campaign(candidate: { nonce: string; address: string; ttlMs: number }): Promise<LeaderRow> {
    const [row] = await this.#postgres.run(this.#statements.campaign, [candidate.nonce, candidate.address, candidate.ttlMs])
    const [nonce, address, term] = row as [string, string, string]
    return { nonce, address, term: Number(term) }
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
}
