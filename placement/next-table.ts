/**
 * The step from one table to the next: the decision that everything else in placement carries around. Pure.
 *
 * Rules:
 * - Each type is spread over the members that run it and are not leaving; types with the same hosts share one ring, and
 *   those with the same past share the result. A new type copies its neighbours with the same hosts, so that actors of
 *   two types with one shard number start on one host.
 * - A new owner, or a new incarnation of the old one, gets the new version as its epoch; nobody else's epoch moves. A
 *   type that comes back gets new epochs too: its old ones may have been claimed.
 * - The shard of a living owner moves with `from`: the host that may still be running its actors. `from` ends when that host
 *   released the shard or is gone; a shard that moves on before that keeps waiting for the host that held it at first.
 */
import { mechanisms } from '../core/mechanisms.ts'
import { Circle, ShardRing, type Assignment } from './hash-ring.ts'
import type { Member, ShardOwner } from './membership.ts'
import { sameIncarnation, sameMember, sameOwner, Table, type Owners } from './table.ts'

/** True when `holder` has released this shard. Asked only for shards in a planned move. */
export type IsReleased = (type: string, shard: number, holder: string) => boolean

const nothing: IsReleased = () => false

/**
 * The table after `previous` for these living members; `previous` itself when it says the same already.
 * `version` must be above that of `previous`.
 */
export function nextTable(previous: Table, living: Iterable<Member>, version = previous.version + 1, isReleased = nothing): Table {
  const members = settledMembers(previous, living)
  const groups = new Groups(members)
  const owners = new Map<string, Owners>()
  const types = [...new Set([...previous.types, ...groups.types])].sort()
  const siblings = new Map<string, Owners>()
  for (const type of previous.types) siblings.set(groups.hostsKey(type), previous.ownersOf(type)!)

  // By (past, hosts, releases): what these are equal for has an equal future, computed once.
  const done: { past: Owners | undefined; hosts: string; next: Owners }[] = []
  for (const type of types) {
    const past = previous.ownersOf(type)
    const hosts = groups.hostsKey(type)
    const step = new Step(previous, members, version, (shard, holder) => isReleased(type, shard, holder))
    const twin = done.find(d => d.past === past && d.hosts === hosts)
    if (twin !== undefined && step.agrees(past, twin.next)) {
      owners.set(type, twin.next)
      continue
    }
    const held = past ?? siblings.get(hosts)
    const wanted: Assignment = Array.from({ length: previous.shards }, (_, shard) => held?.[shard]?.member.id)
    const advanced = step.advance(past, groups.ring(hosts).assign(wanted))
    const next = advanced === past ? past : done.find(d => d.hosts === hosts && sameOwners(d.next, advanced))?.next ?? advanced
    owners.set(type, next)
    done.push({ past, hosts, next })
  }
  const unchanged = members === previous.members && types.length === previous.types.size
    && types.every(type => owners.get(type) === previous.ownersOf(type))
  return unchanged ? previous : new Table(version, previous.shards, members, owners)
}

/** The living by id, each the very object of the previous table when it says the same; that table's map when all do. */
function settledMembers(previous: Table, living: Iterable<Member>): ReadonlyMap<string, Member> {
  const members = new Map<string, Member>()
  for (const member of [...living].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const before = previous.members.get(member.id)
    members.set(member.id, before !== undefined && sameMember(before, member) ? before : member)
  }
  const same = members.size === previous.members.size && [...members].every(([id, member]) => previous.members.get(id) === member)
  return same ? previous.members : members
}

/** Types drift apart while their moves are released one by one; they share an array again when they say the same again. */
const sameOwners = (a: Owners, b: Owners): boolean => a.every((owner, shard) => sameOwner(owner, b[shard]))

/** Types by the set of hosts that may own their shards. */
class Groups {
  readonly types: ReadonlySet<string>
  readonly #hostsOf = new Map<string, Member[]>()
  readonly #keys = new Map<string, string>()
  readonly #rings = new Map<string, ShardRing>()
  readonly #circle: Circle

  constructor(members: ReadonlyMap<string, Member>) {
    this.#circle = new Circle([...members.values()])
    const types = new Set<string>()
    for (const member of members.values()) {
      for (const type of member.types) {
        types.add(type)
        if (member.leaving) continue
        const hosts = this.#hostsOf.get(type)
        if (hosts === undefined) this.#hostsOf.set(type, [member])
        else if (hosts.at(-1) !== member) hosts.push(member)
      }
    }
    this.types = types
  }

  hostsKey(type: string): string {
    let key = this.#keys.get(type)
    if (key === undefined) {
      const hosts = this.#hostsOf.get(type) ?? []
      // JSON: no two sets of ids share a key, whatever characters the ids hold.
      key = JSON.stringify(hosts.map(host => host.id))
      this.#keys.set(type, key)
      if (!this.#rings.has(key)) this.#rings.set(key, new ShardRing(hosts, this.#circle))
    }
    return key
  }

  ring(hostsKey: string): ShardRing {
    return this.#rings.get(hostsKey)!
  }
}

/** One type's owners on their way from one version to the next. */
class Step {
  readonly #previous: Table
  readonly #members: ReadonlyMap<string, Member>
  readonly #version: number
  readonly #isReleased: (shard: number, holder: string) => boolean

  constructor(previous: Table, members: ReadonlyMap<string, Member>, version: number, isReleased: (shard: number, holder: string) => boolean) {
    this.#previous = previous
    this.#members = members
    this.#version = version
    this.#isReleased = isReleased
  }

  /** The array of `past` itself when nothing in it changes. */
  advance(past: Owners | undefined, assigned: Assignment): Owners {
    const next = assigned.map((id, shard) => this.#owner(past?.[shard], id, shard))
    return past !== undefined && next.every((owner, shard) => owner === past[shard]) ? past : next
  }

  /** True when this type's releases lead from the shared past to `next` too. */
  agrees(past: Owners | undefined, next: Owners): boolean {
    return past === undefined || past.every((before, shard) => {
      const after = next[shard]
      return before?.from === undefined || after === undefined || this.#owner(before, after.member.id, shard)?.from === after.from
    })
  }

  #owner(before: ShardOwner | undefined, id: string | undefined, shard: number): ShardOwner | undefined {
    const member = id === undefined ? undefined : this.#members.get(id)
    if (member === undefined) return undefined
    const holder = before?.from !== undefined && this.#stillHolds(before.from, shard) ? before.from : undefined
    if (before !== undefined && (sameIncarnation(before.member, member) || (mechanisms.off?.has('new-epoch') && before.member.id === member.id))) {
      return before.member === member && before.from === holder ? before : { member, epoch: before.epoch, from: holder }
    }
    const last = holder ?? (this.#alive(before?.member.id) ? before!.member.id : undefined)
    // Back to the host that has not let go yet: nobody to wait for.
    return { member, epoch: this.#version, from: last === member.id ? undefined : last }
  }

  #stillHolds(holder: string, shard: number): boolean {
    return this.#alive(holder) && !this.#isReleased(shard, holder)
  }

  /** Alive as the process that the previous table knew: a successor holds nothing of its own. */
  #alive(id: string | undefined): boolean {
    return id !== undefined && sameIncarnation(this.#previous.members.get(id), this.#members.get(id))
  }
}
