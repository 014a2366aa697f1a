/**
 * Who is in the cluster, as the leader sees it: one record a member, one table of phases. Pure: time is an argument.
 *
 *   expected ──join──▶ alive ◀──join/heartbeat── doubted
 *      │                 │ stream broke ───────────▲ │
 *      └─refused, grace over─▶ (removed) ◀─refused, silence over
 *
 * - *expected*: in the stored table, not heard by this leader yet; has until the grace time ends.
 * - *alive*: its stream is open.
 * - *doubted*: its stream broke. Its address is probed; a refused connection proves death.
 * Silence (no message for `silenceMs`) ends alive and doubted members alike: a frozen process keeps its stream open.
 *
 * Who suspects everybody should suspect himself: when more than half of at least three members are silent at once,
 * none of them is taken for dead, until that has lasted `massSilenceMs`. And when this process itself did not run for
 * a while, nobody's silence counts.
 */
import type { Member } from './membership.ts'

export type MemberPhase = 'expected' | 'alive' | 'doubted'

export interface MemberTimes {
  /** Silence that counts as death; 2 s by default. */
  readonly silenceMs: number
  /** How long stored members may take to come back to a new leader; 3 s by default. */
  readonly graceMs: number
  /** How long most of the cluster must be silent before even that is believed; 30 s by default. */
  readonly massSilenceMs: number
}

interface Entry {
  member: Member
  phase: MemberPhase
  heardMs: number
}

export class Members {
  readonly #times: MemberTimes
  readonly #entries = new Map<string, Entry>()
  #graceUntilMs = 0
  #sweptMs: number
  #massSinceMs: number | undefined

  constructor(times: MemberTimes, nowMs: number) {
    this.#times = times
    this.#sweptMs = nowMs
  }

  /** The members of the stored table: expected until the grace time ends. */
  restore(members: Iterable<Member>, nowMs: number): void {
    this.#graceUntilMs = nowMs + this.#times.graceMs
    for (const member of members) this.#entries.set(member.id, { member, phase: 'expected', heardMs: nowMs })
  }

  /** Adds or replaces a member whose stream is open. */
  put(member: Member, nowMs: number): void {
    this.#entries.set(member.id, { member, phase: 'alive', heardMs: nowMs })
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

  /** All that are not known to be dead. */
  *living(): Iterable<Member> {
    for (const { member } of this.#entries.values()) yield member
  }

  /** True while members of the stored table may still come back: nothing is given to others meanwhile. */
  get settling(): boolean {
    return [...this.#entries.values()].some(entry => entry.phase === 'expected')
  }

  /** Ids whose time is over at `nowMs`; they stay until removed. Call it often, at steady intervals. */
  sweep(nowMs: number): string[] {
    const pausedMs = nowMs - this.#sweptMs
    this.#sweptMs = nowMs
    const entries = [...this.#entries.entries()]
    if (pausedMs > this.#times.silenceMs / 2) {
      // This process did not run: what hosts sent meanwhile is still unread.
      for (const [, entry] of entries) entry.heardMs = Math.max(entry.heardMs, nowMs - this.#times.silenceMs / 2)
      this.#graceUntilMs = Math.max(this.#graceUntilMs, nowMs + this.#times.silenceMs / 2)
    }
    const absent = nowMs >= this.#graceUntilMs ? entries.filter(([, e]) => e.phase === 'expected') : []
    const heardOf = entries.filter(([, e]) => e.phase !== 'expected')
    const silent = heardOf.filter(([, e]) => nowMs - e.heardMs >= this.#times.silenceMs)
    return [...absent, ...this.#believed(silent, heardOf.length, nowMs)].map(([id]) => id)
  }

  /** True while most of the cluster is silent and that is not believed. */
  get suspectsItself(): boolean {
    return this.#massSinceMs !== undefined
  }

  #believed(silent: [string, Entry][], all: number, nowMs: number): [string, Entry][] {
    if (all < 3 || silent.length * 2 <= all) {
      this.#massSinceMs = undefined
      return silent
    }
    this.#massSinceMs ??= nowMs
    return nowMs - this.#massSinceMs >= this.#times.massSilenceMs ? silent : []
  }
}
