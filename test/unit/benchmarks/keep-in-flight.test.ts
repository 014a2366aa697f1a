import { expect, test } from 'vitest'
import { keepInFlight } from '../../../benchmarks/harness/keep-in-flight.ts'

test('exactly as many operations as asked for are on their way at once', async () => {
  let now = 0
  let most = 0
  const sample = await keepInFlight({ inFlight: 7, seconds: 10, operations: 500 }, async () => {
    most = Math.max(most, ++now)
    await new Promise(resolve => setImmediate(resolve))
    now--
  })
  expect(most).toBe(7)
  expect(now).toBe(0)
  expect(sample.operations).toBe(500)
})

test('every operation that was started is counted, timed or not', async () => {
  let started = 0
  const sample = await keepInFlight({ inFlight: 3, seconds: 0.02, timedEvery: 16 }, () => ++started)
  expect(started).toBeGreaterThan(0)
  expect(sample.operations).toBe(started)
  expect(sample.seconds).toBeGreaterThanOrEqual(0.02)
})

test('a limit that is no multiple of the batch is met exactly', async () => {
  let started = 0
  const sample = await keepInFlight({ inFlight: 4, seconds: 10, timedEvery: 64, operations: 100 }, () => ++started)
  expect(started).toBe(100)
  expect(sample.operations).toBe(100)
})

test('each slot is told its own number', async () => {
  const seen = new Set<number>()
  await keepInFlight({ inFlight: 5, seconds: 10, operations: 50 }, async slot => { seen.add(slot) })
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4])
})

test('latencies are those of the operations, and CPU is on the account of the named process', async () => {
  const sample = await keepInFlight({ inFlight: 1, seconds: 10, operations: 4, process: 'load' }, () => {
    const until = performance.now() + 5
    const start = process.cpuUsage()
    while (performance.now() < until || process.cpuUsage(start).user < 5000);
  })
  expect(sample.p50Us).toBeGreaterThan(4500)
  expect(sample.p99Us).toBeGreaterThanOrEqual(sample.p50Us)
  expect(sample.cpu.load).toBeGreaterThanOrEqual(0.02)
})

test('an operation that fails stops all slots, and its error comes out when they have stopped', async () => {
  let started = 0
  let settled = 0
  const run = keepInFlight({ inFlight: 8, seconds: 60 }, async () => {
    const mine = ++started
    await new Promise(resolve => setImmediate(resolve))
    settled++
    if (mine === 20) throw new Error('the store is gone')
  })
  await expect(run).rejects.toThrow('the store is gone')
  expect(settled).toBe(started)
})
