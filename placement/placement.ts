/**
 * The front door of placement. A host takes part through a `Membership` (membership.ts): `PlacementClient` in a cluster,
 * `StandaloneMembership` alone. `startPlacement` runs the service.
 *
 * What to read, in this order: membership.ts (the port) → table.ts (the data) → next-table.ts and hash-ring.ts (the decision) →
 * leader.ts with members.ts (who is in) → table-publisher.ts (save, then send) → placement-server.ts (the service).
 */
export { PlacementClient, type PlacementClientOptions } from './placement-client.ts'
export { StandaloneMembership, type StandaloneOptions } from './standalone.ts'
export { startPlacement, type PlacementOptions, type PlacementService } from './placement-server.ts'
export type * from './membership.ts'
