/**
 * Who is in the cluster, as the leader sees it, and whose lease may be taken away. Pure: time and leases are arguments.
 *
 *   expected ──join──▶ alive ◀──join── doubted
 *                        │ stream broke ───▲
 *   each ──its lease was revoked, or its process is gone──▶ (removed)
 *
 * - *expected*: in the stored table, not heard by this leader yet.
 * - *alive*: its stream is open.
 * - *doubted*: its stream broke. Its address is probed; a refused connection proves that the process is gone.
 *
 * Silence ends nobody: who renews his lease is a member, whether he is heard here or not. Silence only says when to look at the
 * leases. One that is over (by the store's clock) or is not there any more is named by `judge`, and the store itself has the last
 * word: `revokeLease` against the holder's renewal.
 *
 * Who suspects everybody should suspect himself: when the leases of more than half of at least three members are over at
 * once, one of them is named only when it has been over for `massSilenceMs`. And after the store was away, or this process stood still,
 * everybody has the time of one lease of his to renew it.
 */
import type { LeaseState } from '../stores/cluster-store.ts'
import type { Member } from './membership.ts'

export type MemberPhase = 'expected' | 'alive' | 'doubted'

export interface MemberTimes {
  /** Silence on an open stream that makes its member doubtful; 1.2 s by default, two heartbeats and a little. */
  readonly silenceMs: number
  /** How long a host's lease lasts without renewal; 2 s by default. */
  readonly leaseMs: number
  /** How long leases must have been over, when most are, before that is believed; 30 s by default. */
  readonly massSilenceMs: number
}

interface Entry {
  member: Member
  phase: MemberPhase
  heardMs: number
  /** When its lease will be over, by this process's clock; undefined until it was looked at. */
  leaseEndsMs: number | undefined
  /** The most that was ever left of its lease: about what it asks for, which may be more than is usual. */
  leaseMs: number
}

/** Hosts renew four times in a lease: with so little left of it a host has missed two renewals at least. */
const NEARLY_OVER = 0.3

export class Members {
  readonly #times: MemberTimes
  readonly #entries = new Map<string, Entry>()
  #excusedMs = -Infinity
  #massSinceMs: number | undefined

  constructor(times: MemberTimes) {
    this.#times = times
  }

  /** The members of the stored table. */
  restore(members: Iterable<Member>, nowMs: number): void {
    for (const member of members) this.#entries.set(member.id, { member, phase: 'expected', heardMs: nowMs, leaseEndsMs: undefined, leaseMs: 0 })
  }

  /** Adds or replaces a member whose stream is open. */
  put(member: Member, nowMs: number): void {
    const known = this.#entries.get(member.id)
    const same = known?.member.incarnation === member.incarnation
    this.#entries.set(member.id, { member, phase: 'alive', heardMs: nowMs, leaseEndsMs: same ? known.leaseEndsMs : undefined, leaseMs: same ? known.leaseMs : 0 })
  }

  heard(id: string, nowMs: number): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) entry.heardMs = nowMs
  }

  /** Its stream broke. */
  doubt(id: string): void {
    const entry = this.#entries.get(id)
    if (entry?.phase === 'alive') entry.phase = 'doubted'
  }

  /** It asked to leave: it gets no shards any more. */
  leave(id: string): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined && !entry.member.leaving) entry.member = { ...entry.member, leaving: true }
  }

  remove(id: string): void {
    this.#entries.delete(id)
  }

  get(id: string): Member | undefined {
    return this.#entries.get(id)?.member
  }

  phase(id: string): MemberPhase | undefined {
    return this.#entries.get(id)?.phase
  }

  /** All that were not removed. */
  *living(): Iterable<Member> {
    for (const { member } of this.#entries.values()) yield member
  }

  /** When the lease of this member will be over, by this process's clock, as the leases were when they were looked at last. */
  leaseEndsMs(id: string): number | undefined {
    return this.#entries.get(id)?.leaseEndsMs
  }

  /** True when the leases should be looked at soon: somebody is not heard, or has not renewed as he should have. */
  inDoubt(nowMs: number): boolean {
    for (const { phase, heardMs, leaseEndsMs } of this.#entries.values()) {
      if (phase !== 'alive' || nowMs - heardMs >= this.#times.silenceMs) return true
      // Hosts renew four times in a lease: less than this is a renewal missed, and still more than the slow pace of looking.
      if (leaseEndsMs !== undefined && leaseEndsMs - nowMs < this.#times.leaseMs * 0.6) return true
    }
    return false
  }

  /** The store was away, or this process stood still at `atMs`: leases that are over may be so for no fault of their holders. */
  excuse(atMs: number): void {
    this.#excusedMs = Math.max(this.#excusedMs, atMs)
  }

  /** Takes note of the leases as the store has them now, and names the members that should lose theirs. */
  judge(leases: readonly LeaseState[], nowMs: number): readonly Member[] {
    const leftMs = new Map(leases.map(lease => [lease.id, lease.leftMs]))
    const over: Entry[] = []
    const gone: Member[] = []
    for (const entry of this.#entries.values()) {
      const left = leftMs.get(entry.member.incarnation)
      entry.leaseEndsMs = left === undefined ? undefined : nowMs + left
      // Not there: revoked or ended before, and never to come back.
      if (left === undefined) gone.push(entry.member)
      else if (left <= 0) over.push(entry)
      else entry.leaseMs = Math.max(entry.leaseMs, left)
    }
    return [...gone, ...this.#believed(over, nowMs).map(entry => entry.member)]
  }

  /** True while most of the cluster's leases are over and that is not believed. */
  get suspectsItself(): boolean {
    return this.#massSinceMs !== undefined
  }

  #believed(over: readonly Entry[], nowMs: number): readonly Entry[] {
    const { massSilenceMs, leaseMs } = this.#times
    // Those that fell silent together run out one after the other, within a renewal's time: whoever is that near its end counts.
    const silent = [...this.#entries.values()].filter(({ leaseEndsMs }) => leaseEndsMs !== undefined && leaseEndsMs - nowMs <= leaseMs * NEARLY_OVER)
    const mass = this.#entries.size >= 3 && silent.length * 2 > this.#entries.size
    if (!mass) this.#massSinceMs = undefined
    const tried = over.filter(entry => nowMs >= this.#excusedMs + Math.max(leaseMs, entry.leaseMs))
    if (!mass || tried.length === 0) return tried
    this.#massSinceMs ??= nowMs
    // Since when is told by the leases: a cluster that died long ago, found by a leader that was just started, is not waited for again.
    return nowMs - this.#massSinceMs < leaseMs ? [] : tried.filter(entry => nowMs - entry.leaseEndsMs! >= massSilenceMs)
  }
}
