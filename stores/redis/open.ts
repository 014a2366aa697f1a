/** From a Redis URL to its stores. @throws BAD_OPTION when the URL is none */
import type { OpenStoreOptions, Stores } from '../stores.ts'
import { RedisActorStore } from './actor-store.ts'
import { parseRedisUrl } from './address.ts'
import { RedisClusterStore } from './cluster-store.ts'
import { RedisConnection } from './connection.ts'
import { RedisKeys } from './keys.ts'

export function open(url: string, { clock, log, namespace = '' }: OpenStoreOptions): Stores {
  const redis = new RedisConnection(parseRedisUrl(url), clock, log === undefined ? {} : { log })
  const keys = new RedisKeys(namespace)
  return { actors: new RedisActorStore(redis, keys, clock), cluster: new RedisClusterStore(redis, keys) }
}
