/** What `this.ctx` is: an actor's view of itself and of everything outside it. */
import type { Logger } from '../core/logger.ts'
import type { ActorClass } from './actor-type.ts'
import type { ActorRef, RemoteRef } from './actor-ref.ts'

export interface StorageListOptions {
  /** Only keys that start with it; all by default. */
  prefix?: string
  /** Only keys after this one. */
  after?: string
  /** At most so many; 1,000 by default and at most. */
  limit?: number
}

/**
 * Durable values of this actor beside its fields: loaded on demand, written with the turn's commit, rolled back with it.
 * Keys are 1 to 256 bytes; values are what fields may hold.
 */
export interface ActorStorage {
  /** @throws OUTSIDE_TURN after the turn has ended · STORE_UNAVAILABLE */
  get<T = unknown>(key: string): Promise<T | undefined>
  /** @throws STATE_NOT_STORABLE · READONLY_VIOLATION in a readonly turn · OUTSIDE_TURN */
  put(key: string, value: unknown): Promise<void>
  /** @throws READONLY_VIOLATION in a readonly turn · OUTSIDE_TURN */
  delete(key: string): Promise<void>
  /** Entries in key order, this turn's own changes included. @throws OUTSIDE_TURN · STORE_UNAVAILABLE */
  list<T = unknown>(options?: StorageListOptions): Promise<Map<string, T>>
}

export interface ActorContext {
  readonly id: string
  readonly type: string
  readonly storage: ActorStorage
  readonly log: Logger
  /** Aborted when the present turn's caller gave up or its deadline passed. @throws OUTSIDE_TURN */
  readonly signal: AbortSignal
  /** A reference to another actor, by its class or by its type's name. Making one calls nobody. */
  actor<A extends ActorClass>(actorClass: A, id: string): ActorRef<InstanceType<A>>
  actor<A = unknown>(type: string, id: string): RemoteRef<A>
}
