/** The actor that is measured: a counter, as small as an actor gets. */
import { Actor, type ActorOptions, type MethodOptions } from 'troupe'

export class Counter extends Actor {
  count = 0

  increment(by = 1): number {
    this.count += by
    return this.count
  }
  total(): number {
    return this.count
  }
  echo(value: unknown): unknown {
    return value
  }

  // One hot counter must take every call that is in flight.
  static readonly options: ActorOptions = { mailbox: 10_000 }
  static readonly methods = { total: { readonly: true }, echo: { readonly: true } } satisfies MethodOptions<Counter>
}
