/**
 * Typed references: what a caller sees of an actor. Only methods are mapped: public ones, without hooks, `ctx` and `_x`;
 * results are never recursed into.
 */
import type { Duration } from '../core/duration.ts'
import type { Actor, ActorHooks } from './actor.ts'
import type { ActorManagement } from './management.ts'

export interface CallOptions {
  /** `'2s'` or milliseconds: the call fails with CALL_TIMEOUT after it. */
  timeout?: number | string
  /** Aborting cancels the call. */
  signal?: AbortSignal
  /**
   * 1 to 255 bytes. The call takes effect once: repeats with the same key get the stored reply (for a day, see
   * `ActorOptions.keepReplies`), and with another method or other arguments IDEMPOTENCY_CONFLICT. A call that throws
   * leaves nothing behind, so its repeat runs. Not for streams; nothing is stored of `readonly` methods.
   */
  idempotencyKey?: string
}

export interface SendOptions {
  /** Deliveries in all before it is a dead letter (10 by default); what is between them doubles from `backoff` (100 ms) to a minute. */
  retry?: { attempts?: number; backoff?: Duration }
}

type Hidden = keyof Actor | keyof ActorHooks | 'onReminder' | 'with' | 'manage' | `_${string}`

type Callable<Method> =
  Method extends (...args: infer Args) => infer Result ? (...args: Args) => Answer<Result> : never

// In brackets: a union is one result, not a promise for each of its members. `any` and `never` fit everything, streams too.
type Answer<Result> =
  0 extends 1 & Result ? Promise<any>
    : [Result] extends [never] ? Promise<never>
    : [Result] extends [AsyncIterable<infer Item, infer _Return, infer _Next>] ? AsyncIterable<Item>
    : Promise<Awaited<Result>>

type Methods<A> = {
  readonly [Name in keyof A as Name extends string
    ? Name extends Hidden ? never : A[Name] extends (...args: never[]) => unknown ? Name : never
    : never]: Callable<A[Name]>
}

/** A reference to an actor of class A: call its methods, or `.with({ timeout })` first. */
export type ActorRef<A> = Methods<A> & {
  /** The same reference with options for the calls made through it. @throws BAD_OPTION */
  with(options: CallOptions): ActorRef<A>
  /** Its reminders and dead letters, from outside. */
  readonly manage: ActorManagement
}

/** The methods of an actor as durable one-way calls. Streams cannot be sent to. */
export type SendRef<A> = {
  readonly [Name in keyof Methods<A>]: Methods<A>[Name] extends (...args: infer Args) => Promise<unknown> ? (...args: Args) => void : never
}

export type SendRefByName = Readonly<Record<string, (...args: any[]) => void>>

/** A reference by name: typed when the class's type is given, any method otherwise. */
export type RemoteRef<A = unknown> = unknown extends A ? UntypedRef : ActorRef<A>

export interface UntypedRef {
  with(options: CallOptions): UntypedRef
  readonly manage: ActorManagement
  readonly [method: string]: any
}
