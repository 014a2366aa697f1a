/**
 * One connection to Redis or Redis Cluster, shared by the stores of a process. The only importer of ioredis.
 *
 * ioredis by default keeps commands while it is offline and sends unanswered ones again after a reconnect: an increment
 * ran twice, and a write of a replaced owner landed after the new owner's. All of that is off here: a command is sent at
 * most once, at once or not at all, and has an answer or an error within `commandTimeoutMs`. The client reconnects for
 * ever in the background, so a restarted server is found again.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Cluster, Redis } from 'ioredis'
import type { Clock } from '../../core/clock.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import { silentLogger, type Logger } from '../../core/logger.ts'
import { NothingWritten } from '../nothing-written.ts'
import type { RedisAddress } from './address.ts'
import { ClusterWatch, ServerWatch, type Watch } from './server-watch.ts'

export interface RedisConnectionOptions {
  readonly log?: Logger
  /** How long `open` tries. 5 s by default. */
  readonly openTimeoutMs?: number
  /** How long a command waits for its answer. 5 s by default. */
  readonly commandTimeoutMs?: number
}

export interface RedisScript {
  readonly lua: string
  readonly sha: string
}

export const redisScript = (lua: string): RedisScript => ({ lua, sha: createHash('sha1').update(lua).digest('hex') })

/**
 * Answers that a command, or a script at its first write, gets instead of being carried out. Redis 6 tells a script's error inside
 * an error of its own. (A script that fails later keeps what it has written: any other error proves nothing.)
 */
const REFUSED = /(?:^|: -)(?:LOADING|BUSY|MASTERDOWN|READONLY|OOM|MISCONF|NOREPLICAS|CLUSTERDOWN|NOAUTH|NOPERM) /
/** ioredis had no connection. */
const NOT_SENT = /enableOfflineQueue options is false$/

export type RedisArgument = string | Buffer

export class RedisConnection {
  readonly name: string
  /** True where the keys of one script must be in one slot. */
  readonly clustered: boolean
  readonly log: Logger
  readonly #address: RedisAddress
  readonly #clock: Clock
  readonly #openTimeoutMs: number
  readonly #commandTimeoutMs: number
  #client: Redis | Cluster | undefined
  #watch: Watch | undefined
  #opening: Promise<void> | undefined
  #users = 0
  #lastError = 'no connection'
  readonly #listeners: ((why: string) => void)[] = []

  constructor(address: RedisAddress, clock: Clock, options: RedisConnectionOptions = {}) {
    this.name = address.name
    this.clustered = address.clustered
    this.#address = address
    this.#clock = clock
    this.log = options.log ?? silentLogger
    this.#openTimeoutMs = options.openTimeoutMs ?? 5_000
    this.#commandTimeoutMs = options.commandTimeoutMs ?? 5_000
  }

  /** Pairs with `close`. @throws STORE_OPEN_FAILED */
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

  async close(): Promise<void> {
    if (this.#users === 0 || --this.#users > 0) return
    this.#opening = undefined
    this.#watch?.close()
    this.#client?.disconnect()
    this.#client = this.#watch = undefined
  }

  /** Called when another server may answer than before, or the same one with other data; `why` is for people. */
  onServerChange(listener: (why: string) => void): void {
    this.#listeners.push(listener)
  }

  /**
   * Runs one command; strings come back as Buffers. @throws STORE_UNAVAILABLE when there is no answer: it may have run; or
   * NothingWritten: it has written nothing
   */
  async command(name: string, args: readonly RedisArgument[]): Promise<unknown> {
    const client = this.#ready()
    try {
      return await client.callBuffer(name, args as RedisArgument[])
    } catch (error) {
      throw this.#unavailable(error)
    }
  }

  /** Runs a script by its hash, and by its text when the server does not know it (any more). @throws as `command` */
  async run(script: RedisScript, keys: readonly RedisArgument[], args: readonly RedisArgument[]): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args]
    const client = this.#ready()
    try {
      return await client.callBuffer('EVALSHA', [script.sha, ...rest])
    } catch (error) {
      // The answer NOSCRIPT proves that nothing ran.
      if (!messageOf(error).startsWith('NOSCRIPT')) throw this.#unavailable(error)
      return this.command('EVAL', [script.lua, ...rest])
    }
  }

  async #connect(): Promise<void> {
    const client = this.#makeClient()
    this.#client = client
    try {
      await this.#becomesReady(client)
    } catch (error) {
      client.disconnect()
      this.#client = undefined
      const remedy = 'start the server, or correct the URL (host, port, user, password)'
      throw new TroupeError('STORE_OPEN_FAILED', `cannot open ${this.name}: ${messageOf(error)}; ${remedy}`)
    }
    const changed = (why: string): void => { for (const listener of this.#listeners) listener(why) }
    if (client instanceof Redis) {
      // A server that does not tell its settings is taken as it is.
      const info = await client.info().catch(() => '')
      this.#warnOfLoss(info)
      const watch = (this.#watch = new ServerWatch({ name: this.name, clock: this.#clock, log: this.log, info: () => client.info(), changed }, info))
      client.on('ready', () => watch.look())
    } else this.#watch = watchCluster(client, this.#clock, changed)
  }

  #makeClient(): Redis | Cluster {
    const { nodes, username, password, database, tls, clustered } = this.#address
    const safe = {
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: this.#commandTimeoutMs,
      connectTimeout: Math.min(this.#openTimeoutMs, this.#commandTimeoutMs),
      keepAlive: 10_000,
      ...username !== undefined && { username },
      ...password !== undefined && { password },
    }
    const backOff = (times: number): number => Math.min(50 * times, 1_000)
    const client = clustered
      ? new Cluster([...nodes], {
          lazyConnect: true, enableOfflineQueue: false, clusterRetryStrategy: backOff, redisOptions: { ...safe, ...tls && { tls: {} } },
          // Redirections prove that a command did not run; a closed connection proves nothing, so no second try.
          retryDelayOnFailover: 0,
        })
      : new Redis({ ...safe, ...nodes[0]!, db: database, lazyConnect: true, enableOfflineQueue: false, retryStrategy: backOff, reconnectOnError: isReadonly, ...tls && { tls: {} } })
    client.on('error', (error: Error) => {
      this.#lastError = reasonOf(error)
      this.log.debug({ store: this.name, reason: this.#lastError }, 'redis connection failed')
    })
    return client
  }

  /** Resolves when the server answers commands. */
  #becomesReady(client: Redis | Cluster): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(this.#openTimeoutMs, () => reject(new Error(`${this.#lastError} (tried for ${this.#openTimeoutMs} ms)`)), true)
      const settle = (run: () => void): void => {
        timer.cancel()
        run()
      }
      client.once('ready', () => {
        allNodesReady(client).then(() => settle(resolve), (error: Error) => settle(() => reject(error)))
      })
      client.on('error', (error: Error) => {
        // Waiting does not make a password right.
        if (/^(WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR invalid password)/.test(reasonOf(error))) settle(() => reject(new Error(reasonOf(error))))
      })
      client.connect().catch(() => undefined)
    })
  }

  /** Settings with which acknowledged commits can be lost. */
  #warnOfLoss(info: string): void {
    if (/^aof_enabled:0/m.test(info)) {
      this.log.warn({ store: this.name }, 'this Redis keeps no append-only file: commits since its last snapshot are lost when it stops; set appendonly yes')
    }
    if (/^maxmemory:[1-9]/m.test(info) && !/^maxmemory_policy:noeviction/m.test(info)) {
      this.log.warn({ store: this.name }, 'this Redis evicts keys when its memory is full: actor state can vanish; set maxmemory-policy noeviction')
    }
  }

  /** The client, which sends what it is given now. @throws NothingWritten */
  #ready(): Redis | Cluster {
    if (this.#client === undefined) throw new NothingWritten(`${this.name}: it is not open`)
    if (this.#client.status !== 'ready') throw this.#notConnected()
    if (this.#watch?.isReplica === true) throw new NothingWritten(`${this.name}: it is a replica`)
    return this.#client
  }

  #notConnected(): NothingWritten {
    return new NothingWritten(`${this.name}: not connected: ${this.#lastError}`)
  }

  /** Without a cause: errors of ioredis carry the arguments of their command. */
  #unavailable(error: unknown): TroupeError {
    const message = messageOf(error)
    if (NOT_SENT.test(message)) return this.#notConnected()
    const text = `${this.name}: ${message}`
    return REFUSED.test(message) ? new NothingWritten(text) : new TroupeError('STORE_UNAVAILABLE', text)
  }
}

/**
 * A cluster client connects to a node at the first command for it and, without an offline queue, refuses those that
 * come before it is connected. So connect to all at once, and to later ones as soon as they are known.
 */
async function allNodesReady(client: Redis | Cluster): Promise<void> {
  if (client instanceof Redis) return
  const connect = (node: Redis): Promise<unknown> =>
    node.status === 'ready' ? Promise.resolve() : node.status === 'wait' ? node.connect() : once(node, 'ready')
  client.on('+node', (node: Redis) => { connect(node).catch(() => undefined) })
  await Promise.all(client.nodes('master').map(connect))
}

function watchCluster(client: Cluster, clock: Clock, changed: (why: string) => void): Watch {
  const watch = new ClusterWatch(clock, () => client.nodes('master').map(({ options: { host, port } }) => `${host}:${port}`), changed)
  for (const event of ['-node', '+node', 'node error', 'refresh']) client.on(event, () => watch.look(event === 'node error' || event === '-node'))
  return watch
}

/** A master that became a replica: behind its name or address there may be another one by now. Nothing is sent again. */
const isReadonly = (error: Error): boolean => error.message.startsWith('READONLY')

/** A cluster client wraps the reason of its nodes. */
function reasonOf(error: Error): string {
  const last = (error as { lastNodeError?: Error }).lastNodeError
  return last === undefined ? error.message : `${error.message} (${last.message})`
}
