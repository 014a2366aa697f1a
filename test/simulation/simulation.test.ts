// Hundreds of seeds of the simulation, and all that ever failed: nothing is lost, doubled or stale under faults, and a seed repeats exactly.
import { afterAll, describe, expect, it } from 'vitest'
import { showFault } from '../../runtime/testing/fault-plan.ts'
import { failedSeeds } from './failed-seeds.ts'
import { runSeed, type RunOptions } from './run-seed.ts'
import { SeedPool, type SeedReport } from './seed-pool.ts'

const SEEDS = 300
const pool = new SeedPool(2)
afterAll(() => pool.close())

const commandOf = (seed: number, { kinds }: RunOptions = {}): string => `npm run sim -- --seed ${seed}${kinds === undefined ? '' : ` --kinds ${kinds.join(',')}`}`

function show({ seed, problems, plan, lines }: SeedReport, options?: RunOptions): string {
  return [commandOf(seed, options), ...problems.slice(0, 5).map(({ checker, problem }) => `${checker}: ${problem}`), ...plan.map(showFault), ...lines.slice(-10)].join('\n')
}

describe('the simulation', () => {
  it(`finds nothing in ${SEEDS} seeds`, async () => {
    const reports = await Promise.all(Array.from({ length: SEEDS }, (_, i) => pool.run(i + 1, {})))
    expect(reports.filter(({ problems }) => problems.length > 0).map(report => show(report))).toEqual([])
    // What is never reached cannot fail.
    for (const { seed, calls, acknowledged } of reports) {
      expect(calls, `calls of seed ${seed}`).toBeGreaterThan(50)
      expect(acknowledged, `acknowledged of seed ${seed}`).toBeGreaterThan(30)
    }
    expect(reports.reduce((sum, { acknowledged }) => sum + acknowledged, 0) / SEEDS).toBeGreaterThan(250)
  }, 400_000)

  it('finds nothing any more in those that failed once', async () => {
    const reports = await Promise.all(failedSeeds.map(async ({ seed, options, why }) => ({ why, options, report: await pool.run(seed, options ?? {}) })))
    expect(reports.filter(({ report }) => report.problems.length > 0).map(({ why, options, report }) => `${why}\n${show(report, options)}`)).toEqual([])
  }, 120_000)

  it('repeats a seed event by event, in one process and in another', async () => {
    const one = await runSeed(5)
    const other = await runSeed(5)
    expect(other.hash).toBe(one.hash)
    expect(other.lines).toEqual(one.lines)
    expect((await pool.run(5, {})).hash).toBe(one.hash)
    expect((await runSeed(6)).hash).not.toBe(one.hash)
  })

  it('answers every call when there are no faults', async () => {
    const { problems, acknowledged } = await runSeed(11, { kinds: [] })
    expect(problems).toEqual([])
    expect(acknowledged).toBeGreaterThan(300)
  })
})
