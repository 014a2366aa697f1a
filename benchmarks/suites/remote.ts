/**
 * `remote`: a readonly call from one host to actors of another, each a process of its own. The
 * floor is one bare stream between two processes.
 */
import type { StreamClientApi } from '../floors/stream-client.ts'
import { withCpuOf } from '../harness/cpu.ts'
import type { Scope } from '../harness/scope.ts'
import type { RateCase, Suite } from '../harness/suite.ts'
import type { ClusterHostApi } from '../subjects/cluster-host.ts'

/** A caller and an owner, both members of one cluster. */
async function startCluster(scope: Scope) {
  const store = `lmdb:${scope.folder()}`
  const startHost = async (id: string) => {
    const host = await scope.child<ClusterHostApi>(new URL('../subjects/cluster-host.ts', import.meta.url))
    await host.ask('start', store, id)
    return host
  }
  return { caller: await startHost('caller'), owner: await startHost('owner') }
}

const call = (inFlight: number): RateCase => ({
  kind: 'rate', name: 'readonly call', inFlight, floor: 'one bidirectional grpc-js stream with batched msgpackr frames', atLeast: 0.4, warmUp: 3,
  async open(scope) {
    const { caller, owner } = await startCluster(scope)
    const stream = await scope.child<StreamClientApi>(new URL('../floors/stream-client.ts', import.meta.url))
    return {
      floor: seconds => stream.ask('measure', inFlight, seconds),
      subject: seconds => withCpuOf({ owner }, () => caller.ask('measure', 'owner', inFlight, seconds)),
    }
  },
})

export const suite: Suite = {
  name: 'remote',
  title: 'calls to actors of another host',
  cases: [call(64), call(256)],
}
