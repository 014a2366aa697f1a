/** The smallest durable actor: a number that survives restarts and moves. */
import { Actor, ActorError, type MethodOptions } from 'troupe'

export class NotANumber extends ActorError<{ given: unknown }> {
  static readonly code = 'NOT_A_NUMBER'
  static readonly status = 400
}

export class Counter extends Actor {
  value = 0

  increment(by = 1): number {
    // Callers may be in any language: a type annotation stops none of them.
    if (typeof by !== 'number') throw new NotANumber({ given: by })
    this.value += by
    return this.value
  }

  get(): number {
    return this.value
  }

  static readonly methods = { get: { readonly: true } } satisfies MethodOptions<Counter>
}
