/** The smallest durable actor: a number that survives restarts and moves. */
import { Actor, type MethodOptions } from 'troupe'

export class Counter extends Actor {
  value = 0

  increment(by = 1): number {
    this.value += by
    return this.value
  }

  get(): number {
    return this.value
  }

  static readonly methods = { get: { readonly: true } } satisfies MethodOptions<Counter>
}
