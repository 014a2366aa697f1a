/**
 * The cluster's rows behind a URL that `openStores` has taken before, with no more code than that one adapter: for a thread that
 * shall start soon and be small.
 */
import { TroupeError } from '../core/errors.ts'
import type { ClusterStore } from './cluster-store.ts'
import { schemeOf, type OpenStoreOptions } from './stores.ts'

type Adapter = { open(url: string, options: OpenStoreOptions): { readonly cluster: ClusterStore } }

const redis = (): Promise<Adapter> => import('./redis/open.ts')
const postgres = (): Promise<Adapter> => import('./postgres/open.ts')
const etcd = (): Promise<Adapter> => import('./etcd/open.ts')

const adapters: Readonly<Record<string, () => Promise<Adapter>>> = {
  lmdb: () => import('./lmdb/open.ts'), redis, rediss: redis, 'redis+cluster': redis, 'rediss+cluster': redis, postgres, postgresql: postgres, etcd, etcds: etcd,
}

/** Rejects with BAD_OPTION for a URL that `openClusterStore` would refuse. */
export async function loadClusterStore(url: string, options: OpenStoreOptions): Promise<ClusterStore> {
  const adapter = adapters[schemeOf(url)]
  if (adapter === undefined) throw new TroupeError('BAD_OPTION', `cluster store URL ${JSON.stringify(`${schemeOf(url)}:…`)} has no known scheme`)
  return (await adapter()).open(url, options).cluster
}
