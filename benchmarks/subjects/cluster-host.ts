/** A child process: one host of a cluster, which can also make load on the actors of another. */
import type { Host } from 'troupe'
import { keepInFlight } from '../harness/keep-in-flight.ts'
import type { Sample } from '../harness/sample.ts'
import { Scope } from '../harness/scope.ts'
import { serveParent } from '../harness/serve-parent.ts'
import { Counter } from './counter.ts'
import { openHost } from './open-host.ts'

const scope = new Scope()
const settleMs = 15_000

function clusterHost() {
  let host: Host | undefined

  const start = async (store: string, id: string): Promise<void> => {
    host = await openHost(scope, { store, hostId: id })
  }

  /** `count` ids of counters that live on `owner`, as soon as the table says so. */
  async function idsOn(owner: string, count: number): Promise<string[]> {
    const deadline = performance.now() + settleMs
    for (;;) {
      const ids: string[] = []
      for (let index = 0; ids.length < count && index < count * 20; index++) {
        if (host!.locate('Counter', `c${index}`).member?.id === owner) ids.push(`c${index}`)
      }
      if (ids.length === count) return ids
      if (performance.now() > deadline) throw new Error(`after ${settleMs} ms only ${ids.length} of ${count} counters live on ${owner}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  /** Calls to as many counters as calls are in flight, all of them on `owner`. */
  async function measure(owner: string, inFlight: number, seconds: number): Promise<Sample> {
    const ids = await idsOn(owner, inFlight)
    for (const id of ids) {
      const reply = await host!.call({ type: 'Counter', id, method: 'echo', args: [1] })
      if (reply.host !== owner) throw new Error(`Counter/${id} was to be called on ${owner}, but ${reply.host} answered`)
    }
    const counters = ids.map(id => host!.actor(Counter, id))
    return keepInFlight({ inFlight, seconds, process: 'caller' }, slot => counters[slot]!.echo(slot))
  }

  return { start, measure, stop: () => scope[Symbol.asyncDispose]() }
}
export type ClusterHostApi = ReturnType<typeof clusterHost>

serveParent(clusterHost())
