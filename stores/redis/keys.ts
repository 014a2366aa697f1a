/**
 * Redis keys: the hash tag first, so that all rows of a (type, shard) are in one slot and one script may touch them.
 *
 *     {troupe:NAMESPACE:TYPE:SHARD}:claim        string "epoch nonce"
 *     {troupe:NAMESPACE:TYPE:SHARD}:heads        hash id → head
 *     {troupe:NAMESPACE:TYPE:SHARD}:entries:ID   hash name → value
 *     {troupe:NAMESPACE:TYPE:SHARD}:names:ID     sorted set of the names, for lists
 *     {troupe:NAMESPACE:TYPE:SHARD}:dated        hash ID \0 NAME → value, of entries that have a due time (and are not in `entries`)
 *     {troupe:NAMESPACE:TYPE:SHARD}:due          sorted set of their ID \0 NAME by due time
 *     {troupe:NAMESPACE:TYPE}:shards             set of the shards that were ever claimed
 *     {troupe:NAMESPACE}:leader, table, leases   the cluster's own rows (cluster-scripts.ts)
 *
 * Namespace and type are percent-encoded (no brace, colon or space is left), an id comes last: no two addresses share a key.
 */
import type { ShardKey } from '../actor-store.ts'

export class RedisKeys {
  readonly #namespace: string

  constructor(namespace: string) {
    this.#namespace = encodeURIComponent(namespace)
  }

  /** What all keys of the shard begin with. */
  shard(key: ShardKey): string {
    return `{troupe:${this.#namespace}:${encodeURIComponent(key.type)}:${key.shard}}`
  }

  shardsOfType(type: string): string {
    return `{troupe:${this.#namespace}:${encodeURIComponent(type)}}:shards`
  }

  /** A row of the cluster store. */
  cluster(row: 'leader' | 'table' | 'leases'): string {
    return `{troupe:${this.#namespace}}:${row}`
  }
}

/** Nobody else has keys that begin so. */
export const isOwnKey = (key: string): boolean => key.startsWith('{troupe:')

export const claimKey = (shard: string): string => `${shard}:claim`
export const headsKey = (shard: string): string => `${shard}:heads`
export const entriesKey = (shard: string, id: string): string => `${shard}:entries:${id}`
export const namesKey = (shard: string, id: string): string => `${shard}:names:${id}`
export const datedKey = (shard: string): string => `${shard}:dated`
export const dueKey = (shard: string): string => `${shard}:due`
