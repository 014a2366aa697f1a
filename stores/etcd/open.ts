/** From an etcd URL to its store, of the cluster's rows alone. @throws BAD_OPTION when the URL is none */
import type { ClusterStore } from '../cluster-store.ts'
import type { OpenStoreOptions } from '../stores.ts'
import { parseEtcdUrl } from './address.ts'
import { EtcdClusterStore } from './cluster-store.ts'
import { EtcdConnection } from './connection.ts'

export const open = (url: string, { clock, namespace = '' }: OpenStoreOptions): { cluster: ClusterStore } =>
  ({ cluster: new EtcdClusterStore(new EtcdConnection(parseEtcdUrl(url), clock), namespace) })
