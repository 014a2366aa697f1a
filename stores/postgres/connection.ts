/**
 * The connections of one process to PostgreSQL, shared by its stores: a bounded pool. The only importer of pg.
 *
 * A statement is sent at most once and has an answer or an error within `commandTimeoutMs`: waiting for a connection,
 * for locks and for the server included. One exception: an answer that proves that the server took everything back
 * (deadlock, serialization failure) leads to another try. A connection on which anything failed is not used again, and
 * lost ones are replaced when they are needed, so a restarted server is found again.
 *
 * What a session needs is set by startup options. Behind PgBouncer they must be let through or ignored
 * (`ignore_startup_parameters = options`), and statements must be prepared (`max_prepared_statements`); nothing but
 * time limits and speed hangs on them.
 */
import { DatabaseError, Pool, type PoolClient } from 'pg'
import { sleep, type Clock } from '../../core/clock.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import { silentLogger, type Logger } from '../../core/logger.ts'
import type { PostgresAddress } from './address.ts'
import { migrate } from './migrate.ts'
import { quoted, schemaOf } from './schema.ts'
import { checkServer } from './server-check.ts'

export interface PostgresConnectionOptions {
  readonly log?: Logger
  /** How long `open` tries. 8 s by default. */
  readonly openTimeoutMs?: number
  /** How long a statement waits for its answer. 5 s by default. */
  readonly commandTimeoutMs?: number
}

/** SQL with a name of its own, under which a connection keeps it prepared. */
export interface Statement {
  readonly name: string
  readonly text: string
}

/** Rows as arrays: numbers, strings, Buffers, null. */
export type Row = readonly unknown[]

/** Codes of errors after which nothing of the statement is left in the database. */
const takenBack = new Set(['40001', '40P01'])
const MAX_TRIES = 4
/** Codes of a server that will be ready soon: starting, stopping, out of connections. */
const passing = new Set(['57P01', '57P02', '57P03', '53300'])

export class PostgresConnection {
  readonly name: string
  /** Quoted name of the schema that holds this cluster's rows. */
  readonly schema: string
  readonly #address: PostgresAddress
  readonly #clock: Clock
  readonly #log: Logger
  readonly #openTimeoutMs: number
  readonly #commandTimeoutMs: number
  #pool: Pool | undefined
  #opening: Promise<void> | undefined
  #users = 0

  constructor(address: PostgresAddress, namespace: string, clock: Clock, options: PostgresConnectionOptions = {}) {
    this.name = address.name
    this.schema = quoted(schemaOf(namespace))
    this.#address = address
    this.#clock = clock
    this.#log = options.log ?? silentLogger
    this.#openTimeoutMs = options.openTimeoutMs ?? 8_000
    this.#commandTimeoutMs = options.commandTimeoutMs ?? 5_000
  }

  /** Connects, and creates or migrates the schema. Pairs with `close`. @throws STORE_OPEN_FAILED */
  async open(): Promise<void> {
    this.#opening ??= this.#connect()
    try {
      await this.#opening
    } catch (error) {
      this.#opening = undefined
      throw error
    }
    this.#users++
  }

  /** Statements that are running end first. */
  async close(): Promise<void> {
    if (this.#users === 0 || --this.#users > 0) return
    this.#opening = undefined
    const pool = this.#pool
    this.#pool = undefined
    await pool?.end()
  }

  /** @throws STORE_UNAVAILABLE when there is no answer, or one that says no: a change may have been made all the same */
  async run(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
    for (let tries = 1; ; tries++) {
      try {
        if (this.#pool === undefined) throw new Error('it is not open')
        const result = await this.#pool.query<unknown[]>({ ...statement, values: values as unknown[], rowMode: 'array' })
        return result.rows
      } catch (error) {
        if (takenBack.has(codeOf(error)) && tries < MAX_TRIES) continue
        // Without a cause: errors of pg may carry values of their statement.
        throw new TroupeError('STORE_UNAVAILABLE', `${this.name}: ${messageOf(error)}`)
      }
    }
  }

  async #connect(): Promise<void> {
    const giveUpAt = this.#clock.monotonicMs() + this.#openTimeoutMs
    let pool: Pool | undefined
    try {
      pool = this.#makePool()
      const client = await this.#firstClient(pool, giveUpAt)
      try {
        for (const warning of await checkServer(client)) this.#log.warn({ store: this.name }, warning)
        await migrate(client, this.schema, Math.max(1_000, giveUpAt - this.#clock.monotonicMs()))
      } finally {
        // It may be left in the middle of something.
        client.release(true)
      }
    } catch (error) {
      await pool?.end()
      throw new TroupeError('STORE_OPEN_FAILED', `cannot open ${this.name}: ${messageOf(error)}; ${remedyFor(error)}`)
    }
    this.#pool = pool
  }

  /** A server that is not there yet is waited for; one that says no is not. */
  async #firstClient(pool: Pool, giveUpAt: number): Promise<PoolClient> {
    for (let pauseMs = 50; ; pauseMs = Math.min(2 * pauseMs, 500)) {
      try {
        return await pool.connect()
      } catch (error) {
        const code = codeOf(error)
        const final = error instanceof DatabaseError ? !passing.has(code) : /^(ERR_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|CERT_)|^ENOENT$/.test(code) || /SSL|SASL|password/.test(messageOf(error))
        if (final || this.#clock.monotonicMs() + pauseMs >= giveUpAt) throw error
        await sleep(this.#clock, pauseMs)
      }
    }
  }

  #makePool(): Pool {
    const pool = new Pool({
      connectionString: this.#address.connectionString,
      max: this.#address.pool,
      connectionTimeoutMillis: Math.min(this.#openTimeoutMs, this.#commandTimeoutMs),
      // The last resort, when not even the server's own time limits bring an answer. The connection is closed then.
      query_timeout: this.#commandTimeoutMs,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      options: sessionOptions(this.#commandTimeoutMs),
      fallback_application_name: 'troupe',
    })
    const lost = (error: Error): void => this.#log.debug({ store: this.name, reason: error.message }, 'postgres connection lost')
    // Without listeners the loss of a connection that nobody uses at the moment would end the process.
    pool.on('error', lost)
    pool.on('connect', client => { client.on('error', lost) })
    return pool
  }
}

/** Settings of each session, as its startup options. */
function sessionOptions(commandTimeoutMs: number): string {
  const limitMs = Math.max(1, Math.floor(commandTimeoutMs * 0.9))
  const settings = {
    statement_timeout: limitMs,
    lock_timeout: Math.max(1, Math.floor(limitMs / 2)),
    // For the migration, the one transaction of several messages.
    idle_in_transaction_session_timeout: 10_000,
    // A host that vanishes without a word: its sessions end.
    tcp_keepalives_idle: 10,
    tcp_keepalives_interval: 3,
    tcp_keepalives_count: 3,
    // The fence counts on each statement of a procedure seeing what was committed before it began.
    default_transaction_isolation: 'read committed',
    // Every statement is a handful of look-ups by index. A plan made while a table was small must not read all of it
    // when it is large, and planning again each time would cost more than the look-ups.
    plan_cache_mode: 'force_generic_plan',
    enable_seqscan: 'off',
    enable_bitmapscan: 'off',
    enable_hashjoin: 'off',
    enable_mergejoin: 'off',
    jit: 'off',
  }
  return Object.entries(settings).map(([name, value]) => `-c ${name}=${String(value).replaceAll(' ', '\\ ')}`).join(' ')
}

const codeOf = (error: unknown): string => String((error as { code?: unknown } | undefined)?.code ?? '')

/** By SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html */
function remedyFor(error: unknown): string {
  if ((error as { remedy?: unknown }).remedy !== undefined) return String((error as { remedy: unknown }).remedy)
  switch (codeOf(error)) {
    case '3D000': return 'create the database, or correct the URL'
    case '28000': case '28P01': return 'correct user and password in the URL'
    case '42501': return 'let this user create the schema, or create it and make this user its owner'
    default: return 'start the server, or correct the URL (host, port, user, password, database, sslmode)'
  }
}
