/**
 * The front door of placement. A host takes part through a `Membership` (membership.ts): `PlacementClient` in a cluster,
 * `StandaloneMembership` alone. `startCandidate` is what a host carries to lead placement itself, `startPlacement` a service that does so alone.
 *
 * What to read, in this order: membership.ts (the port) → table.ts (the data) → next-table.ts and hash-ring.ts (the decision) →
 * leader.ts with members.ts (who is in) → lease-watch.ts (who is dead) → table-publisher.ts (save, then send) → leadership.ts (who
 * leads) → placement-server.ts (the candidate).
 */
export { PlacementClient, type PlacementClientOptions } from './placement-client.ts'
export { StandaloneMembership, type StandaloneOptions } from './standalone.ts'
export type { CandidateStatus } from './leader-seat.ts'
export { startCandidate, startPlacement, type PlacementCandidate, type PlacementOptions } from './placement-server.ts'
export type * from './membership.ts'
