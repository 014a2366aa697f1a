import { expect, test } from 'vitest'
import { DistinctCount } from '../../../../gateway/dapr/import/distinct-count.ts'

test('is exact up to its bound, whatever comes twice', () => {
  const count = new DistinctCount(100)
  for (let i = 0; i < 300; i++) count.add(`T/${i % 100}`)
  expect([count.count, count.exact]).toEqual([100, true])
})

test('is an estimate beyond it', () => {
  const count = new DistinctCount(4096)
  for (let i = 0; i < 200_000; i++) count.add(`Account/user-${i % 100_000}`)
  expect(count.exact).toBe(false)
  expect(count.count / 100_000).toBeGreaterThan(0.9)
  expect(count.count / 100_000).toBeLessThan(1.1)
})
