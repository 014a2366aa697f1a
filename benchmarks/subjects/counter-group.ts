/** A number of counters on one host, called in turn: with one counter all calls meet in it. */
import type { Host } from 'troupe'
import { Counter } from './counter.ts'

export class CounterGroup {
  readonly #counters
  #turn = 0

  constructor(host: Host, size: number) {
    this.#counters = Array.from({ length: size }, (_, index) => host.actor(Counter, `c${index}`))
  }
  /** The counter of slot `index`, for loops that keep to their own. */
  at(index: number) {
    return this.#counters[index % this.#counters.length]!
  }
  increment(): Promise<number> {
    return this.at(this.#turn++).increment()
  }
  /** Sum of all counters. */
  async total(): Promise<number> {
    const totals = await Promise.all(this.#counters.map(counter => counter.total()))
    return totals.reduce((sum, total) => sum + total, 0)
  }
  /** @throws Error unless the counters hold exactly what was acknowledged */
  async verify(increments: number): Promise<void> {
    const total = await this.total()
    if (total !== increments) throw new Error(`${increments} increments were acknowledged, but the counters hold ${total}`)
  }
}
