/**
 * From a URL to the stores behind it: where a scheme is added. What it returns is not open yet; actors' stores that can be away
 * are behind a circuit.
 *
 *     memory:                                 this process alone, gone with it
 *     lmdb:DIR                                a directory on this machine's disk
 *     redis://[user:password@]HOST[:PORT][/DB]   also rediss:// (TLS)
 *     redis+cluster://[user:password@]HOST[:PORT][,HOST[:PORT]…]   also rediss+cluster:// (TLS)
 *     postgres://[user[:password]@]HOST[:PORT][/DATABASE][?pool=10&sslmode=verify-full]   also postgresql://
 *
 * For the cluster's rows alone: etcd://[user:password@]HOST[:PORT][,HOST[:PORT]…]   also etcds:// (TLS)
 */
import { TroupeError } from '../core/errors.ts'
import type { ClusterStore } from './cluster-store.ts'
import { open as openEtcd } from './etcd/open.ts'
import { GuardedStore } from './guarded-store.ts'
import { open as openLmdb } from './lmdb/open.ts'
import { MemoryActorStore } from './memory/actor-store.ts'
import { MemoryClusterStore } from './memory/cluster-store.ts'
import { open as openPostgres } from './postgres/open.ts'
import { withoutSecrets } from './redis/address.ts'
import { open as openRedis } from './redis/open.ts'
import { schemeOf, type OpenStoreOptions, type Stores } from './stores.ts'

export type { OpenStoreOptions, Stores }

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
  if (/^etcds?:/.test(url)) return openEtcd(url, options).cluster
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
  switch (schemeOf(url)) {
    case 'memory': {
      if (url !== 'memory:') throw new TroupeError('BAD_OPTION', `store URL ${JSON.stringify(url)}: nothing may follow memory:; ${forms}`)
      return { actors: new MemoryActorStore(), cluster: new MemoryClusterStore(options.clock) }
    }
    case 'lmdb': return openLmdb(url, options)
    case 'redis': case 'rediss': case 'redis+cluster': case 'rediss+cluster': return openRedis(url, options)
    case 'postgres': case 'postgresql': return openPostgres(url, options)
    case 'etcd': case 'etcds':
      throw new TroupeError('BAD_OPTION', `store URL ${JSON.stringify(withoutSecrets(url))}: etcd keeps the cluster's rows alone; give it as clusterStore (--cluster-store), and the actors a store of their own: ${forms}`)
    default:
      throw new TroupeError('BAD_OPTION', `store URL ${JSON.stringify(withoutSecrets(url).replace(/\?.*/s, '?…'))} has no known scheme; ${expected}`)
  }
}
