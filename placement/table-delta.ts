/**
 * What changed between two tables: as a delta to send (`diff`, `apply`), and as the event that hosts hear (`changeBetween`). Pure.
 *
 * `apply(a, diff(a, b))` says the same as `b`; types that change alike share their owners in the result too.
 */
import { TroupeError } from '../core/errors.ts'
import type { Member, ShardChange, ShardOwner, TableChange } from './membership.ts'
import { sameIncarnation, sameMember, sameOwner, Table, type Owners } from './table.ts'

/** New owners of some shards, the same for all these types; `owners[i]` belongs to `shards[i]`. */
export interface Moves {
  readonly types: readonly string[]
  readonly shards: readonly number[]
  readonly owners: Owners
}

export interface TableDelta {
  /** The version it applies to. */
  readonly base: number
  readonly version: number
  /** New members, and those of which something changed. */
  readonly members: readonly Member[]
  readonly gone: readonly string[]
  readonly moves: readonly Moves[]
}

const none: Owners = []

export function diff(a: Table, b: Table): TableDelta {
  const members = [...b.members.values()].filter(member => {
    const before = a.members.get(member.id)
    return before === undefined || (before !== member && !sameMember(before, member))
  })
  const moves: { past: Owners; next: Owners; types: string[]; shards: number[]; owners: (ShardOwner | undefined)[] }[] = []
  for (const type of b.types) {
    const past = a.ownersOf(type)
    const next = b.ownersOf(type)!
    // A type new to the receiver is named even when nobody owns any of it.
    if (past === next) continue
    const twin = moves.find(m => m.past === (past ?? none) && m.next === next)
    if (twin !== undefined) {
      twin.types.push(type)
      continue
    }
    const shards = next.flatMap((owner, shard) => (sameOwner(past?.[shard], owner) ? [] : [shard]))
    if (shards.length > 0 || past === undefined) {
      moves.push({ past: past ?? none, next, types: [type], shards, owners: shards.map(shard => next[shard]) })
    }
  }
  const gone = [...a.members.keys()].filter(id => !b.members.has(id))
  return { base: a.version, version: b.version, members, gone, moves: moves.map(({ types, shards, owners }) => ({ types, shards, owners })) }
}

/** @throws PROTOCOL when the delta does not belong to this table, or names a member or shard that does not exist */
export function apply(table: Table, delta: TableDelta): Table {
  if (delta.base !== table.version || delta.version <= delta.base) {
    throw new TroupeError('PROTOCOL', `placement: a delta from version ${delta.base} to ${delta.version} does not fit the table at version ${table.version}`)
  }
  const members = new Map(table.members)
  for (const id of delta.gone) members.delete(id)
  for (const member of delta.members) members.set(member.id, member)
  const owners = new Map<string, Owners>()
  // Owners point at the member objects of their own table: those of a changed member are made anew.
  const rebound = new Map<Owners, Owners>()
  const stale = delta.gone.length > 0 || delta.members.length > 0
  for (const type of table.types) {
    const past = table.ownersOf(type)!
    if (!rebound.has(past)) rebound.set(past, stale ? rebind(past, members) : past)
    owners.set(type, rebound.get(past)!)
  }
  for (const { types, shards, owners: changed } of delta.moves) {
    const next: (ShardOwner | undefined)[] = [...(owners.get(types[0]!) ?? new Array<undefined>(table.shards).fill(undefined))]
    shards.forEach((shard, i) => {
      const owner = changed[i]
      if (shard >= table.shards || (owner !== undefined && !sameIncarnation(members.get(owner.member.id), owner.member))) {
        throw new TroupeError('PROTOCOL', `placement: a delta to version ${delta.version} gives shard ${shard} of ${types[0]} to a host or shard that the table does not know`)
      }
      next[shard] = owner === undefined ? undefined : bind(owner, members.get(owner.member.id)!)
    })
    for (const type of types) owners.set(type, next)
  }
  return new Table(delta.version, table.shards, members, new Map([...owners].sort(([a], [b]) => (a < b ? -1 : 1))))
}

const bind = (owner: ShardOwner, member: Member): ShardOwner =>
  owner.member === member ? owner : { member, epoch: owner.epoch, from: owner.from }

/** An owner that is gone stays as it was: a delta that removes a member moves its shards too. */
function rebind(owners: Owners, members: ReadonlyMap<string, Member>): Owners {
  let changed = false
  const next = owners.map(owner => {
    const member = owner === undefined ? undefined : members.get(owner.member.id)
    if (owner === undefined || member === undefined || member === owner.member) return owner
    changed = true
    return bind(owner, member)
  })
  return changed ? next : owners
}

/** The step from `a` to `b` as its hosts hear it. A new incarnation is one member gone and one joined. */
export function changeBetween(a: Table, b: Table): TableChange {
  const shards: ShardChange[] = []
  for (const type of b.types) {
    const past = a.ownersOf(type)
    const next = b.ownersOf(type)!
    if (past === next) continue
    next.forEach((after, shard) => {
      const before = past?.[shard]
      if (!sameOwner(before, after)) shards.push({ type, shard, before, after })
    })
  }
  return {
    version: b.version,
    shards,
    joined: [...b.members.values()].filter(member => !sameIncarnation(a.members.get(member.id), member)),
    gone: [...a.members.values()].filter(member => !sameIncarnation(b.members.get(member.id), member)),
  }
}
