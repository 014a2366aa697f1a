/**
 * What a suite is: a name and a list of cases, each of which opens its contenders when its turn comes. How they are run,
 * summed up and shown is the harness's business.
 */
import type { Measure } from './sample.ts'
import type { Scope } from './scope.ts'
import type { Side, Spread } from './statistics.ts'

/** Operations a second, beside a floor measured in the same rounds. */
export interface RateCase {
  readonly kind: 'rate'
  readonly name: string
  readonly inFlight: number
  /** What the floor does. */
  readonly floor: string
  /** Least share of the floor's rate; absent: for information. */
  readonly atLeast?: number
  /** The uncounted round is so many times as long as the others; 1 by default. Servers take seconds to be compiled. */
  readonly warmUp?: number
  /** Everything it starts belongs to `scope`, which ends it. */
  open(scope: Scope): Promise<Contest>
}

export interface Contest {
  readonly floor: Measure
  readonly subject: Measure
  /** After the rounds: throws when the subject has not done what it was paid for. */
  verify?(): Promise<void>
}

/** A figure that is not a rate: bytes, milliseconds, a share. Its floor, where there is one, is for comparison alone. */
export interface FigureCase {
  readonly kind: 'figure'
  readonly name: string
  readonly unit: string
  readonly floor?: string
  /** The same each time, because no time is in it: one round is enough. */
  readonly exact?: true
  /** Most it may be; absent: for information. */
  readonly atMost?: number
  open(scope: Scope): Promise<{ readonly floor?: () => Promise<number>; readonly subject: () => Promise<number> }>
}

/** Operations a second of several contenders of the same kind, none of which is the floor of another. */
export interface ComparisonCase {
  readonly kind: 'comparison'
  readonly name: string
  readonly inFlight: number
  /** As of a `RateCase`. */
  readonly warmUp?: number
  /** Contenders by label; a text instead of one says why it is not measured. */
  open(scope: Scope): Promise<Readonly<Record<string, Measure | string>>>
}

export type Case = RateCase | FigureCase | ComparisonCase

export interface Suite {
  readonly name: string
  readonly title: string
  readonly cases: readonly Case[]
  /** Length of one measurement, where it is another than the run's. */
  readonly seconds?: number
  /** Starts what all its cases need; belongs to `scope`, which ends it after the last one. */
  begin?(scope: Scope): Promise<void>
}

/** Least (`atLeast`, a share of the floor) or most (`atMost`, in the case's unit). */
export type Target = { readonly atLeast: number } | { readonly atMost: number }

interface Verdict {
  readonly name: string
  readonly target?: Target
  /** Present when there is a target. */
  readonly reached?: boolean
}

export interface RateResult extends Verdict {
  readonly kind: 'rate'
  readonly inFlight: number
  readonly floorIs: string
  readonly floor: Side
  readonly subject: Side
  readonly ratio: Spread
}

export interface FigureResult extends Verdict {
  readonly kind: 'figure'
  readonly unit: string
  readonly floorIs?: string
  readonly floor?: Spread
  readonly subject: Spread
}

export interface ComparisonResult extends Verdict {
  readonly kind: 'comparison'
  readonly inFlight: number
  readonly contenders: readonly Contender[]
}

export type Contender =
  | { readonly label: string; readonly side: Side; readonly errors: number; readonly problem?: string }
  | { readonly label: string; readonly notMeasured: string }

/** A case that threw: its reason stands in the report, and the other cases still run. */
export interface FailedCase {
  readonly kind: 'failed'
  readonly name: string
  readonly inFlight?: number
  readonly reason: string
}

export type CaseResult = RateResult | FigureResult | ComparisonResult | FailedCase

export interface SuiteResult {
  readonly name: string
  readonly title: string
  readonly cases: readonly CaseResult[]
}
