/**
 * Typed references: what a caller sees of an actor. Only methods are mapped: public ones, without hooks, `ctx` and `_x`;
 * results are never recursed into.
 */
import type { Actor, ActorHooks } from './actor.ts'

export interface CallOptions {
  /** `'2s'` or milliseconds: the call fails with CALL_TIMEOUT after it. */
  timeout?: number | string
  /** Aborting cancels the call. */
  signal?: AbortSignal
}

type Hidden = keyof Actor | keyof ActorHooks | 'onReminder' | 'with' | `_${string}`

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
}

/** A reference by name: typed when the class's type is given, any method otherwise. */
export type RemoteRef<A = unknown> = unknown extends A ? UntypedRef : ActorRef<A>

export interface UntypedRef {
  with(options: CallOptions): UntypedRef
  readonly [method: string]: (...args: any[]) => any
}
