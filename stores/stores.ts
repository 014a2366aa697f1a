/** The two stores of a host, and what both are made with. */
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import type { ActorStore } from './actor-store.ts'
import type { ClusterStore } from './cluster-store.ts'

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

/** What stands before the colon of a URL, or ''. */
export const schemeOf = (url: string): string => /^([a-z][a-z0-9+]*):/.exec(url)?.[1] ?? ''
