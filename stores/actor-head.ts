/**
 * How LMDB and Redis store a head: its version, the epoch it was written in, then the bytes.
 *
 * The epoch is what tells 'duplicate' from 'conflict': one (shard, epoch) has one nonce for ever (claims, P4), so a
 * stored head of my epoch and of the version I meant to write is my own write. Both numbers are big-endian doubles:
 * exact for safe integers, one encoding a number, hence comparable as bytes inside a Redis script.
 */
import type { ActorWrite, StoredActor } from './actor-store.ts'

export const HEAD_PREFIX_BYTES = 16

/** Writes the stored form of `head`, the new one of `write`, into `target` at `at`; returns the end. */
export function writeHead(target: Buffer, at: number, write: ActorWrite, head: Uint8Array): number {
  target.writeDoubleBE(write.previous + 1, at)
  target.writeDoubleBE(write.epoch, at + 8)
  target.set(head, at + HEAD_PREFIX_BYTES)
  return at + HEAD_PREFIX_BYTES + head.length
}

export const readHead = (bytes: Buffer): StoredActor => ({
  version: bytes.readDoubleBE(0),
  head: bytes.subarray(HEAD_PREFIX_BYTES),
})

/** What the stored head says about `write`: 'free' when it is the one that `write` replaces. */
export function compareHead(stored: Buffer | undefined, write: ActorWrite): 'free' | 'duplicate' | 'conflict' {
  const version = stored === undefined ? 0 : stored.readDoubleBE(0)
  if (version === write.previous) return 'free'
  return version === write.previous + 1 && stored!.readDoubleBE(8) === write.epoch ? 'duplicate' : 'conflict'
}
