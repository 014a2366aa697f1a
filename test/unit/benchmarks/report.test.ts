import { expect, test } from 'vitest'
import type { MachineFacts } from '../../../benchmarks/harness/machine.ts'
import { asJson, suiteAsText, summary, targetsOf, type Report } from '../../../benchmarks/harness/report.ts'
import { sideOf } from '../../../benchmarks/harness/statistics.ts'
import type { SuiteResult } from '../../../benchmarks/harness/suite.ts'
import { duration, figure, percent, table } from '../../../benchmarks/harness/table.ts'

const machine: MachineFacts = {
  date: '2026-01-01T00:00:00.000Z', node: 'v24.0.0', system: 'Linux 6', cores: 2, cpu: 'a cpu', memoryGiB: 8, fileSystem: 'ext4', syncIsReal: true,
}
const side = (operations: number) => sideOf([{ operations, seconds: 1, p50Us: 12, p99Us: 3400, cpu: { bench: 1 } }])
const suite: SuiteResult = {
  name: 'local',
  title: 'calls inside one host',
  cases: [
    { kind: 'rate', name: 'readonly call', inFlight: 64, floorIs: 'a bare call', floor: side(12_000_000), subject: side(1_200_000), ratio: { median: 0.1, min: 0.09, max: 0.11 }, target: { atLeast: 1 / 12 }, reached: true },
    { kind: 'rate', name: 'by name', inFlight: 64, floorIs: 'a bare call', floor: side(12_000_000), subject: side(600_000), ratio: { median: 0.05, min: 0.05, max: 0.05 } },
    { kind: 'figure', name: 'idle', unit: 'bytes', subject: { median: 1300, min: 1290, max: 1310 }, target: { atMost: 1228.8 }, reached: false },
    { kind: 'failed', name: 'broken', inFlight: 256, reason: 'no redis-server here' },
  ],
}
const report: Report = { machine, rounds: 5, secondsEach: 1, quick: false, suites: [suite] }

test('figures have three digits, whatever their size', () => {
  expect([0.012345, 1.2345, 12.345, 123.45, 12_345.6, 0].map(figure)).toEqual(['0.0123', '1.23', '12.3', '123', '12,346', '0'])
  expect([figure(NaN), duration(NaN)]).toEqual(['-', '-'])
  expect(percent(1 / 12)).toBe('8.33 %')
  expect([0.5, 999, 1500, 2_500_000].map(duration)).toEqual(['0.5 us', '999 us', '1.5 ms', '2.5 s'])
})

test('columns are as wide as their widest cell', () => {
  expect(table(['name', 'n'], [['a', '1'], ['longer', '1,000']])).toBe([
    'name        n',
    '------  -----',
    'a           1',
    'longer  1,000',
  ].join('\n'))
})

test('the table names verdicts only where there is a target, the floor once, and what failed', () => {
  const text = suiteAsText(suite)
  expect(text).toMatch(/readonly call .* 8\.33 % +reached/)
  expect(text).toMatch(/idle +bytes +1,300 +1,290 +1,310 +<= 1,229 +MISSED/)
  expect(text.split('\n').find(line => line.startsWith('by name'))).not.toMatch(/reached|MISSED/)
  expect(text.match(/floor: a bare call/g)).toHaveLength(1)
  expect(text).toContain('FAILED broken, 256 in flight: no redis-server here')
})

test('the JSON has every target with what was measured and whether it is reached', () => {
  expect(targetsOf(report)).toEqual([
    { suite: 'local', case: 'readonly call', inFlight: 64, target: { atLeast: 1 / 12 }, measured: 0.1, reached: true },
    { suite: 'local', case: 'idle', target: { atMost: 1228.8 }, measured: 1300, reached: false },
  ])
  const parsed = JSON.parse(asJson(report)) as Report & { targets: unknown }
  expect(parsed.machine).toEqual(machine)
  expect(parsed.targets).toEqual(targetsOf(report))
  expect(parsed.suites[0]!.cases).toHaveLength(4)
})

test('the summary warns where a figure must not be quoted', () => {
  expect(summary(report)).toBe('1 of 2 targets reached · 1 cases failed\n')
  expect(summary({ ...report, quick: true, machine: { ...machine, fileSystem: 'tmpfs', syncIsReal: false } }))
    .toMatch(/shortened run: not for quoting · .* tmpfs: fsync costs nothing/)
})
