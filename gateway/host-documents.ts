/**
 * What a gateway tells about its host, in the shape of the Dapr metadata API.
 *
 * Fields that describe what Troupe has not (subscriptions, HTTP endpoints, the scheduler, workflows) are there and empty,
 * because clients of that API read them.
 */
import type { HostStatus } from '../runtime/dispatch/dispatcher.ts'
import type { AppConnection, DoorFacts } from './dapr/door-facts.ts'

export function metadataOf(status: HostStatus, facts: DoorFacts, version: string): object {
  const actors = status.types.map(type => ({ type, count: status.activations[type] ?? 0 }))
  return {
    id: facts.appId ?? status.id,
    runtimeVersion: version,
    enabledFeatures: facts.enabledFeatures,
    actors,
    components: facts.components,
    extended: extendedOf(status, facts, version),
    subscriptions: [],
    httpEndpoints: [],
    appConnectionProperties: facts.appConnection === undefined ? {} : connectionOf(facts.appConnection),
    actorRuntime: { ...runtimeOf(status, facts), activeActors: actors },
    scheduler: { connected_addresses: [] },
    workflows: { connectedWorkers: 0 },
  }
}

/** What clients set wins: the standard has it so. */
function extendedOf(status: HostStatus, { strict, extended }: DoorFacts, version: string): object {
  const own = { troupeVersion: version, incarnation: status.incarnation, tableVersion: String(status.tableVersion), phase: status.phase }
  return Object.fromEntries([['daprRuntimeVersion', version], ...strict ? [] : Object.entries(own), ...extended])
}

const connectionOf = ({ maxConcurrency, health, ...connection }: AppConnection): object => ({
  ...connection,
  ...maxConcurrency === 0 ? {} : { maxConcurrency },
  ...health === undefined ? {} : { health },
})

function runtimeOf(status: HostStatus, facts: DoorFacts): { runtimeStatus: string; hostReady: boolean; placement: string } {
  const said = facts.runtimeStatus()
  const runtimeStatus = said === 'RUNNING' && status.phase === 'starting' ? 'INITIALIZING' : said
  const connected = isConnected(status)
  return {
    runtimeStatus,
    hostReady: runtimeStatus === 'RUNNING' && status.phase === 'serving' && connected,
    // Whoever waits for its application has not asked placement yet.
    placement: said === 'INITIALIZING' ? '' : connected ? 'placement: connected' : 'placement: disconnected',
  }
}

/** A host that does not say is connected from its first table on. */
const isConnected = ({ placement, tableVersion }: HostStatus): boolean => placement === undefined ? tableVersion > 0 : placement !== 'disconnected'
