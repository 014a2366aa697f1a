/**
 * Rows that Dapr keeps in PostgreSQL, of both its components, told apart by their columns:
 *
 * - `state.postgresql` v1: `value jsonb`, `isbinary` (the JSON string is base64 then), `expiredate`.
 * - `state.postgresql` v2: `value bytea`, `expires_at`.
 *
 * Keys come in the order of the primary key, each page from behind the last one.
 */
import { Pool, type QueryResultRow } from 'pg'
import { TroupeError } from '../../core/errors.ts'
import type { DaprRow, DaprRows, UnreadableRow } from '../dapr-rows.ts'
import { parsePostgresUrl, type PostgresAddress } from './address.ts'
import { reasonOf, remedyFor } from './failure.ts'
import { quoted } from './schema.ts'

const PAGE = 1_000
const STATEMENT_MS = 30_000
const ATTEMPT_MS = 5_000

interface Shape {
  /** SQL for the value as bytes. */
  readonly value: string
  readonly expires: string | undefined
}

export class PostgresDaprRows implements DaprRows {
  readonly name: string
  readonly #address: PostgresAddress
  readonly #table: string
  #pool: Pool | undefined
  #shape: Shape | undefined

  /** `table`: `NAME` or `SCHEMA.NAME`. @throws BAD_OPTION */
  constructor(url: string, table: string) {
    this.#address = parsePostgresUrl(url)
    this.name = this.#address.name
    this.#table = table.split('.').map(quoted).join('.')
  }

  async open(): Promise<void> {
    const pool = this.#pool = new Pool({
      connectionString: this.#address.connectionString, max: 2, connectionTimeoutMillis: ATTEMPT_MS, query_timeout: STATEMENT_MS, fallback_application_name: 'troupe import',
    })
    pool.on('error', () => undefined)
    let columns: ReadonlyMap<string, string>
    try {
      const { rows } = await pool.query<{ name: string; type: string }>(
        'SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped', [this.#table],
      )
      columns = new Map(rows.map(({ name, type }) => [name, type]))
    } catch (error) {
      await this.close()
      throw new TroupeError('STORE_OPEN_FAILED', `cannot open ${this.name}: ${reasonOf(error)}; ${remedyFor(error)}`)
    }
    this.#shape = shapeOf(columns)
    if (this.#shape !== undefined) return
    await this.close()
    throw new TroupeError('BAD_OPTION', columns.size === 0
      ? `${this.name} has no table ${this.#table}; give the table of the state component with --table (metadata tableName, or tablePrefix followed by state)`
      : `the table ${this.#table} of ${this.name} has none of the shapes that Dapr writes (columns: ${[...columns.keys()].join(', ')}); give another with --table`)
  }

  async *keys(): AsyncGenerator<readonly string[], void> {
    for (let after: string | undefined; ;) {
      const rows = await this.#query<{ key: string }>(
        `SELECT key FROM ${this.#table} WHERE ${after === undefined ? 'true' : 'key > $2'} AND ${this.#alive()} ORDER BY key LIMIT $1`, [PAGE, ...after === undefined ? [] : [after]],
      )
      if (rows.length > 0) yield rows.map(({ key }) => key)
      if (rows.length < PAGE) return
      after = rows.at(-1)!.key
    }
  }

  async read(keys: readonly string[]): Promise<(DaprRow | UnreadableRow | undefined)[]> {
    const { value, expires } = this.#shape!
    const ttl = expires === undefined ? 'NULL' : `EXTRACT(EPOCH FROM ${expires} - now()) * 1000`
    const rows = await this.#query<{ key: string; value: Buffer; ttl: string | null }>(
      `SELECT key, ${value} AS value, ${ttl} AS ttl FROM ${this.#table} WHERE key = ANY($1::text[]) AND ${this.#alive()}`, [keys],
    )
    const found = new Map(rows.map(row => [row.key, { value: row.value, ttlMs: row.ttl === null ? undefined : Math.ceil(Number(row.ttl)) }]))
    return keys.map(key => found.get(key))
  }

  async close(): Promise<void> {
    const pool = this.#pool
    this.#pool = undefined
    await pool?.end()
  }

  #alive(): string {
    const expires = this.#shape?.expires
    return expires === undefined ? 'true' : `(${expires} IS NULL OR ${expires} > now())`
  }

  async #query<R extends QueryResultRow>(text: string, values: readonly unknown[]): Promise<R[]> {
    if (this.#pool === undefined) throw new TroupeError('STORE_UNAVAILABLE', `${this.name}: it is not open`)
    try {
      return (await this.#pool.query<R>(text, values as unknown[])).rows
    } catch (error) {
      // Without a cause: errors of pg may carry values of their statement.
      throw new TroupeError('STORE_UNAVAILABLE', `${this.name}: ${reasonOf(error)}`)
    }
  }
}

/** Undefined: none of Dapr's. */
function shapeOf(columns: ReadonlyMap<string, string>): Shape | undefined {
  const type = columns.get('value')
  if (!columns.has('key') || type === undefined) return undefined
  const expires = ['expires_at', 'expiredate'].find(name => columns.has(name))
  if (type === 'bytea') return { value: 'value', expires }
  if (type !== 'jsonb' && type !== 'json') return undefined
  const text = "convert_to(value::text, 'UTF8')"
  return { value: columns.has('isbinary') ? `CASE WHEN isbinary THEN decode(value #>> '{}', 'base64') ELSE ${text} END` : text, expires }
}
