/** GetMetadata, SetMetadata and Shutdown: what this host tells of itself, as host-documents.ts has it for HTTP. */
import { TroupeError } from '../core/errors.ts'
import type { HostStatus } from '../runtime/dispatch/dispatcher.ts'
import type { AppConnection, DoorFacts } from './dapr/door-facts.ts'
import { setExtended } from './dapr/extended-metadata.ts'
import { metadataOf } from './host-documents.ts'
import type { GrpcWork, Rpc } from './grpc-rpc.ts'
import { packageVersion } from './package-version.ts'

export const getMetadata: Rpc = {
  run: async (_, { dispatcher, facts }) => ({ message: messageOf(dispatcher.hostStatus(), facts) }),
}

export const setMetadata: Rpc<{ readonly key: string; readonly value: string }> = {
  async run({ key, value }, { facts }) {
    setExtended(facts, key, value)
    return { message: {} }
  },
}

export const shutdown: Rpc = {
  async run(_, { facts }: GrpcWork) {
    if (facts.shutdown === undefined) throw new TroupeError('FORBIDDEN', 'clients may not shut this host down; stop its process')
    return { message: {}, after: facts.shutdown }
  },
}

/** What `metadataOf` has in common with the message. */
interface Shared {
  readonly extended: Readonly<Record<string, string>>
  readonly actorRuntime: { readonly hostReady: boolean; readonly placement: string }
}

function messageOf(status: HostStatus, facts: DoorFacts): object {
  const version = packageVersion()
  const { extended, actorRuntime } = metadataOf(status, version) as Shared
  const actors = status.types.map(type => ({ type, count: status.activations[type] ?? 0 }))
  return {
    id: facts.appId ?? status.id,
    activeActorsCount: actors,
    registeredComponents: facts.components,
    extendedMetadata: { daprRuntimeVersion: version, ...extended, ...Object.fromEntries(facts.extended) },
    ...(facts.appConnection === undefined ? {} : { appConnectionProperties: connectionOf(facts.appConnection) }),
    runtimeVersion: version,
    enabledFeatures: facts.enabledFeatures,
    actorRuntime: {
      runtimeStatus: status.phase === 'starting' ? 'INITIALIZING' : facts.runtimeStatus(),
      activeActors: actors, hostReady: actorRuntime.hostReady, placement: actorRuntime.placement,
    },
    scheduler: { connectedAddresses: [] },
    workflows: { connectedWorkers: 0 },
  }
}

const connectionOf = ({ health, ...connection }: AppConnection): object => ({
  ...connection,
  // A threshold that is no number is not worth a failed reply.
  ...(health === undefined ? {} : { health: { ...health, healthThreshold: Math.trunc(Number(health.healthThreshold)) || 0 } }),
})
