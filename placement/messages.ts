/**
 * What hosts and the placement service say to each other, in the shape that `placement.proto` gives it on the wire.
 * Every message carries the sender's table version.
 */
import type { ErrorCode } from '../core/errors.ts'
import type { JoinRequest } from './membership.ts'

export interface ShardSet {
  readonly type: string
  readonly shards: readonly number[]
}

export type HostMessage = { readonly version: number } & (
  /** First on every stream. `leaving`: the host asked to leave before the stream broke. */
  | { readonly kind: 'join'; readonly join: JoinRequest & { readonly leaving: boolean } }
  | { readonly kind: 'heartbeat'; readonly heartbeat: object }
  | { readonly kind: 'released'; readonly released: { readonly sets: readonly ShardSet[] } }
  | { readonly kind: 'suspect'; readonly suspect: { readonly id: string } }
  | { readonly kind: 'leave'; readonly leave: object }
)

/** `data` is JSON. `retry`: another service, or this one later, may accept. */
export interface Refusal {
  readonly code: ErrorCode
  readonly message: string
  readonly data: string
  readonly retry: boolean
}

/** `term` is the leader's: hosts refuse lower ones than they have seen. */
export type PlacementMessage = { readonly version: number; readonly term: number } & (
  | { readonly kind: 'refused'; readonly refused: Refusal }
  /** A whole table (`table-codec.ts`). */
  | { readonly kind: 'full'; readonly full: Uint8Array }
  /** The step from the table sent before. */
  | { readonly kind: 'delta'; readonly delta: Uint8Array }
  /** Answer to a heartbeat. */
  | { readonly kind: 'heartbeat'; readonly heartbeat: object }
  /** The host owns nothing any more and is no member. */
  | { readonly kind: 'left'; readonly left: object }
  /** This service stops leading; look for the next, keep the table. */
  | { readonly kind: 'notice'; readonly notice: { readonly reason: string } }
)
