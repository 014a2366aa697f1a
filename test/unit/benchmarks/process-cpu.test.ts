import { expect, test } from 'vitest'
import { cpuSecondsInStat, processCpu } from '../../../benchmarks/harness/process-cpu.ts'

test('user and system time are found behind any name', () => {
  expect(cpuSecondsInStat('42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 7 8 20 0 11')).toBe(3)
})

test('this process has used some, and a process that is gone is named', async () => {
  for (const end = performance.now() + 60; performance.now() < end;);
  expect(await processCpu([process.pid]).cpuSeconds()).toBeGreaterThan(0.05)
  await expect(processCpu([4_194_303]).cpuSeconds()).rejects.toThrow('the CPU of process 4194303 cannot be read')
})
