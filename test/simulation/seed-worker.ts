/** A process that runs seeds for a pool (seed-pool.ts), one at a time. */
import { runSeed, type RunOptions } from './run-seed.ts'

process.on('message', ({ seed, options }: { seed: number; options: RunOptions }) => {
  void runSeed(seed, options).then(({ history: _, ...report }) => process.send!(report))
})
process.on('disconnect', () => process.exit())
