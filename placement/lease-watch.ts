/**
 * Looks at the hosts' leases and takes away those that are over: how the leader learns that a member is dead.
 *
 * Who is named is `Members.judge`; who is dead is said by the store alone, in the step that takes the lease away. So a member is
 * reported dead only after its lease was: whatever it still does, it does under a deadline that has passed.
 *
 * The leases are looked at slowly while all is well, which also finds hosts that are heard here but have lost the store, and
 * quickly while somebody is in doubt. Nothing is taken while this leader's own row may be another's.
 */
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { mechanisms } from '../core/mechanisms.ts'
import type { ClusterStore, LeaseState } from '../stores/cluster-store.ts'
import type { Member } from './membership.ts'
import type { Members } from './members.ts'

export interface LeaseWatchParts {
  readonly clock: Clock
  readonly log: Logger
  readonly store: ClusterStore
  readonly members: Members
  /** False while the leader row may be another's. */
  leads(): boolean
  /** True while somebody waits for a verdict: look quickly. */
  hurried(): boolean
  /** The leases were looked at, and who is dead was reported. */
  looked(): void
  /** Its lease was taken away. */
  dead(member: Member, why: string): void
}

const QUICK_MS = 200
const SLOW_MS = 1_000
/** A timer or an answer that is so much later than it should be: this process stood still, or the store did. */
const LATE_MS = 500
/** Leases of nobody's (of hosts that died before they had joined) are taken away so long after their end, so many at a look. */
const ORPHAN_MS = 60_000
const MAX_ORPHANS = 16
/** Leases that are taken away in one look; the next one follows soon. */
const MAX_REVOCATIONS = 100

export class LeaseWatch {
  readonly #parts: LeaseWatchParts
  #timer: { timer: Timer; at: number } | undefined
  #looking = false
  #wokenFor: number | undefined
  #failing = false
  #suspects = false
  #stopped = false
  /** Incarnations of processes that are gone, whose leases are being ended. */
  readonly #ending = new Map<string, Timer | undefined>()

  constructor(parts: LeaseWatchParts) {
    this.#parts = parts
  }

  /** Looks within `delayMs`. The first call starts the watch. */
  wake(delayMs: number = QUICK_MS): void {
    if (this.#stopped) return
    const at = this.#parts.clock.monotonicMs() + delayMs
    if (this.#looking) {
      this.#wokenFor = Math.min(this.#wokenFor ?? Infinity, at)
      return
    }
    if (this.#timer !== undefined && this.#timer.at <= at) return
    this.#timer?.timer.cancel()
    this.#timer = { at, timer: this.#parts.clock.after(delayMs, () => {
      this.#timer = undefined
      const nowMs = this.#parts.clock.monotonicMs()
      if (nowMs - at > LATE_MS) this.#parts.members.excuse(nowMs)
      void this.#turn()
    }) }
  }

  /** The process of this member is gone: its lease is ended at once, and when that is done it is reported dead. */
  end(member: Member, why: string): void {
    if (this.#stopped || this.#ending.has(member.incarnation)) return
    this.#ending.set(member.incarnation, undefined)
    void this.#end(member, why)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.timer.cancel()
    for (const timer of this.#ending.values()) timer?.cancel()
  }

  async #turn(): Promise<void> {
    this.#looking = true
    this.#wokenFor = undefined
    await this.#look()
    this.#looking = false
    const nowMs = this.#parts.clock.monotonicMs()
    const { members, hurried } = this.#parts
    const quick = this.#failing || members.suspectsItself || members.inDoubt(nowMs) || hurried() || !this.#parts.leads()
    const woken = this.#wokenFor === undefined ? Infinity : Math.max(0, this.#wokenFor - nowMs)
    this.wake(Math.min(woken, quick ? QUICK_MS : SLOW_MS))
  }

  async #look(): Promise<void> {
    const { clock, store, members, log } = this.#parts
    const sentMs = clock.monotonicMs()
    try {
      const leases = await store.leases()
      const nowMs = clock.monotonicMs()
      if (this.#failing || nowMs - sentMs > LATE_MS) members.excuse(nowMs)
      this.#failing = false
      if (this.#stopped || !this.#parts.leads()) return
      const named = members.judge(leases, nowMs)
      this.#saySuspicion()
      await Promise.all([...named.slice(0, MAX_REVOCATIONS).map(member => this.#revoke(member)), this.#sweep(leases)])
      if (!this.#stopped) this.#parts.looked()
    } catch (error) {
      if (!this.#failing) log.warn({ err: messageOf(error), store: store.name }, 'the leases of the hosts could not be looked at; trying on')
      this.#failing = true
    }
  }

  async #revoke(member: Member): Promise<void> {
    const outcome = mechanisms.off?.has('revocation') ? 'revoked' : await this.#parts.store.revokeLease(member.incarnation)
    if (!this.#stopped && outcome === 'revoked') this.#parts.dead(member, 'its lease was over')
  }

  /** Leases of no member that have long been over. */
  async #sweep(leases: readonly LeaseState[]): Promise<void> {
    const old = leases.filter(lease => lease.leftMs < -ORPHAN_MS)
    if (old.length === 0) return
    const members = new Set([...this.#parts.members.living()].map(member => member.incarnation))
    const orphans = old.filter(lease => !members.has(lease.id)).slice(0, MAX_ORPHANS)
    await Promise.all(orphans.map(lease => this.#parts.store.revokeLease(lease.id)))
  }

  async #end(member: Member, why: string): Promise<void> {
    const { clock, store, log } = this.#parts
    try {
      if (this.#parts.leads()) {
        await store.endLease(member.incarnation)
        this.#ending.delete(member.incarnation)
        if (!this.#stopped) this.#parts.dead(member, why)
        return
      }
    } catch (error) {
      log.warn({ host: member.id, err: messageOf(error) }, 'the lease of a process that is gone could not be ended; trying on')
    }
    if (!this.#stopped) this.#ending.set(member.incarnation, clock.after(QUICK_MS, () => void this.#end(member, why)))
  }

  #saySuspicion(): void {
    const suspects = this.#parts.members.suspectsItself
    if (suspects && !this.#suspects) {
      this.#parts.log.error({}, 'the leases of more than half of the hosts are over at once: the fault may be here or in the store, nothing is moved')
    }
    this.#suspects = suspects
  }
}
