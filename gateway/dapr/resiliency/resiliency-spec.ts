/** What is to be done when calls to actors fail: policies as resources/resiliency-files.ts reads them, resolved and frozen. */
import type { TripExpression } from './trip-expression.ts'

/** Both ends are in it. */
export type StatusRange = readonly [from: number, to: number]

export interface RetryPolicy {
  readonly name: string
  readonly pauses:
    | { readonly kind: 'constant'; readonly pauseMs: number }
    | {
      readonly kind: 'exponential'
      readonly initialMs: number
      /** From 0 to 1: each pause is longer or shorter by this share at most. */
      readonly randomization: number
      readonly multiplier: number
      readonly longestMs: number
      /** No retry begins later; 0: no limit of its own. */
      readonly withinMs: number
    }
  /** -1: no limit of its own. */
  readonly maxRetries: number
  /** Where one is given, only errors that are in one of them are retried. */
  readonly httpStatuses: readonly StatusRange[] | undefined
  readonly grpcStatuses: readonly StatusRange[] | undefined
}

export interface BreakerPolicy {
  readonly name: string
  /** Calls that a half-open breaker lets through; so many successes close it. */
  readonly maxRequests: number
  /** After so long a closed breaker counts anew; 0: never. */
  readonly intervalMs: number
  /** How long it stays open. */
  readonly openMs: number
  readonly trip: TripExpression
}

export interface ActorPolicy {
  readonly timeoutMs: number | undefined
  readonly retry: RetryPolicy | undefined
  readonly breaker: BreakerPolicy | undefined
  /** One breaker for the whole type, or one for each actor. */
  readonly breakerScope: 'type' | 'actor'
  /** Breakers of actors that are kept: the one that has been used least lately is forgotten first. */
  readonly breakerCacheSize: number
}

export interface ResiliencySpec {
  readonly types: ReadonlyMap<string, ActorPolicy>
  /** For types that are not named. */
  readonly otherwise: ActorPolicy | undefined
}

export const noResiliency: ResiliencySpec = { types: new Map(), otherwise: undefined }
export const DEFAULT_CACHE_SIZE = 5_000
