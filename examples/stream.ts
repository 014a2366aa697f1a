/** Streams: a method that is an async generator comes to its caller as an AsyncIterable, item by item. Run: node stream.ts */
import { Actor, createHost, type MethodOptions } from 'troupe'

export class Thermometer extends Actor {
  readings: number[] = []

  record(celsius: number): number {
    this.readings.push(celsius)
    return this.readings.length
  }

  /** The readings so far with their running mean; the caller may stop at any item. */
  async *means(): AsyncGenerator<{ celsius: number; mean: number }> {
    let sum = 0
    for (const [i, celsius] of this.readings.entries()) {
      sum += celsius
      yield { celsius, mean: sum / (i + 1) }
    }
  }

  static readonly methods = { means: { readonly: true } } satisfies MethodOptions<Thermometer>
}

// Imported by a host, this file only defines the actor; run by itself, it shows it.
if (import.meta.main) {
  const host = await createHost({ actors: [Thermometer] })
  const kitchen = host.actor(Thermometer, 'kitchen')
  for (const celsius of [18, 20, 25, 40]) await kitchen.record(celsius)
  for await (const { celsius, mean } of kitchen.means()) {
    console.log(`${celsius} °C, mean ${mean.toFixed(1)} °C`)
    if (mean > 20) break // ends the stream at the actor, too: the fourth item is never made
  }
  await host.stop()
}
