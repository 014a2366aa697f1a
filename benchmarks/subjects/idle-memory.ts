/** A child process: what idle activations, or the plain objects under them, weigh. */
import { Scope } from '../harness/scope.ts'
import { collectGarbage } from '../harness/collect-garbage.ts'
import { keepInFlight } from '../harness/keep-in-flight.ts'
import { serveParent } from '../harness/serve-parent.ts'
import { BareCounter } from '../floors/bare-object.ts'
import { Counter } from './counter.ts'
import { openHost } from './open-host.ts'

/** Bytes that JavaScript holds after everything that can be collected was. */
async function heldBytes(): Promise<number> {
  for (let pass = 0; pass < 3; pass++) {
    collectGarbage()
    // Finalisers and deferred frees of typed arrays run between ticks.
    await new Promise(resolve => setImmediate(resolve))
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const api = {
  /** Bytes an activation, over `count` counters that have each committed one increment. */
  activations: async (store: 'memory' | 'lmdb', count: number): Promise<number> => {
    await using scope = new Scope()
    const host = await openHost(scope, { store: store === 'memory' ? 'memory:' : `lmdb:${scope.folder()}` })
    const increment = (prefix: string, operations: number) => {
      let next = 0
      return keepInFlight({ inFlight: 256, seconds: 600, operations }, () => host.actor(Counter, `${prefix}${next++}`).increment())
    }
    // Claims, pools, compiled code: what a host holds whether or not it has many actors.
    const warm = 15_000
    await increment('warm', warm)
    const before = await heldBytes()
    await increment('idle', count)
    const bytes = await heldBytes() - before
    const active = host.hostStatus().activations.Counter
    if (active !== warm + count) throw new Error(`${warm + count} counters should be active, but ${active} are`)
    return bytes / count
  },
  /** Bytes a plain counter in a map under an id of the same length. */
  objects: async (count: number): Promise<number> => {
    const objects = new Map<string, BareCounter>()
    const before = await heldBytes()
    for (let index = 0; index < count; index++) objects.set(`idle${index}`, new BareCounter(1))
    const bytes = await heldBytes() - before
    // Read after the measurement, so that the map is alive during it.
    return bytes / objects.size
  },
}
export type IdleMemoryApi = typeof api

serveParent(api)
