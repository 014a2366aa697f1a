/**
 * Seeds that failed once, and why. A seed says little after the code around it has changed: what happens in it is another history
 * then. But the mechanisms they are about are those that broke before, and running them costs little.
 */
import type { RunOptions } from './run-seed.ts'

export interface FailedSeed {
  readonly seed: number
  readonly options?: RunOptions
  readonly why: string
}

const frozen: RunOptions = { kinds: ['freeze'] }
const slowAndCut: RunOptions = { kinds: ['slow-store', 'freeze', 'cut-off', 'stop'] }
const restarts: RunOptions = { kinds: ['restart'] }

export const failedSeeds: readonly FailedSeed[] = [
  { seed: 14, options: frozen, why: 'a thawed host answered reads from its old memory, before hosts had leases' },
  { seed: 16, options: frozen, why: 'as 14' },
  { seed: 44, options: frozen, why: 'as 14' },
  { seed: 55, options: frozen, why: 'as 14' },
  { seed: 7, why: 'a stale read of a host that was cut off, before hosts had leases' },
  { seed: 16, why: 'as 7' },
  { seed: 46, why: 'as 7' },
  { seed: 34, why: 'no order of the calls of a register: a read of a host that was cut off in one direction' },
  { seed: 35, why: 'as 34' },
  { seed: 56, why: 'as 34' },
  { seed: 10, why: 'the next table did not follow from one whose saving was in doubt: a shard fell back to an older epoch' },
  { seed: 13, why: 'as 10' },
  { seed: 14, options: slowAndCut, why: 'a leader came back under its old term, and led on from before a table that was still on its way to the store' },
  { seed: 10, options: slowAndCut, why: 'an answer that waited for a host whose lease had run out was not bounded by its call\'s time' },
  { seed: 48, options: slowAndCut, why: 'as 10' },
  { seed: 67, options: slowAndCut, why: 'as 10' },
  { seed: 11, options: restarts, why: 'peers cut the links of a host that left with nothing in its hands, and calls through it failed' },
  { seed: 12, options: restarts, why: 'as 11' },
  { seed: 144, why: 'a reminder that was under way in three hosts when they died was set aside, and nobody looked after it' },
  { seed: 202, why: 'a send that was set aside had been applied: sent again without a look, it took effect twice' },
  { seed: 629, why: 'what waited for replies of an activation that had ended was counted as its mailbox' },
  { seed: 631, why: 'as 629' },
  { seed: 1, why: 'answers from shards in doubt broke every link, when epochs had to be whole numbers' },
]
