/**
 * How one type's owners change from one version to the next, once it is known which host shall have which shard. Pure.
 *
 * - A new owner, or a new incarnation of the old one, gets the new version as its epoch; nobody else's epoch moves. A type that
 *   comes back gets new epochs too: its old ones may have been claimed.
 * - The shard of a living owner moves with `from`: the host that may still be running its actors. `from` ends when that host
 *   released the shard or is gone; a shard that moves on before that keeps waiting for the host that held it at first.
 * - Whoever owns a shard that may not move yet keeps it as it is. The shard of a dead owner never waits.
 */
import { mechanisms } from '../core/mechanisms.ts'
import type { Assignment } from './hash-ring.ts'
import type { Member, ShardOwner } from './membership.ts'
import { sameIncarnation, type Owners, type Table } from './table.ts'

export class NextOwners {
  readonly #previous: Table
  readonly #members: ReadonlyMap<string, Member>
  readonly #version: number
  readonly #isReleased: (shard: number, holder: string) => boolean

  /** `isReleased`: that holder has let go of that shard of this type. */
  constructor(previous: Table, members: ReadonlyMap<string, Member>, version: number, isReleased: (shard: number, holder: string) => boolean) {
    this.#previous = previous
    this.#members = members
    this.#version = version
    this.#isReleased = isReleased
  }

  /** The owners when all move that shall. The array of `past` itself when nothing in it changes. */
  advance(past: Owners | undefined, assigned: Assignment): Owners {
    return unlessSame(past, assigned.map((id, shard) => this.#owner(past?.[shard], id, shard)))
  }

  /** Shards that are in a planned move already, whoever gets them in the end. */
  waiting(past: Owners | undefined, next: Owners): number[] {
    return shardsWhere(next, (owner, shard) => owner?.from !== undefined && past?.[shard]?.from === owner.from)
  }

  /** Shards whose planned move would begin now. */
  beginning(past: Owners | undefined, next: Owners): number[] {
    return shardsWhere(next, (owner, shard) => owner?.from !== undefined && past?.[shard]?.from !== owner.from)
  }

  /** `next` without the planned moves that would begin and may not. */
  heldBack(past: Owners | undefined, next: Owners, mayBegin: (shard: number) => boolean): Owners {
    const held = new Set(this.beginning(past, next).filter(shard => !mayBegin(shard)))
    if (past === undefined || held.size === 0) return next
    return unlessSame(past, next.map((owner, shard) => (held.has(shard) ? this.#owner(past[shard], past[shard]!.member.id, shard) : owner)))
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

const unlessSame = (past: Owners | undefined, next: Owners): Owners =>
  (past !== undefined && next.every((owner, shard) => owner === past[shard]) ? past : next)

const shardsWhere = (owners: Owners, holds: (owner: ShardOwner | undefined, shard: number) => boolean): number[] =>
  owners.flatMap((owner, shard) => (holds(owner, shard) ? [shard] : []))
