/**
 * The connections of one process to PostgreSQL, shared by its stores: a bounded pool. pg is imported in
 * this folder alone.
 *
 * A statement is sent at most once and has an answer or an error within `commandTimeoutMs`, after half that time at
 * most for a connection. One exception: an answer that proves that the server took everything back (deadlock,
 * serialization failure) leads to another try. A connection on which anything failed is not used again, and lost ones
 * are replaced when they are needed, so a restarted server is found again.
 *
 * What a session needs is set by startup options. Behind PgBouncer they must be let through or ignored
 * (`ignore_startup_parameters = options`), and statements must be prepared (`max_prepared_statements`); nothing but
 * time limits and speed hangs on them.
 */
import { Pool, type PoolClient } from 'pg'
import { sleep, type Clock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import { silentLogger, type Logger } from '../../core/logger.ts'
import { NothingWritten } from '../nothing-written.ts'
import type { PostgresAddress } from './address.ts'
import { isPassing, isRefusal, isTakenBack, reasonOf, remedyFor, wroteNothing } from './failure.ts'
import { migrate } from './migrate.ts'
import { quoted, schemaOf } from './schema.ts'
import { checkServer } from './server-check.ts'

export interface PostgresConnectionOptions {
  readonly log?: Logger
  /** How long `open` tries, not counting the last attempt. 5 s by default. */
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

const MAX_TRIES = 4
/** How long a server has to say goodbye. */
const GOODBYE_MS = 1_000

export class PostgresConnection {
  readonly name: string
  /** Quoted name of the schema that holds this cluster's rows. */
  readonly schema: string
  readonly #schemaName: string
  readonly #address: PostgresAddress
  readonly #clock: Clock
  readonly log: Logger
  readonly #openTimeoutMs: number
  readonly #commandTimeoutMs: number
  #pool: Pool | undefined
  /** Those whose sockets are open. */
  readonly #clients = new Set<PoolClient>()
  readonly #listeners: ((why: string) => void)[] = []
  #opening: Promise<void> | undefined
  #users = 0

  constructor(address: PostgresAddress, namespace: string, clock: Clock, options: PostgresConnectionOptions = {}) {
    this.name = address.name
    this.#schemaName = schemaOf(namespace)
    this.schema = quoted(this.#schemaName)
    this.#address = address
    this.#clock = clock
    this.log = options.log ?? silentLogger
    this.#openTimeoutMs = options.openTimeoutMs ?? 5_000
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
    if (pool !== undefined) await this.#end(pool)
  }

  /** Called when another server may answer than before, or the same one with other data; `why` is for people. */
  onServerChange(listener: (why: string) => void): void {
    this.#listeners.push(listener)
  }

  /**
   * @throws STORE_UNAVAILABLE when there is no answer, or one that says no: a change may have been made all the same; or
   * NothingWritten when none was made, not `retryable` when the values are at fault
   */
  async run(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
    for (let tries = 1; ; tries++) {
      const client = await this.#connected()
      let failure: unknown
      try {
        return (await client.query<unknown[]>({ ...statement, values: values as unknown[], rowMode: 'array' })).rows
      } catch (error) {
        failure = error
        if (isTakenBack(error) && tries < MAX_TRIES) continue
        // Without a cause: errors of pg may carry values of their statement.
        const message = `${this.name}: ${reasonOf(error)}`
        throw wroteNothing(error) ? new NothingWritten(message, { retryable: !isRefusal(error) }) : new TroupeError('STORE_UNAVAILABLE', message)
      } finally {
        client.release(failure !== undefined)
      }
    }
  }

  /** A connection of the pool. @throws NothingWritten */
  async #connected(): Promise<PoolClient> {
    try {
      if (this.#pool === undefined) throw new Error('it is not open')
      return await this.#pool.connect()
    } catch (error) {
      this.#changed('PostgreSQL could not be reached for a while')
      throw new NothingWritten(`${this.name}: ${reasonOf(error)}`)
    }
  }

  #changed(why: string): void {
    if (this.#pool !== undefined) for (const listener of this.#listeners) listener(why)
  }

  async #connect(): Promise<void> {
    const giveUpAt = this.#clock.monotonicMs() + this.#openTimeoutMs
    let pool: Pool | undefined
    try {
      pool = this.#makePool()
      const client = await this.#firstClient(pool, giveUpAt)
      try {
        const leftMs = (): number => Math.max(1_000, Math.ceil(giveUpAt - this.#clock.monotonicMs()))
        for (const warning of await checkServer(client, leftMs())) this.log.warn({ store: this.name }, warning)
        await migrate(client, this.#schemaName, leftMs())
      } finally {
        // It may be left inside a transaction, which ends with it.
        client.release(true)
      }
    } catch (error) {
      if (pool !== undefined) await this.#end(pool)
      throw new TroupeError('STORE_OPEN_FAILED', `cannot open ${this.name}: ${reasonOf(error)}; ${remedyFor(error)}`)
    }
    this.#pool = pool
  }

  /** A server that is not there yet is waited for; one that says no is not. */
  async #firstClient(pool: Pool, giveUpAt: number): Promise<PoolClient> {
    for (let pauseMs = 50; ; pauseMs = Math.min(2 * pauseMs, 500)) {
      try {
        return await pool.connect()
      } catch (error) {
        if (!isPassing(error) || this.#clock.monotonicMs() + pauseMs >= giveUpAt) throw error
        await sleep(this.#clock, pauseMs)
      }
    }
  }

  #makePool(): Pool {
    const pool = new Pool({
      connectionString: this.#address.connectionString,
      max: this.#address.pool,
      connectionTimeoutMillis: Math.ceil(Math.min(this.#openTimeoutMs, this.#commandTimeoutMs) / 2),
      // The last resort, when not even the server's own time limits bring an answer. The connection is closed then.
      query_timeout: this.#commandTimeoutMs,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      options: sessionOptions(this.#commandTimeoutMs),
      fallback_application_name: 'troupe',
    })
    const lost = (error: Error): void => {
      this.#changed('a connection to PostgreSQL was lost')
      this.log.debug({ store: this.name, reason: error.message }, 'postgres connection lost')
    }
    // Without listeners the loss of a connection that nobody uses at the moment would end the process.
    pool.on('error', lost)
    pool.on('connect', client => {
      client.on('error', lost)
      this.#clients.add(client)
      client.once('end', () => this.#clients.delete(client))
    })
    return pool
  }

  /** A frozen server says no goodbye, and its sockets would keep this process up. */
  async #end(pool: Pool): Promise<void> {
    await pool.end()
    const left = [...this.#clients]
    this.#clients.clear()
    if (left.length > 0) this.#clock.after(GOODBYE_MS, () => { for (const client of left) client.connection.stream.destroy() })
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
