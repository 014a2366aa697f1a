/**
 * Finds out whether a process is gone: tries its address until it is refused, or until nobody doubts it any more.
 *
 * Again and again, because a dying process closes its stream a moment before or after its port. One probe of a member at a time.
 */
import type { Clock, Timer } from '../core/clock.ts'
import type { Member } from './membership.ts'

/** 'refused' proves that nothing listens at HOST:PORT; 'unknown' proves nothing. Must not throw. */
export type Probe = (address: string) => Promise<'refused' | 'reached' | 'unknown'>

const EVERY_MS = 100
/** Who is in doubt for longer is probed once a second: his lease decides. */
const QUICK_PROBES = 30
const SLOWLY_MS = 1_000
/** A suspicion without a broken stream is looked into this often, for a port that is just closing. */
const LEAST_PROBES = 3

export class Prober {
  readonly #clock: Clock
  readonly #probe: Probe
  readonly #memberOf: (id: string) => Member | undefined
  readonly #refused: (id: string) => void
  readonly #watched = new Map<string, { doubts: (() => boolean)[]; probes: number; timer: Timer | undefined }>()
  #stopped = false

  constructor(clock: Clock, probe: Probe, memberOf: (id: string) => Member | undefined, refused: (id: string) => void) {
    this.#clock = clock
    this.#probe = probe
    this.#memberOf = memberOf
    this.#refused = refused
  }

  /** Probes `id` a few times, and on while `inDoubt`. */
  watch(id: string, inDoubt: () => boolean): void {
    const watch = this.#watched.get(id)
    if (watch !== undefined) {
      // Bounded: reasons that have ended make room.
      watch.doubts = [...watch.doubts.filter(doubt => doubt()).slice(-3), inDoubt]
      watch.probes = 0
      return
    }
    this.#watched.set(id, { doubts: [inDoubt], probes: 0, timer: undefined })
    void this.#try(id)
  }

  stop(): void {
    this.#stopped = true
    for (const { timer } of this.#watched.values()) timer?.cancel()
    this.#watched.clear()
  }

  async #try(id: string): Promise<void> {
    const member = this.#memberOf(id)
    const result = member === undefined ? 'unknown' : await this.#probe(member.address)
    const watch = this.#watched.get(id)
    if (this.#stopped || watch === undefined) return
    watch.probes++
    // While the probe was under way the process may have been replaced, at the same address even: the result is the old one's.
    const same = this.#memberOf(id)?.incarnation === member?.incarnation
    if (member === undefined || (result === 'refused' && same)) {
      this.#watched.delete(id)
      if (member !== undefined) this.#refused(id)
      return
    }
    if (watch.probes >= LEAST_PROBES && !watch.doubts.some(doubt => doubt())) {
      this.#watched.delete(id)
      return
    }
    watch.timer = this.#clock.after(watch.probes < QUICK_PROBES ? EVERY_MS : SLOWLY_MS, () => void this.#try(id))
  }
}
