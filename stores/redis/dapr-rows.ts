/**
 * Rows that Dapr keeps in Redis: each key a hash with the fields `data` and `version`, its time to live that of the key; very old rows
 * are plain strings. Documents of RedisJSON are told, not read: their text is not what was written.
 *
 * Keys come by SCAN, never KEYS, so the server serves others meanwhile; of a cluster, node after node. Troupe's own, where it is
 * imported into the same server, are left out.
 */
import { Cluster, Redis } from 'ioredis'
import { messageOf, TroupeError } from '../../core/errors.ts'
import type { DaprRow, DaprRows, UnreadableRow } from '../dapr-rows.ts'
import { parseRedisUrl, type RedisAddress } from './address.ts'
import { isOwnKey } from './keys.ts'

/** Keys that a SCAN looks at. */
const PAGE = 500
const COMMAND_MS = 10_000
const ATTEMPTS = 3

export class RedisDaprRows implements DaprRows {
  readonly name: string
  readonly #address: RedisAddress
  #client: Redis | Cluster | undefined
  #lastError = 'no connection'

  /** @throws BAD_OPTION */
  constructor(url: string) {
    this.#address = parseRedisUrl(url)
    this.name = this.#address.name
  }

  async open(): Promise<void> {
    const client = this.#client = this.#makeClient()
    client.on('error', (error: Error) => { this.#lastError = reasonOf(error) })
    try {
      await client.connect()
      // What needs a password refuses this, and not the connection.
      await client.ping()
    } catch (error) {
      client.disconnect()
      const why = /^(?:Connection is closed|None of startup nodes)/.test(messageOf(error)) ? this.#lastError : messageOf(error)
      throw new TroupeError('STORE_OPEN_FAILED', `cannot open ${this.name}: ${why}; start the server, or correct the URL (host, port, user, password)`)
    }
  }

  async *keys(): AsyncGenerator<readonly string[], void> {
    const client = this.#ready()
    for (const node of client instanceof Redis ? [client] : client.nodes('master')) {
      let cursor = '0'
      do {
        const [next, page] = await this.#answer(node.scan(cursor, 'COUNT', PAGE))
        const others = page.filter(key => !isOwnKey(key))
        if (others.length > 0) yield others
        cursor = next
      } while (cursor !== '0')
    }
  }

  async read(keys: readonly string[]): Promise<(DaprRow | UnreadableRow | undefined)[]> {
    // Sent together, on one connection, answered in order.
    return Promise.all(keys.map(key => this.#row(key)))
  }

  async close(): Promise<void> {
    this.#client?.disconnect()
    this.#client = undefined
  }

  async #row(key: string): Promise<DaprRow | UnreadableRow | undefined> {
    const client = this.#ready()
    const type = await this.#answer(client.type(key))
    if (type === 'none') return undefined
    if (/^rejson/i.test(type)) return { unreadable: 'it is a document of RedisJSON (contentType application/json), whose text is not what was written' }
    if (type !== 'hash' && type !== 'string') return { unreadable: `it is a ${type} of Redis, and no row that Dapr writes` }
    const value = await this.#answer(type === 'hash' ? client.hgetBuffer(key, 'data') : client.getBuffer(key))
    const ttlMs = await this.#answer(client.pttl(key))
    // It has expired since the look at its type.
    if (ttlMs === -2) return undefined
    if (value === null) return { unreadable: 'it is a hash without the field data, and no row that Dapr writes' }
    return { value, ttlMs: ttlMs < 0 ? undefined : ttlMs }
  }

  #makeClient(): Redis | Cluster {
    const { nodes, username, password, database, tls, clustered } = this.#address
    // Reading again what was read already harms nobody: commands may be sent more than once.
    const options = {
      commandTimeout: COMMAND_MS, connectTimeout: COMMAND_MS, maxRetriesPerRequest: ATTEMPTS,
      ...username !== undefined && { username }, ...password !== undefined && { password },
    }
    const retry = (times: number): number | null => times > ATTEMPTS ? null : 100 * times
    return clustered
      ? new Cluster([...nodes], { lazyConnect: true, clusterRetryStrategy: retry, redisOptions: options })
      : new Redis({ ...options, ...nodes[0]!, db: database, lazyConnect: true, retryStrategy: retry, ...tls && { tls: {} } })
  }

  #ready(): Redis | Cluster {
    if (this.#client === undefined) throw new TroupeError('STORE_UNAVAILABLE', `${this.name}: it is not open`)
    return this.#client
  }

  async #answer<T>(command: Promise<T>): Promise<T> {
    try {
      return await command
    } catch (error) {
      throw new TroupeError('STORE_UNAVAILABLE', `${this.name}: ${messageOf(error)}`)
    }
  }
}

/** A cluster client wraps the reason of its nodes. */
const reasonOf = (error: Error & { readonly lastNodeError?: Error }): string => error.lastNodeError?.message ?? error.message
