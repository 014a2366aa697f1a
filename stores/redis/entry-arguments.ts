/** Reads of entries in the form in which `loadEntriesScript` (scripts.ts) takes them. */
import type { EntryRead } from '../actor-store.ts'
import type { RedisArgument } from './connection.ts'
import { datedKey, entriesKey, type RedisKeys } from './keys.ts'

/**
 * Keys and arguments of `loadEntriesScript`.
 *
 * @param skip names of the reads, counted over all of them, that have their values already
 * @param room bytes after which the script leaves the rest to another
 */
export function entryArguments(redisKeys: RedisKeys, reads: readonly EntryRead[], skip: number, room: number): [keys: string[], args: RedisArgument[]] {
  const keys: string[] = []
  const args: RedisArgument[] = [String(room)]
  for (const { actor, names, dated } of reads) {
    const wanted = skip === 0 ? names : names.slice(skip)
    skip -= names.length - wanted.length
    if (wanted.length === 0) continue
    const shard = redisKeys.shard(actor)
    keys.push(entriesKey(shard, actor.id), datedKey(shard))
    args.push(actor.id, dated === undefined ? '?' : dated ? 'd' : 'p', String(wanted.length), ...wanted)
  }
  return [keys, args]
}
