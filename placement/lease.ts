/**
 * A host's lease as its holder sees it: a right to serve that ends by itself. Ports and arithmetic; pure.
 *
 * The deadline is counted from *before* a renewal was sent, on the monotonic clock; the store counts its own from when the
 * renewal arrived, which is later. So when the store lets anybody revoke the lease, its holder has known for a while that it may
 * not serve (as long as clocks go at the same speed within the margin). That is asked at every turn, commit and send, never told by a timer alone.
 */
import type { LeaderRow } from '../stores/cluster-store.ts'

export interface LeaseTimes {
  /** How long the lease lasts without renewal; 2 s by default. */
  readonly ttlMs: number
  /** How often it is renewed; 500 ms by default. */
  readonly renewMs: number
  /** How long the holder's thread may be busy before its lease is not renewed any more on its behalf; 10 s by default. */
  readonly stallMs: number
}

export const defaultLeaseTimes: LeaseTimes = { ttlMs: 2_000, renewMs: 500, stallMs: 10_000 }

/** Clocks of host and store may differ in speed by one part in so many, which is taken off each lease's time. */
const DRIFT = 50

/** The monotonic time up to which the holder may serve after a renewal that it sent at `sentMs`. */
export const leaseDeadlineMs = (sentMs: number, ttlMs: number): number => sentMs + ttlMs - ttlMs / DRIFT

/** After this a renewal without an answer is given up: two more have their chance before the deadline of one sent a beat before. */
export const giveUpMs = ({ ttlMs }: LeaseTimes): number => ttlMs / 4

/** Between two renewals, however often somebody asks for news. */
export const leastPauseMs = ({ renewMs }: LeaseTimes): number => renewMs / 10

/** What a renewal brought besides the time. */
export interface LeaseNews {
  /** Version of the table in the cluster store. */
  readonly version: number
  /** Who leads placement now, if anybody does. */
  readonly leader: LeaderRow | undefined
}

/** Holds one lease. Adapters: `LeaseKeeper` renews it on the host's own clock; `LeaseThread` on a thread of its own, which a busy host cannot hold up. */
export interface LeaseHolder {
  /** Opens the lease `id` and keeps renewing it. Called once; when it fails the id is used up. @throws STORE_UNAVAILABLE · STORE_OPEN_FAILED */
  open(id: string): Promise<void>
  /** Whether the deadline has not passed at this very moment. False before `open`, and for ever once it was revoked or ended. No allocation. */
  valid(): boolean
  /** Milliseconds until the deadline, for people; negative when it has passed. */
  leftMs(): number
  /** Called with every renewal that was answered, also the one of `open`. */
  onNews(listener: (news: LeaseNews) => void): void
  /** Called once when the store says that it is revoked. */
  onRevoked(listener: () => void): void
  /** Renews at once instead of at the next beat: somebody waits for news. */
  renewNow(): void
  /** Stops renewing; `release` takes the lease away in the store, so that nobody waits for its end. Never throws. */
  close(release: boolean): Promise<void>
}
