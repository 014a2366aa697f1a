/**
 * Binary keys for LMDB: length-safe, and in an order that keeps a type together, and like ids inside it.
 *
 *     shard   u16 length of type · type · u32 shard      (claims)
 *     actor   u16 length of type · type · id
 *     entry   u16 length of type · type · u16 length of id · id · name
 *     due     u16 length of type · type · u8 group of shards · due (f64) · u32 shard · id · 0 · name
 *
 * The shard is in no actor key: it is a hash of the id, and would scatter actors with like names, which are often made and
 * used together, over all pages of the tree (measured: a flush of 1,000 new actors then writes 1,000 pages).
 *
 * Every part but the last has its length before it (or a fixed one), so two different addresses never share a key. A due
 * key is to be in order of id, so there the id ends with 0 instead, which no id holds. The longest key is a due key of
 * 2 + 256 + 1 + 8 + 4 + 1,024 + 1 + 512 = 1,808 bytes; LMDB takes 1,978.
 */
import type { ActorAddress, DuePlace, ShardKey } from '../actor-store.ts'

/** 0xff is in no UTF-8 text, so it ends a range of keys that start alike. */
const LAST = Buffer.from([0xff])

/** Part of the stored form: never to be changed. */
const DUE_GROUPS = 16

export function typeKey(type: string): Buffer {
  const bytes = Buffer.byteLength(type)
  const key = Buffer.allocUnsafe(2 + bytes)
  key.writeUInt16BE(bytes)
  key.write(type, 2)
  return key
}

export function shardKey(key: ShardKey): Buffer {
  const type = typeKey(key.type)
  const bytes = Buffer.allocUnsafe(type.length + 4)
  type.copy(bytes)
  bytes.writeUInt32BE(key.shard, type.length)
  return bytes
}

/** Bytes that `writeActorKey` may take. */
export const actorKeyRoom = (actor: ActorAddress): number => 2 + 3 * (actor.type.length + actor.id.length)

/** Writes the actor's key into `target` at `at`; returns its end. */
export function writeActorKey(target: Buffer, at: number, actor: ActorAddress): number {
  const typeBytes = target.write(actor.type, at + 2)
  target.writeUInt16BE(typeBytes, at)
  const idAt = at + 2 + typeBytes
  return idAt + target.write(actor.id, idAt)
}

export function actorKey(actor: ActorAddress): Buffer {
  const key = Buffer.allocUnsafe(actorKeyRoom(actor))
  return key.subarray(0, writeActorKey(key, 0, actor))
}

/** The id inside an actor key of `type`. */
export const idOfActorKey = (key: Buffer, typeLength: number): string => key.toString('utf8', typeLength)

/** What all entry keys of an actor begin with. */
export function entryPrefix({ type, id }: ActorAddress): Buffer {
  const key = Buffer.allocUnsafe(4 + 3 * (type.length + id.length))
  const typeBytes = key.write(type, 2)
  key.writeUInt16BE(typeBytes)
  const idBytes = key.write(id, 4 + typeBytes)
  key.writeUInt16BE(idBytes, 2 + typeBytes)
  return key.subarray(0, 4 + typeBytes + idBytes)
}

export function entryKey(prefix: Buffer, name: string): Buffer {
  const key = Buffer.allocUnsafe(prefix.length + 3 * name.length)
  prefix.copy(key)
  return key.subarray(0, prefix.length + key.write(name, prefix.length))
}

/** What the due keys of the shard's group begin with. */
export function dueGroupKey({ type, shard }: ShardKey): Buffer {
  const key = Buffer.allocUnsafe(3 + 3 * type.length)
  const typeBytes = key.write(type, 2)
  key.writeUInt16BE(typeBytes)
  key[2 + typeBytes] = shard % DUE_GROUPS
  return key.subarray(0, 3 + typeBytes)
}

/** The first key after all due keys of a group: no double that is not negative begins with 0x80. */
export const dueGroupEnd = (group: Buffer): Buffer => Buffer.concat([group, Buffer.from([0x80])])

/** Doubles that are not negative are in the order of their bytes. */
export function dueKey(group: Buffer, shard: number, { due, id, name }: DuePlace): Buffer {
  const at = group.length
  const key = Buffer.allocUnsafe(at + 13 + 3 * (id.length + name.length))
  group.copy(key)
  key.writeDoubleBE(due, at)
  key.writeUInt32BE(shard, at + 8)
  const idEnd = at + 12 + key.write(id, at + 12)
  key[idEnd] = 0
  return key.subarray(0, idEnd + 1 + key.write(name, idEnd + 1))
}

/** Parts of a due key whose group key has `at` bytes. */
export const timeOfDueKey = (key: Buffer, at: number): number => key.readDoubleBE(at)
export const shardOfDueKey = (key: Buffer, at: number): number => key.readUInt32BE(at + 8)
export function placeOfDueKey(key: Buffer, at: number): DuePlace {
  const idEnd = key.indexOf(0, at + 12)
  return { due: timeOfDueKey(key, at), id: key.toString('utf8', at + 12, idEnd), name: key.toString('utf8', idEnd + 1) }
}

/** The first key after all that begin with `prefix` and go on with UTF-8 text. */
export const afterPrefix = (prefix: Buffer): Buffer => Buffer.concat([prefix, LAST])

/** The first key after `key` itself. */
export const afterKey = (key: Buffer): Buffer => Buffer.concat([key, Buffer.from([0])])
