/** What is concluded from the samples of a case. Pure. */
import { cpuPerThousand, perSecond, type Sample } from './sample.ts'

/** Middle value; the mean of the middle two of an even number. @throws RangeError when there is none */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('median of no values')
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export const spread = (values: readonly number[]): Spread => ({
  median: median(values), min: Math.min(...values), max: Math.max(...values),
})

/** A contender over all its rounds: each figure is the median of the rounds' own. */
export interface Side {
  readonly perSecond: number
  readonly p50Us: number
  readonly p99Us: number
  readonly cpuSecondsPer1000: number
  /** The same, by process. */
  readonly cpuByProcess: Readonly<Record<string, number>>
  readonly rounds: readonly Sample[]
}

export function sideOf(rounds: readonly Sample[]): Side {
  const processes = [...new Set(rounds.flatMap(sample => Object.keys(sample.cpu)))]
  const cpuOf = (name: string) => median(rounds.map(sample => (sample.cpu[name] ?? 0) / sample.operations * 1000))
  return {
    perSecond: median(rounds.map(perSecond)),
    p50Us: median(rounds.map(sample => sample.p50Us)),
    p99Us: median(rounds.map(sample => sample.p99Us)),
    cpuSecondsPer1000: median(rounds.map(cpuPerThousand)),
    cpuByProcess: Object.fromEntries(processes.map(name => [name, cpuOf(name)])),
    rounds,
  }
}

/**
 * Subject's rate as a share of the floor's, round by round: the two of a round ran next to each other, so what the machine
 * did meanwhile falls out of their ratio, which it would not out of a ratio of two medians.
 */
export const ratioOf = (floor: readonly Sample[], subject: readonly Sample[]): Spread =>
  spread(subject.map((sample, round) => perSecond(sample) / perSecond(floor[round]!)))
