/** What `this.ctx` is: an actor's view of itself and of everything outside it. */
import type { Duration } from '../core/duration.ts'
import type { Logger } from '../core/logger.ts'
import type { ActorClass } from './actor-type.ts'
import type { ActorRef, RemoteRef, SendOptions, SendRef, SendRefByName } from './actor-ref.ts'
import type { ActorReminders, ActorTimers } from './actor-reminders.ts'

export interface StorageListOptions {
  /** Only keys that start with it; all by default. */
  prefix?: string
  /** Only keys after this one. */
  after?: string
  /** At most so many; 1,000 by default and at most. */
  limit?: number
}

export interface StoragePutOptions {
  /** The key is gone after it: for readers at once, from the store soon after. At least 1 ms. */
  ttl?: Duration
}

/**
 * Durable values of this actor beside its fields: loaded on demand, written with the turn's commit, rolled back with it.
 * Keys are 1 to 256 bytes; values are what fields may hold.
 */
export interface ActorStorage {
  /** @throws OUTSIDE_TURN after the turn has ended · STORE_UNAVAILABLE */
  get<T = unknown>(key: string): Promise<T | undefined>
  /** A put without `ttl` makes a key last that had one. @throws STATE_NOT_STORABLE · BAD_OPTION · READONLY_VIOLATION in a readonly turn · OUTSIDE_TURN */
  put(key: string, value: unknown, options?: StoragePutOptions): Promise<void>
  /** @throws READONLY_VIOLATION in a readonly turn · OUTSIDE_TURN */
  delete(key: string): Promise<void>
  /** Entries in key order, this turn's own changes included. @throws OUTSIDE_TURN · STORE_UNAVAILABLE */
  list<T = unknown>(options?: StorageListOptions): Promise<Map<string, T>>
}

export interface ActorContext {
  readonly id: string
  readonly type: string
  readonly storage: ActorStorage
  readonly reminders: ActorReminders
  readonly timers: ActorTimers
  readonly log: Logger
  /** Aborted when the present turn's caller gave up or its deadline passed. @throws OUTSIDE_TURN */
  readonly signal: AbortSignal
  /** A reference to another actor, by its class or by its type's name. Making one calls nobody. */
  actor<A extends ActorClass>(actorClass: A, id: string): ActorRef<InstanceType<A>>
  actor<A = unknown>(type: string, id: string): RemoteRef<A>
  /**
   * A durable one-way call: stored with this turn's commit, or not at all; then applied exactly once at the target, in the
   * order in which this actor sent to that target, tried again until it succeeds or fails for good (a dead letter).
   * Its methods return nothing. @throws UNKNOWN_METHOD · NOT_ENCODABLE · PAYLOAD_TOO_LARGE · QUOTA_EXCEEDED ·
   * READONLY_VIOLATION · OUTSIDE_TURN
   */
  send<A extends ActorClass>(actorClass: A, id: string, options?: SendOptions): SendRef<InstanceType<A>>
  send<A = unknown>(type: string, id: string, options?: SendOptions): unknown extends A ? SendRefByName : SendRef<A>
}
