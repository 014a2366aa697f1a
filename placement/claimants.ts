/**
 * Newcomers under an id that is taken, while it is not known whether the older incarnation lives: one an id. Pure.
 *
 * The older one lives when it is heard, which the leader sees, or when its lease was renewed since the claim, which is seen here: by a
 * later look at the leases that finds its end further off.
 */
import type { HostSession } from './host-sessions.ts'
import type { HostMessage } from './messages.ts'

export interface Claimant {
  readonly session: HostSession
  readonly join: Extract<HostMessage, { kind: 'join' }>['join']
  /** Of the newest table that it has. */
  readonly version: number
}

/** A renewal moves the end of a lease by at least so much; less is noise of the way. */
const RENEWED_MS = 100

export class Claimants {
  /** `leaseEndsMs`: the end of the older one's lease, by the first look after the claim. */
  readonly #waiting = new Map<string, Claimant & { leaseEndsMs: number | undefined }>()

  get size(): number {
    return this.#waiting.size
  }

  /** False when another one claims this id already; one that comes again, on a new stream or as its own successor, takes its place. */
  add(claimant: Claimant): boolean {
    const { id } = claimant.join
    const waiting = this.#waiting.get(id)
    if (waiting !== undefined && !isSame(waiting.join, claimant.join)) return false
    this.#waiting.set(id, { ...claimant, leaseEndsMs: waiting?.leaseEndsMs })
    waiting?.session.end()
    return true
  }

  get(id: string): Claimant | undefined {
    return this.#waiting.get(id)
  }

  /** The claimant of `id`, which waits no more. */
  take(id: string): Claimant | undefined {
    const claimant = this.#waiting.get(id)
    this.#waiting.delete(id)
    return claimant
  }

  /** Its stream is gone. */
  drop(session: HostSession): void {
    for (const [id, claimant] of this.#waiting) if (claimant.session === session) this.#waiting.delete(id)
  }

  /** The leases were looked at; `endsMs` is when that of an older one will be over. Gives the ids whose older one has renewed it. */
  looked(endsMs: (id: string) => number | undefined): string[] {
    return [...this.#waiting].flatMap(([id, claimant]) => {
      const now = endsMs(id)
      if (now === undefined) return []
      claimant.leaseEndsMs ??= now
      return now > claimant.leaseEndsMs + RENEWED_MS ? [id] : []
    })
  }

  endAll(): void {
    for (const { session } of this.#waiting.values()) session.end()
    this.#waiting.clear()
  }
}

/** Two processes cannot listen at one address. */
const isSame = (a: Claimant['join'], b: Claimant['join']): boolean => a.incarnation === b.incarnation || a.address === b.address
