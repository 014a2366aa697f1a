/**
 * The step from one table to the next: the decision that everything else in placement carries around. Pure.
 *
 * Which host: each type is spread over the members that run it and are not leaving; types with the same hosts share one ring, and
 * those with the same past share the result. A new type copies its neighbours with the same hosts, so that actors of two types
 * with one shard number start on one host. A resting member gets nothing, unless nobody else runs the type; once it owns
 * something it rests no more. How an owner changes is `next-owners.ts`.
 *
 * How many at once: calls to a shard in a planned move wait, so only so many are. The others stay with their living owner, also with
 * one that is leaving, until there is room: a host with thousands of shards comes and goes in rounds. Types with the same hosts
 * go through the rounds in step, though their releases come at different times: a shard's number counts once for all of
 * them, and where it moves it begins to in the same version. So they get equal epochs, and share one array again afterwards.
 */
import { Circle, ShardRing, type Assignment } from './hash-ring.ts'
import type { Member } from './membership.ts'
import { NextOwners } from './next-owners.ts'
import { sameIncarnation, sameMember, sameOwner, Table, type Owners } from './table.ts'

export interface MoveRules {
  /** True when `holder` has released this shard. Asked only for shards in a planned move. */
  isReleased(type: string, shard: number, holder: string): boolean
  /** True when this member shall get no shards yet. */
  isResting(member: Member): boolean
  /** Shard numbers that may be in planned moves at once, of each set of types with the same hosts. */
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
  const plans: Plan[] = []
  const planOf = new Map<string, Plan>()
  for (const type of types) {
    const past = previous.ownersOf(type)
    const hosts = groups.hostsKey(type)
    const step = new NextOwners(previous, members, version, (shard, holder) => rules.isReleased(type, shard, holder))
    const twin = plans.find(plan => plan.past === past && plan.hosts === hosts && step.agrees(past, plan.wanted))
    if (twin !== undefined) {
      planOf.set(type, twin)
      continue
    }
    const held = past ?? siblings.get(hosts)
    const assigned: Assignment = Array.from({ length: previous.shards }, (_, shard) => held?.[shard]?.member.id)
    const plan = { past, hosts, step, wanted: step.advance(past, groups.ring(hosts).assign(assigned)) }
    plans.push(plan)
    planOf.set(type, plan)
  }
  const settled = new Map<Plan, Owners>()
  for (const hosts of new Set(plans.map(plan => plan.hosts))) settle(plans.filter(plan => plan.hosts === hosts), rules.maxMoves, settled)
  for (const type of types) owners.set(type, settled.get(planOf.get(type)!)!)
  const unchanged = members === previous.members && types.length === previous.types.size
    && types.every(type => owners.get(type) === previous.ownersOf(type))
  return unchanged ? previous : new Table(version, previous.shards, members, owners)
}

/** Owners of one type, or of several that have gone the same way, as they would be if any number of shards might move. */
interface Plan {
  readonly past: Owners | undefined
  readonly hosts: string
  readonly step: NextOwners
  readonly wanted: Owners
}

/** Holds back the planned moves of types with the same hosts for which there is no room. */
function settle(plans: readonly Plan[], maxMoves: number, settled: Map<Plan, Owners>): void {
  const waiting = new Set(plans.flatMap(plan => plan.step.waiting(plan.past, plan.wanted)))
  const beginning = new Set(plans.flatMap(plan => plan.step.beginning(plan.past, plan.wanted)))
  const room = Math.max(0, maxMoves - waiting.size)
  const mayBegin = new Set([...beginning].filter(shard => !waiting.has(shard)).sort((a, b) => a - b).slice(0, room))
  const steps = plans.map(plan => ({ plan, next: plan.step.heldBack(plan.past, plan.wanted, shard => waiting.has(shard) || mayBegin.has(shard)) }))
  // Types drift apart while their moves are released one by one; they share an array again when they say the same again. What has
  // not changed comes first: it is the one to share.
  const different: Owners[] = []
  for (const { plan, next } of [...steps.filter(step => step.next === step.plan.past), ...steps.filter(step => step.next !== step.plan.past)]) {
    const same = next === plan.past ? undefined : different.find(other => other.every((owner, shard) => sameOwner(owner, next[shard])))
    if (same === undefined) different.push(next)
    settled.set(plan, same ?? next)
  }
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
