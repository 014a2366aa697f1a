/**
 * From facts to a published table: computes the next one, saves it, and only then lets it be sent.
 *
 * Works like a group commit: one save in flight, all facts that arrive meanwhile go into the next table. A table that is
 * not saved is never seen by a host; while the store fails, the old one stays in force and saving is retried with backoff.
 * Why versions never repeat: a save whose outcome is unknown uses its version up, and a stored version that is higher than ours (a
 * host alone on the same store) is jumped over. A stored term above ours means that another leader was elected: this one ends.
 */
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import type { ClusterStore } from '../stores/cluster-store.ts'
import { backoffMs } from './backoff.ts'
import { encodeCluster } from './cluster-record.ts'
import type { Member } from './membership.ts'
import type { ShardSet } from './messages.ts'
import { nextTable } from './next-table.ts'
import type { Table } from './table.ts'

export interface PublisherParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly store: ClusterStore
  readonly term: number
  /** The table to start from. */
  readonly table: Table
  /** How long a planned move may wait for its old owner; 5 s by default. */
  readonly releaseMs: number
  /** Shards of a type that may be in planned moves at once. */
  readonly maxMoves: number
  /** False until it is known who of the stored table lives: nothing is published then. Call `request` when it ends. */
  ready(): boolean
  /** The living, asked when a table is computed. Leaving members that hold nothing any more are dropped from it. */
  members(): Iterable<Member>
  /** True while this member shall get no shards, as long as others run its types. Call `request` when that ends. */
  resting(id: string): boolean
  fingerprint(): Readonly<Record<string, string>>
  /** A table was saved: send it. `left` are the members that had asked to leave and hold nothing in it. */
  published(before: Table, after: Table, left: readonly Member[]): void
  /** The store knows a higher term: publish nothing more. */
  deposed(): void
}

export class TablePublisher {
  readonly #parts: PublisherParts
  #table: Table
  /** The last one that was to be saved: perhaps it was, and somebody has read it. So the next one follows from it, published or not. */
  #attempted: Table
  #floor: number
  #timer: { at: number; timer: Timer } | undefined
  #busy = false
  #again = false
  #stopped = false
  #failures = 0
  /** Releases that came and are not in the table yet, by holder and type. */
  readonly #released = new Map<string, Set<number>>()
  #sweep: Timer | undefined

  constructor(parts: PublisherParts) {
    this.#parts = parts
    this.#table = this.#attempted = parts.table
    this.#floor = parts.table.version
  }

  get table(): Table {
    return this.#table
  }

  /** Facts changed: a new table, if it says something new, within `delayMs`. */
  request(delayMs: number): void {
    if (this.#stopped) return
    const at = this.#parts.clock.monotonicMs() + delayMs
    if (this.#timer !== undefined && this.#timer.at <= at) return
    this.#timer?.timer.cancel()
    this.#timer = { at, timer: this.#parts.clock.after(delayMs, () => {
      this.#timer = undefined
      void this.#publish()
    }) }
  }

  /** A host knows `version`: the next table must be above it, or that host would refuse it. */
  raise(version: number): void {
    if (version <= this.#floor) return
    this.#floor = version
    this.request(0)
  }

  /** `holder` has drained these shards, which a table up to `version` gave to others. */
  release(holder: string, sets: readonly ShardSet[], version: number): void {
    for (const { type, shards } of sets) {
      // Also of a move in a table whose saving is in doubt: the holder may have read it in the store.
      const owners = this.#attempted.ownersOf(type)
      // A late release of an earlier move of the same shard says nothing about this one.
      const moving = shards.filter(shard => owners?.[shard]?.from === holder && owners[shard]!.epoch <= version)
      if (moving.length > 0) this.#releasedOf(holder, type, moving)
    }
    if (this.#released.size > 0) this.request(0)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.timer.cancel()
    this.#sweep?.cancel()
  }

  async #publish(): Promise<void> {
    if (this.#busy) {
      this.#again = true
      return
    }
    this.#busy = true
    try {
      do {
        this.#again = false
        await this.#step()
      } while (this.#again && !this.#stopped)
    } finally {
      this.#busy = false
    }
  }

  async #step(): Promise<void> {
    if (!this.#parts.ready()) return
    const before = this.#table
    const { table: after, left } = this.#compute()
    if (after === before) return
    const outcome = await this.#save(after)
    if (this.#stopped || outcome === 'deposed') return
    if (outcome === 'failed') return this.request(backoffMs(this.#failures++, 50, 2_000, this.#parts.random))
    this.#failures = 0
    this.#table = after
    this.#forgetReleases()
    this.#parts.published(before, after, left)
    if ([...after.members.values()].some(member => member.leaving && !after.holds(member.id))) this.request(0)
    this.#watchMoves(after)
  }

  #compute(): { table: Table; left: Member[] } {
    const before = this.#attempted
    const version = this.#floor + 1
    const { maxMoves } = this.#parts
    const rules = {
      isReleased: (type: string, shard: number, holder: string): boolean => this.#released.get(releaseKey(holder, type))?.has(shard) === true,
      isResting: (member: Member): boolean => this.#parts.resting(member.id),
      maxMoves,
    }
    const living = [...this.#parts.members()]
    let table = nextTable(before, living, version, rules)
    // Hosts that miss a member take it for dead, unless a table has told them that it leaves.
    const left = living.filter(member => member.leaving && this.#table.members.get(member.id)?.leaving === true && !table.holds(member.id))
    if (left.length > 0) table = nextTable(before, living.filter(member => !left.includes(member)), version, rules)
    if (table === before && (this.#floor > before.version || before !== this.#table)) table = before.renumbered(version)
    return { table, left }
  }

  async #save(table: Table): Promise<'ok' | 'failed' | 'deposed'> {
    const { store, term, log } = this.#parts
    // Used up before the outcome is known: it may be stored even if we never hear so.
    this.#floor = table.version
    this.#attempted = table
    try {
      const bytes = encodeCluster({ table, fingerprint: this.#parts.fingerprint() })
      if (await store.saveTable({ term, version: table.version, bytes }) === 'ok') return 'ok'
      const saved = await store.loadTable()
      if (saved !== undefined && saved.term <= term && saved.version >= table.version) {
        this.#floor = Math.max(this.#floor, saved.version)
        log.warn({ version: saved.version, store: store.name }, 'another process saved a table in this cluster store; continuing above it')
        return 'failed'
      }
      log.warn({ term, version: table.version }, 'the store refused the table: a newer leader was elected')
      this.stop()
      this.#parts.deposed()
      return 'deposed'
    } catch (error) {
      log.error({ err: messageOf(error), version: table.version, store: store.name }, 'the placement table could not be saved; the old one stays in force')
      return 'failed'
    }
  }

  /** A host that does not release what moved away must not block the new owner for ever; the fence makes that safe. */
  #watchMoves(table: Table): void {
    if (this.#sweep !== undefined || !hasMoves(table)) return
    this.#sweep = this.#parts.clock.after(this.#parts.releaseMs, () => {
      this.#sweep = undefined
      if (this.#releaseOlderThan(table.version)) this.request(0)
      this.#watchMoves(this.#table)
    })
  }

  #releaseOlderThan(version: number): boolean {
    let found = false
    for (const type of this.#table.types) {
      this.#table.ownersOf(type)!.forEach((owner, shard) => {
        if (owner?.from === undefined || owner.epoch > version) return
        found = true
        this.#releasedOf(owner.from, type, [shard])
      })
    }
    return found
  }

  /** Releases that came while the table was being saved stay for the next one. */
  #forgetReleases(): void {
    for (const [key, shards] of this.#released) {
      const [holder, type] = JSON.parse(key) as [string, string]
      const owners = this.#table.ownersOf(type)
      for (const shard of shards) if (owners?.[shard]?.from !== holder) shards.delete(shard)
      if (shards.size === 0) this.#released.delete(key)
    }
  }

  #releasedOf(holder: string, type: string, shards: readonly number[]): void {
    const key = releaseKey(holder, type)
    const set = this.#released.get(key) ?? new Set()
    for (const shard of shards) set.add(shard)
    this.#released.set(key, set)
  }
}

const releaseKey = (holder: string, type: string): string => JSON.stringify([holder, type])

const hasMoves = (table: Table): boolean =>
  [...table.types].some(type => table.ownersOf(type)!.some(owner => owner?.from !== undefined))
