/**
 * Rows that Dapr keeps in SQLite (`state.sqlite`): `key`, `value` as text, base64 where `is_binary` is set, `expiration_time` in UTC.
 * The file is opened for reading. Node's own SQLite reads it, which is loaded when it is needed and not before.
 */
import type { DatabaseSync } from 'node:sqlite'
import { existsSync } from 'node:fs'
import { messageOf, TroupeError } from '../../core/errors.ts'
import type { DaprRow, DaprRows, UnreadableRow } from '../dapr-rows.ts'
import { quoted } from '../postgres/schema.ts'

const PAGE = 1_000
const BUSY_MS = 10_000

type Sql = Record<string, string | number | bigint | Uint8Array | null>

export class SqliteDaprRows implements DaprRows {
  readonly name: string
  readonly #path: string
  readonly #table: string
  #database: DatabaseSync | undefined
  #binary = '0'
  #alive = 'true'
  #ttl = 'NULL'

  /** `url`: `sqlite:PATH`. @throws BAD_OPTION */
  constructor(url: string, table: string) {
    this.name = url
    this.#path = url.replace(/^sqlite:(?:\/\/(?=\/))?/, '')
    this.#table = quoted(table)
    if (this.#path === '') throw new TroupeError('BAD_OPTION', `store URL ${JSON.stringify(url)} names no file; write sqlite:PATH`)
  }

  async open(): Promise<void> {
    const columns = await this.#columns()
    if (columns.has('key') && columns.has('value')) {
      if (columns.has('is_binary')) this.#binary = 'is_binary'
      if (columns.has('expiration_time')) {
        this.#alive = "(expiration_time IS NULL OR julianday(expiration_time) > julianday('now'))"
        this.#ttl = "(julianday(expiration_time) - julianday('now')) * 86400000.0"
      }
      return
    }
    await this.close()
    throw new TroupeError('BAD_OPTION', columns.size === 0
      ? `${this.name} has no table ${this.#table}; give the table of the state component with --table (metadata tableName)`
      : `the table ${this.#table} of ${this.name} is none that Dapr writes (columns: ${[...columns].join(', ')}); give another with --table`)
  }

  async *keys(): AsyncGenerator<readonly string[], void> {
    for (let after = ''; ;) {
      const rows = this.#all(`SELECT key FROM ${this.#table} WHERE key > ? AND ${this.#alive} ORDER BY key LIMIT ${PAGE}`, [after])
      const keys = rows.map(row => String(row.key))
      if (keys.length > 0) yield keys
      if (keys.length < PAGE) return
      after = keys.at(-1)!
    }
  }

  async read(keys: readonly string[]): Promise<(DaprRow | UnreadableRow | undefined)[]> {
    const text = `SELECT value, ${this.#binary} AS binary, ${this.#ttl} AS ttl FROM ${this.#table} WHERE key = ? AND ${this.#alive}`
    return keys.map(key => {
      const row = this.#all(text, [key])[0]
      if (row === undefined) return undefined
      const value = row.value instanceof Uint8Array ? row.value : Buffer.from(String(row.value), Number(row.binary) === 1 ? 'base64' : 'utf8')
      return { value, ttlMs: row.ttl === null || row.ttl === undefined ? undefined : Math.ceil(Number(row.ttl)) }
    })
  }

  async close(): Promise<void> {
    this.#database?.close()
    this.#database = undefined
  }

  async #columns(): Promise<ReadonlySet<string>> {
    if (!existsSync(this.#path)) throw new TroupeError('STORE_OPEN_FAILED', `cannot open ${this.name}: there is no such file; correct the path`)
    try {
      const sqlite = await import('node:sqlite')
      this.#database = new sqlite.DatabaseSync(this.#path, { readOnly: true, timeout: BUSY_MS })
      return new Set(this.#all(`PRAGMA table_info(${this.#table})`, []).map(row => String(row.name)))
    } catch (error) {
      await this.close()
      throw new TroupeError('STORE_OPEN_FAILED', `cannot open ${this.name}: ${messageOf(error)}; it must be a file of SQLite that this user may read`)
    }
  }

  #all(text: string, values: readonly string[]): Sql[] {
    if (this.#database === undefined) throw new TroupeError('STORE_UNAVAILABLE', `${this.name}: it is not open`)
    try {
      return this.#database.prepare(text).all(...values) as Sql[]
    } catch (error) {
      throw new TroupeError('STORE_UNAVAILABLE', `${this.name}: ${messageOf(error)}`)
    }
  }
}
