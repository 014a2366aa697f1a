/** `pg` with one awaited upsert an operation, prepared, over a pool of ten connections. */
import { Pool } from 'pg'
import type { Scope } from '../harness/scope.ts'
import type { BareStore } from './bare-store.ts'

export async function openBarePostgres(scope: Scope, url: string, valueBytes: number): Promise<BareStore> {
  const pool = new Pool({ connectionString: url, max: 10 })
  scope.defer(() => pool.end())
  await pool.query('CREATE TABLE bare (key text PRIMARY KEY, value bytea NOT NULL)')
  const value = Buffer.alloc(valueBytes, 1)
  return {
    servers: {},
    put: key => pool.query({ name: 'put', text: 'INSERT INTO bare VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value', values: [key, value] }),
    get: key => pool.query({ name: 'get', text: 'SELECT value FROM bare WHERE key = $1', values: [key] }),
  }
}
