/**
 * Interleaved rounds: floor, subject, subject, floor, floor, subject … The order alternates, so that a machine that gets
 * slower or faster during the run, or a contender that leaves its successor a warm cache, favours neither.
 */
import { collectGarbage } from './collect-garbage.ts'

export interface RoundOptions {
  readonly rounds: number
  /** Length of one measurement. */
  readonly seconds: number
  /** Length of the uncounted first measurement of each contender; `seconds` by default. */
  readonly warmUpSeconds?: number
  /** Aborting ends the run before the next measurement. */
  readonly signal?: AbortSignal
}

/** Which contender runs at which place of round `round`. */
export const orderOf = (round: number, contenders: number): readonly number[] => {
  const order = Array.from({ length: contenders }, (_, index) => index)
  return round % 2 === 0 ? order : order.reverse()
}

/**
 * Runs every contender once a round, after one round that is not counted. Result: for each contender its
 * measurements, in the order of the rounds.
 */
export async function interleave<T>(
  contenders: readonly ((seconds: number) => Promise<T>)[], options: RoundOptions,
): Promise<T[][]> {
  const results: T[][] = contenders.map(() => [])
  for (let round = -1; round < options.rounds; round++) {
    for (const index of orderOf(Math.abs(round), contenders.length)) {
      options.signal?.throwIfAborted()
      // What the last contender left on the heap must not be collected on the time of this one.
      collectGarbage()
      const result = await contenders[index]!(round < 0 ? options.warmUpSeconds ?? options.seconds : options.seconds)
      if (round >= 0) results[index]!.push(result)
    }
  }
  return results
}
