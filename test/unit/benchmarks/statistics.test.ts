import { expect, test } from 'vitest'
import type { Sample } from '../../../benchmarks/harness/sample.ts'
import { median, ratioOf, sideOf, spread } from '../../../benchmarks/harness/statistics.ts'

const sample = (operations: number, seconds: number, cpu: Record<string, number> = {}): Sample => ({ operations, seconds, p50Us: 1, p99Us: 2, cpu })

test('the median is the middle value, or the mean of the middle two, whatever the order', () => {
  expect(median([3])).toBe(3)
  expect(median([9, 1, 5])).toBe(5)
  expect(median([10, 1, 2, 100])).toBe(6)
  expect(() => median([])).toThrow(RangeError)
})

test('median does not reorder what it is given', () => {
  const values = [3, 1, 2]
  median(values)
  expect(values).toEqual([3, 1, 2])
})

test('spread has the extremes beside the median', () => {
  expect(spread([4, 8, 6])).toEqual({ median: 6, min: 4, max: 8 })
})

test('the ratio pairs the rounds, so that drift of the machine falls out', () => {
  // The machine halves its speed each round; the subject always makes a quarter of the floor.
  const floor = [sample(4000, 1), sample(2000, 1), sample(1000, 1)]
  const subject = [sample(1000, 1), sample(500, 1), sample(250, 1)]
  expect(ratioOf(floor, subject)).toEqual({ median: 0.25, min: 0.25, max: 0.25 })
})

test('rates count the seconds that were really taken', () => {
  expect(ratioOf([sample(1000, 2)], [sample(1000, 4)]).median).toBe(0.5)
})

test('what a floor does not measure stays unknown, and is not taken for nothing', () => {
  const side = sideOf([{ operations: 10, seconds: 1, p50Us: NaN, p99Us: NaN, cpu: {} }])
  expect(side).toMatchObject({ perSecond: 10, p50Us: NaN, p99Us: NaN, cpuSecondsPer1000: NaN, cpuByProcess: {} })
})

test('a side sums the CPU of its processes per 1,000 operations, and keeps them apart too', () => {
  const side = sideOf([sample(1000, 1, { load: 0.1, server: 0.3 }), sample(2000, 1, { load: 0.4, server: 0.6 }), sample(1000, 1, { load: 0.3, server: 0.7 })])
  expect(side.perSecond).toBe(1000)
  expect(side.cpuSecondsPer1000).toBeCloseTo(0.5)
  expect(side.cpuByProcess.load).toBeCloseTo(0.2)
  expect(side.cpuByProcess.server).toBeCloseTo(0.3)
})
