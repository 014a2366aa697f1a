/**
 * The placement table as data: who owns which shard of which type, since which version. Immutable; pure.
 *
 * Invariants, kept by `next-table.ts` and by the decoder: every owner is a member of the table and the same object as
 * in `members`; every epoch is positive and not above the version. Types whose shards went the same way through
 * history share one array of owners, so dozens of types cost what one costs, in memory, in a delta and in the store.
 */
import type { Member, PlacementTable, ShardOwner } from './membership.ts'

/** Owner of each shard of a type; undefined where no host runs it. */
export type Owners = readonly (ShardOwner | undefined)[]

/** Largest number of types that a cluster may know: the table, and every delta about them, stay bounded (P7). */
export const MAX_TYPES = 10_000

export class Table implements PlacementTable {
  readonly version: number
  /** Shards a type has; 2 to the power of the cluster's shard bits. */
  readonly shards: number
  readonly members: ReadonlyMap<string, Member>
  readonly types: ReadonlySet<string>
  readonly #owners: ReadonlyMap<string, Owners>

  /** `owners` by type, each of length `shards`. */
  constructor(version: number, shards: number, members: ReadonlyMap<string, Member>, owners: ReadonlyMap<string, Owners>) {
    this.version = version
    this.shards = shards
    this.members = members
    this.types = new Set(owners.keys())
    this.#owners = owners
  }

  owner(type: string, shard: number): ShardOwner | undefined {
    return this.#owners.get(type)?.[shard]
  }

  /** The array itself: two types with the same array have the same owners, epochs and moves. */
  ownersOf(type: string): Owners | undefined {
    return this.#owners.get(type)
  }

  /** The same content under a higher version. */
  renumbered(version: number): Table {
    return new Table(version, this.shards, this.members, this.#owners)
  }

  /** True when `id` owns a shard, or has not released one that was given to another. */
  holds(id: string): boolean {
    for (const owners of new Set(this.#owners.values())) {
      if (owners.some(owner => owner !== undefined && (owner.member.id === id || owner.from === id))) return true
    }
    return false
  }

  /** Number of shards that each member owns, over all types. */
  shardCounts(): Map<string, number> {
    const counts = new Map([...this.members.keys()].map(id => [id, 0]))
    for (const owners of this.#owners.values()) {
      for (const owner of owners) if (owner !== undefined) counts.set(owner.member.id, counts.get(owner.member.id)! + 1)
    }
    return counts
  }
}

export const emptyTable = (shards: number): Table => new Table(0, shards, new Map(), new Map())

export const sameIncarnation = (a: Member | undefined, b: Member | undefined): boolean =>
  a !== undefined && b !== undefined && a.id === b.id && a.incarnation === b.incarnation

export const sameMember = (a: Member, b: Member): boolean =>
  sameIncarnation(a, b) && a.address === b.address && a.http === b.http && a.weight === b.weight && a.leaving === b.leaving
  && a.types.length === b.types.length && a.types.every((type, i) => type === b.types[i])

/** The same fact to everybody: equal owner, epoch and move. */
export const sameOwner = (a: ShardOwner | undefined, b: ShardOwner | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.epoch === b.epoch && a.from === b.from && sameIncarnation(a.member, b.member))
