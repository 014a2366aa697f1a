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
 * - Only so many shards of a type are in planned moves at once, since calls to them wait. The others stay with their living owner,
 *   also with one that is leaving, until there is room: a host with thousands of shards comes and goes in rounds.
 * - A resting member gets nothing, unless nobody else runs the type. Once it owns something it rests no more.
 */
import { mechanisms } from '../core/mechanisms.ts'
import { Circle, ShardRing, type Assignment } from './hash-ring.ts'
import type { Member, ShardOwner } from './membership.ts'
import { sameIncarnation, sameMember, sameOwner, Table, type Owners } from './table.ts'

export interface MoveRules {
  /** True when `holder` has released this shard. Asked only for shards in a planned move. */
  isReleased(type: string, shard: number, holder: string): boolean
  /** True when this member shall get no shards yet. */
  isResting(member: Member): boolean
  /** Shards of a type that may be in planned moves at once. */
  readonly maxMoves: number
}

const plain: MoveRules = { isReleased: () => false, isResting: () => false, maxMoves: Infinity }

/**
 * The table after `previous` for these living members; `previous` itself when it says the same already.
 * `version` must be above that of `previous`.
 */
export function nextTable(previous: Table, living: Iterable<Member>, version = previous.version + 1, given: Partial<MoveRules> = plain): Table {
  const rules = { ...plain, ...given }
  const members = settledMembers(previous, living)
  const groups = new Groups(members, restingIds(previous, members, rules))
  const owners = new Map<string, Owners>()
  const types = [...new Set([...previous.types, ...groups.types])].sort()
  const siblings = new Map<string, Owners>()
  for (const type of previous.types) siblings.set(groups.hostsKey(type), previous.ownersOf(type)!)

  // By (past, hosts, releases): what these are equal for has an equal future, computed once.
  const done: { past: Owners | undefined; hosts: string; next: Owners }[] = []
  for (const type of types) {
    const past = previous.ownersOf(type)
    const hosts = groups.hostsKey(type)
    const step = new Step(previous, members, version, (shard, holder) => rules.isReleased(type, shard, holder), rules.maxMoves)
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

/** One that already owns a shard was needed, and gives nothing back for its rest. */
function restingIds(previous: Table, members: ReadonlyMap<string, Member>, { isResting }: MoveRules): ReadonlySet<string> {
  const resting = new Set<string>()
  for (const member of members.values()) {
    if (isResting(member) && !(sameIncarnation(previous.members.get(member.id), member) && previous.holds(member.id))) resting.add(member.id)
  }
  return resting
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

  constructor(members: ReadonlyMap<string, Member>, resting: ReadonlySet<string>) {
    this.#circle = new Circle([...members.values()])
    const staying = [...members.values()].filter(member => !member.leaving)
    this.types = new Set([...members.values()].flatMap(member => member.types))
    this.#add(staying.filter(member => !resting.has(member.id)), () => true)
    const ownerless = new Set([...this.types].filter(type => !this.#hostsOf.has(type)))
    this.#add(staying.filter(member => resting.has(member.id)), type => ownerless.has(type))
  }

  #add(members: readonly Member[], wanted: (type: string) => boolean): void {
    for (const member of members) {
      for (const type of member.types) {
        if (!wanted(type)) continue
        const hosts = this.#hostsOf.get(type)
        if (hosts === undefined) this.#hostsOf.set(type, [member])
        else if (hosts.at(-1) !== member) hosts.push(member)
      }
    }
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
  readonly #maxMoves: number

  constructor(
    previous: Table, members: ReadonlyMap<string, Member>, version: number, isReleased: (shard: number, holder: string) => boolean, maxMoves: number,
  ) {
    this.#previous = previous
    this.#members = members
    this.#version = version
    this.#isReleased = isReleased
    this.#maxMoves = maxMoves
  }

  /** The array of `past` itself when nothing in it changes. */
  advance(past: Owners | undefined, assigned: Assignment): Owners {
    const next = assigned.map((id, shard) => this.#owner(past?.[shard], id, shard))
    if (past !== undefined) this.#holdBack(past, next)
    return past !== undefined && next.every((owner, shard) => owner === past[shard]) ? past : next
  }

  /** Planned moves that would begin and are too many do not: those shards stay where they are for now. */
  #holdBack(past: Owners, next: (ShardOwner | undefined)[]): void {
    let room = this.#maxMoves
    const beginning: number[] = []
    next.forEach((owner, shard) => {
      if (owner?.from === undefined) return
      // It waits for that host already, whoever gets it in the end.
      if (past[shard]?.from === owner.from) room--
      else beginning.push(shard)
    })
    for (const shard of beginning.slice(Math.max(0, room))) next[shard] = this.#owner(past[shard], past[shard]!.member.id, shard)
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
