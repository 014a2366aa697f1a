/** GetMetadata, SetMetadata and Shutdown: what this host tells of itself, as host-documents.ts has it for HTTP. */
import { TroupeError } from '../core/errors.ts'
import type { HostStatus } from '../runtime/dispatch/dispatcher.ts'
import type { DoorFacts } from './dapr/door-facts.ts'
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

interface Document {
  readonly actors: readonly object[]
  readonly components: readonly object[]
  readonly extended: object
  readonly appConnectionProperties: object
}

/** The same document, by the names that the message has. */
function messageOf(status: HostStatus, facts: DoorFacts): object {
  const { actors, components, extended, appConnectionProperties, ...rest } = metadataOf(status, facts, packageVersion()) as Document
  return {
    ...rest, activeActorsCount: actors, registeredComponents: components, extendedMetadata: extended,
    ...(facts.appConnection === undefined ? {} : { appConnectionProperties }),
    scheduler: { connectedAddresses: [] },
  }
}
