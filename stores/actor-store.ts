/**
 * The port to durable actor state. Adapters: memory, LMDB, Redis, PostgreSQL; one conformance suite binds them all.
 *
 * What an adapter stores of an actor: one `head` (opaque bytes, its small fields) with a `version`, and any number of
 * `entries` (name → opaque bytes: large fields, storage keys, reminders, sends), loaded on demand. An entry may have a
 * *due time*: then it is found by `due`, in order of time, without knowing its actor.
 *
 * What it promises:
 * - **Fence (P4).** A commit is applied if and only if the claim of its (type, shard) still equals the commit's
 *   (epoch, nonce), checked in the same atomic step as the write. A late write of a fenced owner can never land.
 * - **Claims.** `stored epoch < mine` raises the claim; equal epoch and equal nonce is 'ok' again (idempotent); a
 *   higher stored epoch, or the same epoch with another nonce, is refused. Claims never go down.
 * - **Due times** are part of their entries: written, moved and removed in the same atomic step, for ever in agreement.
 * - **Atomic commits.** All parts of one ActorWrite are applied together or not at all, and are durable (fsynced, or as
 *   durable as the store gets) when 'ok' is returned. Writes of one batch are independent of each other.
 * - **Results are values.** A refusal is not an exception. 'unknown' means that the store may or may not have applied
 *   the write, now or later; the caller must resolve it. 'unavailable' is an outage with the proof that it was not. Loads and claims, which change nothing that matters, throw
 *   STORE_UNAVAILABLE when the store does not answer in time.
 * - Keys are length-safe: no two (type, id, name) share a key, whatever characters they hold.
 * - Bytes given to `commit` belong to the store from then on; bytes from a load are shared with nobody who writes.
 *
 * Callers keep within the limits of names: `checkType`, `checkId` (core/ids.ts) and `checkEntryName`.
 */
import { TroupeError } from '../core/errors.ts'

/** Longest name of an entry, in bytes of UTF-8: LMDB's keys are short, and an actor must fit into every store. */
export const MAX_ENTRY_NAME_BYTES = 512

/** @throws BAD_REQUEST when `name` is longer than an entry's name may be. */
export function checkEntryName(name: string): void {
  if (name.length * 3 > MAX_ENTRY_NAME_BYTES && Buffer.byteLength(name) > MAX_ENTRY_NAME_BYTES) {
    throw new TroupeError('BAD_REQUEST', `storage key ${JSON.stringify(name.slice(0, 60))}… is longer than ${MAX_ENTRY_NAME_BYTES} bytes; use a shorter key`)
  }
}

export interface ShardKey {
  readonly type: string
  readonly shard: number
}

/** The shard follows from type and id: one id is never in two shards of its type. */
export interface ActorAddress extends ShardKey {
  readonly id: string
}

/** The right to write in a shard: the table version at which it was given, and who got it. */
export interface Claim extends ShardKey {
  /**
   * Positive; tables give whole numbers, and an owner in doubt of a commit raises its own claim by a fraction
   * (runtime/dispatch/shards.ts).
   */
  readonly epoch: number
  /** The owner's incarnation. */
  readonly nonce: string
}

export type ClaimResult = { readonly outcome: 'ok' } | { readonly outcome: 'refused'; readonly epoch: number; readonly nonce: string }

export interface StoredActor {
  /** Counts the commits of this actor; 1 after the first. */
  readonly version: number
  readonly head: Uint8Array
}

/**
 * An entry to write (bytes) or remove (null). `due`: a number gives it a due time (whole ms since the epoch, 0 to
 * NEVER_DUE), null takes it away; absent: the entry has none and never had one, and the store need not look. `was`: the due
 * time that it replaces, null when there is no such entry; a writer who knows it saves the store a look, one who is not
 * certain leaves it out.
 */
export type EntryChange = readonly [name: string, value: Uint8Array | null, due?: number | null, was?: number | null | undefined]

/** The due time of an entry that waits for a person (a dead letter): after all others. */
export const NEVER_DUE = Number.MAX_SAFE_INTEGER

/** What some turns of one actor left to store. */
export interface ActorWrite extends ActorAddress {
  readonly epoch: number
  readonly nonce: string
  /** The version that the store must hold now, 0 for an actor that is not stored. Otherwise: 'conflict'. */
  readonly previous: number
  /**
   * The new head; it replaces the old one, and the stored version becomes `previous + 1`. Null: the entries alone change,
   * under the fence; the version stays, `previous` means nothing, and the result is never 'duplicate' or 'conflict'.
   */
  readonly head: Uint8Array | null
  readonly entries?: readonly EntryChange[]
}

/**
 * ok: durable. duplicate: this very write (same epoch, nonce and version) is already stored. fenced: the claim is
 * another's; nothing written. conflict: another version is stored; nothing written. unavailable: the store is away, and nothing
 * was written, nor will be: it was not sent, or refused before its first write. unknown: no answer.
 */
export type CommitResult = 'ok' | 'duplicate' | 'fenced' | 'conflict' | 'unavailable' | 'unknown'

/** A look at named entries of one actor. */
export interface EntryRead {
  readonly actor: ActorAddress
  readonly names: readonly string[]
  /**
   * What the reader knows of these entries: true when they were only ever written with a due time, false when never.
   * Then the store may look in one place only; undefined when they may be either.
   */
  readonly dated?: boolean | undefined
}

/** What is stored under the names of an EntryRead, in order; undefined where nothing is. */
export type EntryValues = readonly (Uint8Array | undefined)[]

export interface EntryPage {
  /** Sorted by name, code unit order of UTF-8. */
  readonly entries: readonly (readonly [name: string, value: Uint8Array])[]
  /** True when more follow after the last one. */
  readonly more: boolean
}

/** A place in the order of a shard's due entries: due time, then id, then name, both in order of UTF-8. */
export interface DuePlace {
  readonly due: number
  readonly id: string
  readonly name: string
}

export interface DueRow extends DuePlace {
  readonly value: Uint8Array
}

export interface DueQuery extends ShardKey {
  /** Only rows after this place; from the first by default. */
  readonly after?: DuePlace | undefined
  /** Only rows due at this time or before. */
  readonly until: number
  readonly limit: number
}

export interface DuePage {
  /** In order. */
  readonly rows: readonly DueRow[]
  /**
   * Due time of the first row that follows the last one, whatever `until` says; undefined when none does. Beyond `until` a
   * store may stop looking after many rows of other shards: then it is the time up to which it has looked, which is after
   * `until` and no later than that row's.
   */
  readonly next: number | undefined
}

export interface ActorPage {
  readonly ids: readonly string[]
  /** Pass it to the next call; undefined at the end. */
  readonly cursor: string | undefined
}

/**
 * The store was found to hold less than it had acknowledged: a replica took over that had not got everything, or an older
 * copy was brought back. Whatever is in memory of these shards may be ahead of it, and their claims may be gone.
 */
export interface Regress {
  /** Those of this process in which acknowledged claims or writes are gone. */
  readonly shards: readonly ShardKey[]
  /** At least so many acknowledged writes of this process are gone. */
  readonly lostWrites: number
  /** For people: what was found, and what is known of why. */
  readonly reason: string
}

/** How a store has been since it was opened. */
export interface StoreHealth {
  /** Milliseconds for which reads, and writes, have been failing at once; 0: they are not. */
  readonly readsAwayMs: number
  readonly writesAwayMs: number
  /** How often each has been away. */
  readonly outages: number
  /** How often it was found to hold less than it had acknowledged, how much was lost at least, and what the last was about. */
  readonly regresses: number
  readonly lostWrites: number
  readonly lastRegress: string | undefined
}

export interface ActorStore {
  /** For logs: `lmdb:./data`, without secrets. */
  readonly name: string
  /** False when only this process can reach it (`memory:`). */
  readonly shared: boolean
  /** When the group commit flushes: at the end of the promise jobs (a store that answers at once) or of the tick. */
  readonly flushAt: 'jobs' | 'tick'
  /** True when `loadEntries` looks into this process's own memory: reads gain nothing by waiting for each other. */
  readonly readsAtOnce: boolean
  /** True when parts of it can be away while others answer (the nodes of a Redis Cluster). */
  readonly inParts?: boolean
  /** @throws STORE_OPEN_FAILED with the reason and the remedy, within 10 s. */
  open(): Promise<void>
  close(): Promise<void>
  /**
   * Calls `listener` with each regress that is found, after every reconnect. Who hears of one ends what it has in memory of these
   * shards, and claims them with a higher epoch before it loads anything there. Absent: nobody looks.
   * @returns takes the listener away
   */
  onRegress?(listener: (regress: Regress) => void): () => void
  /** How it has been, for people. Absent: it is never away. */
  readonly health?: StoreHealth
  /** One result a claim, in order. @throws STORE_UNAVAILABLE */
  claim(claims: readonly Claim[]): Promise<readonly ClaimResult[]>
  /** One result an actor, in order; undefined where nothing is stored. @throws STORE_UNAVAILABLE */
  load(actors: readonly ActorAddress[]): Promise<readonly (StoredActor | undefined)[]>
  /**
   * Named entries of some actors: a promise a read, in order, since one that gets no answer is no harm to those that other
   * servers answer. Each is to be awaited. Each rejects with STORE_UNAVAILABLE; nothing is thrown.
   */
  loadEntries(reads: readonly EntryRead[]): readonly Promise<EntryValues>[]
  /** Entries whose name starts with `prefix`, after the name `after`, at most `limit`. @throws STORE_UNAVAILABLE */
  listEntries(actor: ActorAddress, prefix: string, after: string | undefined, limit: number): Promise<EntryPage>
  /** Due entries of some shards: one page a query, in order. @throws STORE_UNAVAILABLE */
  due(queries: readonly DueQuery[]): Promise<readonly DuePage[]>
  /**
   * One result a write, in order. No two writes of a batch with a head are for the same actor, and no two change the same
   * entry. Never throws.
   */
  commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]>
  /** Stored ids of a type, in no particular order, each once if nothing changes meanwhile. @throws STORE_UNAVAILABLE */
  list(type: string, cursor: string | undefined, limit: number): Promise<ActorPage>
}
