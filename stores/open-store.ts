/**
 * From a URL to the stores behind it: where a scheme is added. What it returns is not open yet; actors' stores that can be away
 * are behind a circuit.
 *
 *     memory:                                 this process alone, gone with it
 *     lmdb:DIR                                a directory on this machine's disk
 *     redis://[user:password@]HOST[:PORT][/DB]   also rediss:// (TLS)
 *     redis+cluster://[user:password@]HOST[:PORT][,HOST[:PORT]…]
 *     postgres://[user[:password]@]HOST[:PORT][/DATABASE][?pool=10&sslmode=verify-full]   also postgresql://
 *
 * For the cluster's rows alone: etcd://[user:password@]HOST[:PORT][,HOST[:PORT]…]   also etcds:// (TLS)
 */
import type { Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { ActorStore } from './actor-store.ts'
import type { ClusterStore } from './cluster-store.ts'
import { parseEtcdUrl } from './etcd/address.ts'
import { EtcdClusterStore } from './etcd/cluster-store.ts'
import { EtcdConnection } from './etcd/connection.ts'
import { GuardedStore } from './guarded-store.ts'
import { LmdbActorStore } from './lmdb/actor-store.ts'
import { LmdbClusterStore } from './lmdb/cluster-store.ts'
import { LmdbEnvironment } from './lmdb/environment.ts'
import { MemoryActorStore } from './memory/actor-store.ts'
import { MemoryClusterStore } from './memory/cluster-store.ts'
import { PostgresActorStore } from './postgres/actor-store.ts'
import { parsePostgresUrl } from './postgres/address.ts'
import { PostgresClusterStore } from './postgres/cluster-store.ts'
import { PostgresConnection } from './postgres/connection.ts'
import { RedisActorStore } from './redis/actor-store.ts'
import { parseRedisUrl, withoutSecrets } from './redis/address.ts'
import { RedisClusterStore } from './redis/cluster-store.ts'
import { RedisConnection } from './redis/connection.ts'
import { RedisKeys } from './redis/keys.ts'

export interface Stores {
  readonly actors: ActorStore
  readonly cluster: ClusterStore
}

export interface OpenStoreOptions {
  readonly clock: Clock
  readonly log?: Logger
  /** Keeps clusters that share one store apart; part of every key. '' by default. */
  readonly namespace?: string
  /** Where the cluster's own rows lie when it is not the store of the actors: a URL of any of the forms but memory:, or an adapter. */
  readonly clusterStore?: string | ClusterStore | undefined
}

const forms = 'use memory:, lmdb:DIR, redis://HOST:PORT, rediss://HOST:PORT, redis+cluster://HOST:PORT,HOST:PORT or postgres://USER:PASSWORD@HOST:PORT/DATABASE'

/**
 * The stores of `store` (a URL, or adapters), the cluster's rows from `clusterStore` when that is given; both have to be
 * opened before use and closed after it, each by itself.
 * @throws BAD_OPTION when a URL is none of the supported forms
 */
export function openStores(store: string | Stores, options: OpenStoreOptions): Stores {
  const { clusterStore } = options
  const stores = typeof store === 'string' ? guarded(storesOf(store, options), options) : store
  if (clusterStore === undefined || clusterStore === store) return stores
  return { actors: stores.actors, cluster: typeof clusterStore === 'string' ? openClusterStore(clusterStore, options) : clusterStore }
}

/**
 * The cluster's rows alone.
 * @throws BAD_OPTION when `url` is none of the supported forms, or memory:
 */
export function openClusterStore(url: string, options: OpenStoreOptions): ClusterStore {
  if (/^etcds?:/.test(url)) return new EtcdClusterStore(new EtcdConnection(parseEtcdUrl(url), options.clock), options.namespace ?? '')
  if (url === 'memory:') {
    throw new TroupeError('BAD_OPTION', 'cluster store memory: is gone with this process, and with it the versions that claims in the store of the actors rest on; use etcd://HOST:PORT, or leave it out')
  }
  return storesOf(url, options, `${forms} for a whole store, or etcd://HOST:PORT[,HOST:PORT…] for the cluster's rows alone`).cluster
}

/** Memory is never away. */
const guarded = ({ actors, cluster }: Stores, { clock, log }: OpenStoreOptions): Stores =>
  ({ actors: actors.shared ? new GuardedStore(actors, clock, log === undefined ? {} : { log }) : actors, cluster })

/** What hosts compare when they join: the cluster store only where it is another than the actors' store. */
export const storeNames = ({ actors, cluster }: Stores): Record<string, string> =>
  ({ store: actors.name, ...(cluster.name === actors.name ? {} : { clusterStore: cluster.name }) })

function storesOf(url: string, options: OpenStoreOptions, expected: string = forms): Stores {
  const { clock } = options
  const namespace = options.namespace ?? ''
  const scheme = /^([a-z][a-z0-9+]*):/.exec(url)?.[1]
  switch (scheme) {
    case 'memory': {
      if (url !== 'memory:') throw new TroupeError('BAD_OPTION', `store URL ${JSON.stringify(url)}: nothing may follow memory:; ${forms}`)
      return { actors: new MemoryActorStore(), cluster: new MemoryClusterStore(clock) }
    }
    case 'lmdb': {
      const env = new LmdbEnvironment(directoryOf(url), clock, { namespace })
      return { actors: new LmdbActorStore(env, clock), cluster: new LmdbClusterStore(env) }
    }
    case 'redis': case 'rediss': case 'redis+cluster': {
      const redis = new RedisConnection(parseRedisUrl(url), clock, options.log === undefined ? {} : { log: options.log })
      const keys = new RedisKeys(namespace)
      return { actors: new RedisActorStore(redis, keys, clock), cluster: new RedisClusterStore(redis, keys) }
    }
    case 'postgres': case 'postgresql': {
      const postgres = new PostgresConnection(parsePostgresUrl(url), namespace, clock, options.log === undefined ? {} : { log: options.log })
      return { actors: new PostgresActorStore(postgres, clock), cluster: new PostgresClusterStore(postgres) }
    }
    case 'etcd': case 'etcds':
      throw new TroupeError('BAD_OPTION', `store URL ${JSON.stringify(withoutSecrets(url))}: etcd keeps the cluster's rows alone; give it as clusterStore (--cluster-store), and the actors a store of their own: ${forms}`)
    default:
      throw new TroupeError('BAD_OPTION', `store URL ${JSON.stringify(withoutSecrets(url).replace(/\?.*/s, '?…'))} has no known scheme; ${expected}`)
  }
}

function directoryOf(url: string): string {
  const directory = url.slice('lmdb:'.length).replace(/^\/\/(?=[./])/, '')
  if (directory === '' || directory.startsWith('//')) {
    throw new TroupeError('BAD_OPTION', `store URL ${JSON.stringify(url)} names no directory; write lmdb:./data or lmdb:/var/lib/troupe`)
  }
  return directory
}
