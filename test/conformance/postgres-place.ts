/** What the tests of PostgreSQL share: a server with its stores, a namespace a test, and ways to see who waits for whom. */
import type { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished } from 'vitest'
import { SystemClock } from '../../core/clock.ts'
import type { ActorWrite, Claim } from '../../stores/actor-store.ts'
import { PostgresActorStore } from '../../stores/postgres/actor-store.ts'
import { parsePostgresUrl } from '../../stores/postgres/address.ts'
import { PostgresConnection, type PostgresConnectionOptions } from '../../stores/postgres/connection.ts'
import { startPostgres, type PostgresServer } from '../servers/postgres.ts'
import { entriesOf } from './actor-store.suite.ts'

export const claim = (epoch: number): Claim => ({ type: 'T', shard: 1, epoch, nonce: `host-${epoch}` })
export const write = (epoch: number, previous: number, id = 'a', entries?: ActorWrite['entries']): ActorWrite =>
  ({ ...claim(epoch), id, previous, head: Buffer.from(`v${previous + 1}`), ...entries && { entries } })

/** Repeats `ask` until it succeeds, for 10 s at most. */
export async function eventually<T>(ask: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + 10_000; ;) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}

/** Version of actor `a` and its entries `x` and `y`. */
export const stateOf = async (store: PostgresActorStore): Promise<unknown[]> => [
  (await store.load([write(1, 0)]))[0]?.version, ...(await entriesOf(store, write(1, 0), ['x', 'y'])).map(value => value && Buffer.from(value).toString()),
]

let namespaces = 0

/** A server of this file's own, and a namespace of each test's own. */
export class PostgresPlace {
  server!: PostgresServer
  namespace = ''
  /** Quoted. */
  schema = ''

  constructor(...settings: string[]) {
    beforeAll(async () => { this.server = await startPostgres(...settings) })
    afterAll(() => this.server?.stop())
    beforeEach(() => {
      this.namespace = `n${namespaces++}`
      this.schema = `"troupe_${this.namespace}"`
    })
  }

  connection(url = this.server.url, options: PostgresConnectionOptions = {}): PostgresConnection {
    return new PostgresConnection(parsePostgresUrl(url), this.namespace, new SystemClock(), options)
  }

  /** An open store, closed after the test. */
  async store(url?: string, commandTimeoutMs = 5_000): Promise<PostgresActorStore> {
    const store = new PostgresActorStore(this.connection(url, { commandTimeoutMs }), new SystemClock())
    await store.open()
    onTestFinished(() => store.close())
    return store
  }

  /** A connection as superuser, ended after the test. */
  async client(): Promise<Client> {
    const client = await this.server.connect()
    onTestFinished(() => client.end())
    return client
  }

  /** Resolves with the backends that run `procedure` for this namespace and wait for a lock, when there are `count`. */
  waiting(procedure: string, count = 1): Promise<number[]> {
    return eventually(async () => {
      const rows = await this.server.sql<{ pid: number }>(
        `select pid from pg_stat_activity where wait_event_type = 'Lock' and query like 'call ' || $1 || '.' || $2 || '%'`, [this.schema, procedure])
      expect(rows).toHaveLength(count)
      return rows.map(({ pid }) => pid)
    })
  }

  /** Somebody else's transaction that holds the head of actor `a`: writes of it stop in the middle, holding their claim. */
  async holdHead(): Promise<() => Promise<unknown>> {
    const client = await this.client()
    await client.query(`begin; select from ${this.schema}.heads where id = 'a' for update`)
    return () => client.query('rollback')
  }
}
