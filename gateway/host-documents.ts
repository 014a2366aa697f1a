/**
 * What a gateway tells about its host, in the shape of the Dapr metadata API.
 *
 * Fields that describe what Troupe has not (components, subscriptions, HTTP endpoints) are there and empty, because
 * clients of that API read them.
 */
import type { HostStatus } from '../runtime/dispatch/dispatcher.ts'

export function metadataOf(status: HostStatus, version: string): object {
  const actors = status.types.map(type => ({ type, count: status.activations[type] ?? 0 }))
  return {
    id: status.id,
    runtimeVersion: version,
    enabledFeatures: [],
    actors,
    components: [],
    extended: { troupeVersion: version, incarnation: status.incarnation, tableVersion: String(status.tableVersion), phase: status.phase },
    subscriptions: [],
    httpEndpoints: [],
    actorRuntime: {
      runtimeStatus: status.phase === 'starting' ? 'INITIALIZING' : 'RUNNING',
      activeActors: actors,
      hostReady: status.phase === 'serving',
      placement: placementOf(status),
    },
  }
}

/** A host that does not say is connected from its first table on. */
function placementOf(status: HostStatus): string {
  const connected = status.placement === undefined ? status.tableVersion > 0 : status.placement !== 'disconnected'
  return connected ? 'placement: connected' : 'placement: disconnected'
}
