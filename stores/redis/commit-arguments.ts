/** Writes in the form in which `commitScript` (scripts.ts) takes them. */
import { HEAD_PREFIX_BYTES, writeHead } from '../actor-head.ts'
import type { ActorWrite, EntryChange } from '../actor-store.ts'
import type { RedisArgument } from './connection.ts'
import { claimKey, datedKey, dueKey, entriesKey, headsKey, namesKey } from './keys.ts'
import { PackedArguments } from './packed-arguments.ts'

const NOTHING = new Uint8Array(0)

/** Writes under one claim. */
export interface WritesOfShard {
  /** What the shard's keys begin with. */
  readonly shard: string
  readonly items: readonly ActorWrite[]
}

/** Keys and arguments of `commitScript`. */
export function commitArguments(groups: readonly WritesOfShard[]): [keys: string[], args: RedisArgument[]] {
  const keys: string[] = []
  const args = new PackedArguments()
  args.text(String(groups.length))
  for (const { shard, items } of groups) {
    const dated = items.some(saysDue)
    keys.push(claimKey(shard), headsKey(shard))
    if (dated) keys.push(datedKey(shard), dueKey(shard))
    args.text(`${items[0]!.epoch} ${items[0]!.nonce}`)
    args.text(String(items.length))
    args.text(dated ? '1' : '0')
    for (const write of items) {
      const entries = write.entries ?? []
      args.text(write.id)
      args.bytes(previousVersion(write.previous))
      args.bytes(storedHead(write))
      args.text(String(entries.length))
      if (entries.length > 0) keys.push(entriesKey(shard, write.id), namesKey(shard, write.id))
      for (const entry of entries) {
        args.text(entry[0])
        args.text(toDo(entry))
        args.bytes(entry[1] ?? NOTHING)
      }
    }
  }
  return [keys, [args.take()]]
}

const saysDue = ({ entries }: ActorWrite): boolean => entries !== undefined && entries.some(entry => entry[2] !== undefined)

/** What `commitScript` is to do with an entry. */
function toDo(entry: EntryChange): string {
  const due = entry[2]
  if (due === undefined) return entry[1] === null ? '-' : '+'
  if (entry[1] === null) return 'r'
  return due === null ? 'p' : String(due)
}

function storedHead(write: ActorWrite): Uint8Array {
  if (write.head === null) return NOTHING
  const head = Buffer.allocUnsafe(HEAD_PREFIX_BYTES + write.head.length)
  writeHead(head, 0, write, write.head)
  return head
}

function previousVersion(version: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeDoubleBE(version)
  return bytes
}

/** Bytes that a script has to carry for `write`. */
export function sizeOf(write: ActorWrite): number {
  let bytes = write.head === null ? 0 : write.head.length
  for (const [, value] of write.entries ?? []) bytes += value?.length ?? 0
  return bytes
}
