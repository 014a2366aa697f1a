import { expect, test } from 'vitest'
import { readTargets } from '../../../benchmarks/harness/targets.ts'
import { daprApiSuite } from '../../../benchmarks/suites/dapr-api.ts'

test('one target needs no label', () => {
  expect(readTargets({ target: ['http://127.0.0.1:3500/'], grpc: ['127.0.0.1:50001'], pid: ['17,18'], appPort: ['3000'] })).toEqual([
    { label: 'target', http: 'http://127.0.0.1:3500', grpc: '127.0.0.1:50001', pids: [17, 18], appPort: 3000 },
  ])
})

test('several are told apart by their labels', () => {
  expect(readTargets({ target: ['a=http://h:1', 'b=http://h:2'], grpc: ['b=h:3'], pid: ['a=5'] })).toEqual([
    { label: 'a', http: 'http://h:1', grpc: undefined, pids: [5], appPort: undefined },
    { label: 'b', http: 'http://h:2', grpc: 'h:3', pids: [], appPort: undefined },
  ])
})

test.each([
  [{ target: ['http://h:1', 'b=http://h:2'] }, '--target: with several targets each needs a label'],
  [{ target: ['a=http://h:1', 'a=http://h:2'] }, '--target: two targets have the same label'],
  [{ target: ['https://h:1'] }, '--target https://h:1: it must be a URL such as http://127.0.0.1:3500'],
  [{ target: ['a=http://h:1', 'b=http://h:2'], pid: ['5'] }, '--pid 5: with several targets it needs a label, as --pid a=5'],
  [{ target: ['http://h:1'], grpc: ['x=h:2'] }, '--grpc x=h:2: there is no target x; there are target'],
  [{ target: ['http://h:1'], pid: ['five'] }, '--pid five: it must be a whole number'],
  [{ target: ['http://h:1'], appPort: ['1', '2'] }, '--app-port is given twice for target'],
])('%j is refused', (flags, says) => {
  expect(() => readTargets(flags)).toThrow(says)
})

test('flags about a target need one, and a target something to call', () => {
  expect(() => daprApiSuite({ quick: true, type: 'A' })).toThrow('say something about a --target')
  expect(() => daprApiSuite({ quick: true, target: ['http://h:1'] })).toThrow('--type and --method name what is called; or give --app-port')
})
