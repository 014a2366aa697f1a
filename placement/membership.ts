/**
 * The port through which a host sees its cluster: who is in it, who owns which shard, and the host's own part in it.
 *
 * Two adapters: `PlacementClient` (a lease, and a stream to whoever leads placement) and `StandaloneMembership` (one host on a
 * store of its own, no other process). The table is the last one heard; it stays in force while the service is away (P9). Versions only
 * rise. Correctness never hangs on the table being fresh: the fence of the store decides who may commit (P4).
 */

/** A host as the cluster sees it. */
export interface Member {
  readonly id: string
  /** New at each start of the process; it is the nonce of the host's claims. */
  readonly incarnation: string
  /** HOST:PORT of its peer transport. */
  readonly address: string
  /** URL of its HTTP gateway, or '' when it has none. For people and `troupe status`. */
  readonly http: string
  /** Actor types it runs; types may differ by host. */
  readonly types: readonly string[]
  /** Relative capacity, 1 by default. */
  readonly weight: number
  /** True once it asked to leave: it gets no shards any more. */
  readonly leaving: boolean
}

/** Owner of one shard. `from` is the id of the host that has not released it yet in a planned move. */
export interface ShardOwner {
  readonly member: Member
  /** The table version at which `member` got the shard. */
  readonly epoch: number
  readonly from: string | undefined
}

export interface PlacementTable {
  readonly version: number
  readonly members: ReadonlyMap<string, Member>
  readonly types: ReadonlySet<string>
  /** Undefined when no living host runs the type, or the type is unknown. Called on every remote call: no allocation. */
  owner(type: string, shard: number): ShardOwner | undefined
}

export interface ShardChange {
  readonly type: string
  readonly shard: number
  readonly before: ShardOwner | undefined
  readonly after: ShardOwner | undefined
}

/** One step of the table. A release of a planned move is a change whose `after.from` is undefined, same epoch. */
export interface TableChange {
  readonly version: number
  readonly shards: readonly ShardChange[]
  readonly joined: readonly Member[]
  readonly gone: readonly Member[]
}

export interface JoinRequest {
  readonly id: string
  readonly incarnation: string
  readonly address: string
  readonly http: string
  readonly types: readonly string[]
  readonly weight: number
  /** Cluster-wide options of this host, compared at join: shard bits, namespace, store. */
  readonly fingerprint: Readonly<Record<string, string>>
}

export interface Membership {
  /** The newest table; version 0 and empty before the first. */
  readonly table: PlacementTable
  /** True while the host hears the placement service (always true standalone). */
  readonly connected: boolean
  /**
   * Whether this host may serve at this very moment: its lease has not run out by the monotonic clock. False for a while is not
   * the end: the lease may be renewed, nothing of this host's was given away then. Asked at every turn: no allocation.
   */
  mayServe(): boolean
  /**
   * Becomes a member; resolves with the first table that has this host in it.
   * @throws PLACEMENT_UNREACHABLE when no service answers within `timeoutMs`
   * @throws DUPLICATE_HOST when a living host has this id · CLUSTER_MISMATCH with both values when options differ
   * @throws STORE_UNAVAILABLE when no lease can be opened
   */
  join(self: JoinRequest, timeoutMs: number): Promise<void>
  /** Called after `table` has been replaced, synchronously, in version order. */
  onChange(listener: (change: TableChange) => void): void
  /**
   * Called once when this membership is over for good. Code FENCED: its lease was revoked, its shards are others'; the host drops
   * its memory and may join again as a new incarnation. Anything else (its id was taken over): the host must stop.
   */
  onExpelled(listener: (reason: Error) => void): void
  /** True when the table reaches `version` within `timeoutMs`. */
  waitFor(version: number, timeoutMs: number): Promise<boolean>
  /** Planned move: this host has drained these shards, which a table gave to others. */
  released(shards: readonly { type: string; shard: number }[]): void
  /** A peer's address refuses connections: tells the service, which checks for itself. */
  suspect(memberId: string): void
  /** Asks to leave; resolves when the table gives this host nothing any more, or after `timeoutMs`. */
  leave(timeoutMs: number): Promise<void>
  /** Ends the membership and the connection. Never throws. */
  close(): Promise<void>
}
