/** Reads of entries in the form in which `loadEntriesScript` (scripts.ts) takes them. */
import type { EntryRead } from '../actor-store.ts'
import type { RedisArgument } from './connection.ts'
import { datedKey, entriesKey, type RedisKeys } from './keys.ts'
import { PackedArguments } from './packed-arguments.ts'

/**
 * Keys and arguments of `loadEntriesScript`.
 *
 * @param skip names of the reads, counted over all of them, that have their values already
 * @param room bytes after which the script leaves the rest to another
 */
export function entryArguments(redisKeys: RedisKeys, reads: readonly EntryRead[], skip: number, room: number): [keys: string[], args: RedisArgument[]] {
  const keys: string[] = []
  const args = new PackedArguments()
  args.text(String(room))
  for (const { actor, names, dated } of reads) {
    const wanted = skip === 0 ? names : names.slice(skip)
    skip -= names.length - wanted.length
    if (wanted.length === 0) continue
    const shard = redisKeys.shard(actor)
    keys.push(entriesKey(shard, actor.id), datedKey(shard))
    args.text(actor.id)
    args.text(dated === undefined ? '?' : dated ? 'd' : 'p')
    args.text(String(wanted.length))
    for (const name of wanted) args.text(name)
  }
  return [keys, [args.take()]]
}
