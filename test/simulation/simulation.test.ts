// A few seeds of the simulation: nothing is lost, doubled or stale under faults, and a seed repeats exactly. `npm run sim` runs many.
import { describe, expect, it } from 'vitest'
import { runSeed } from './run-seed.ts'
import { showFault } from '../../runtime/testing/fault-plan.ts'

describe('the simulation', () => {
  it.each([1, 2, 3, 7, 16, 46])('finds nothing with seed %i', async seed => {
    const { problems, plan, lines, acknowledged, calls } = await runSeed(seed)
    expect(problems, `seed ${seed}: npm run sim -- --seed ${seed}\n${plan.map(showFault).join('\n')}\n${lines.slice(-20).join('\n')}`).toEqual([])
    // What is never reached cannot fail.
    expect(calls).toBeGreaterThan(150)
    expect(acknowledged).toBeGreaterThan(100)
  })

  it('repeats a seed event by event', async () => {
    const one = await runSeed(5)
    const other = await runSeed(5)
    expect(other.hash).toBe(one.hash)
    expect(other.lines).toEqual(one.lines)
    expect((await runSeed(6)).hash).not.toBe(one.hash)
  })

  it('answers every call when there are no faults', async () => {
    const { problems, history } = await runSeed(11, { kinds: [] })
    expect(problems).toEqual([])
    const failed = history.operations.filter(({ method, tries }) => method !== 'fail' && method !== 'hang' && tries.length > 1)
    // A turn that hangs takes those along that wait behind it.
    expect(failed.length).toBeLessThan(10)
  })
})
