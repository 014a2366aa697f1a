/** The driver `dapr-api` against as much of a sidecar as it needs. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCase } from '../../../benchmarks/harness/run-case.ts'
import { suiteAsText } from '../../../benchmarks/harness/report.ts'
import { Scope } from '../../../benchmarks/harness/scope.ts'
import type { ComparisonResult, Suite } from '../../../benchmarks/harness/suite.ts'
import { daprApiSuite } from '../../../benchmarks/suites/dapr-api.ts'
import { freePort } from '../../servers/processes.ts'
import { startFakeSidecar, type FakeSidecar } from './fixtures/fake-sidecar.ts'

let sidecar: FakeSidecar
let suite: Suite
const scope = new Scope()

beforeAll(async () => {
  const appPort = await freePort()
  sidecar = await startFakeSidecar(appPort)
  suite = daprApiSuite({
    target: [`a=${sidecar.url}`, `b=${sidecar.url}`], appPort: [`a=${appPort}`], pid: [`a=${process.pid}`], type: 'Bench', method: 'echo', concurrency: 4, quick: true,
  })
  await suite.begin!(scope)
})
afterAll(async () => {
  await scope[Symbol.asyncDispose]()
  sidecar.close()
})

const run = async (name: string): Promise<ComparisonResult> => {
  const it = suite.cases.find(each => each.name === name)!
  const result = await runCase(it, { rounds: 1, seconds: 0.1 })
  if (result.kind !== 'comparison') throw new Error(JSON.stringify(result))
  return result
}

test.each(['HTTP invoke, 1,000 hot ids', 'HTTP invoke, fresh ids', 'state transaction, one upsert', 'reminder registration'])('%s', async name => {
  const { contenders } = await run(name)
  for (const contender of contenders) {
    if (!('side' in contender)) throw new Error(JSON.stringify(contender))
    expect(contender).toMatchObject({ errors: 0 })
    expect(contender.side.perSecond).toBeGreaterThan(0)
    expect(contender.side.p99Us).toBeGreaterThanOrEqual(contender.side.p50Us)
    expect('server' in contender.side.cpuByProcess).toBe(contender.label === 'a')
  }
  expect(sidecar.reminders.size).toBe(0)
})

test('lateness is known where this run is the application', async () => {
  const result = await run('reminder lateness (as latency)')
  expect(result.contenders[0]).toMatchObject({ label: 'a', errors: 0, side: { rounds: [{ operations: 100 }] } })
  expect(result.contenders[1]).toMatchObject({ label: 'b', notMeasured: expect.stringContaining('--app-port') as string })
  expect(suiteAsText({ name: 's', title: 't', cases: [result] })).toContain('reminder lateness (as latency), b: not measured: no --app-port was given')
}, 30_000)

test('what a sidecar refuses is counted and quoted', async () => {
  const { contenders: [, b] } = await run('gRPC InvokeActor, one hot id')
  expect(b).toEqual({ label: 'b', notMeasured: 'no --grpc was given' })
  const refusing = daprApiSuite({ target: [sidecar.url], type: 'Nobody', method: 'refuse', concurrency: 2, quick: true })
  await expect(refusing.begin!(scope)).resolves.toBeUndefined()
  sidecar.refuse = 'state'
  const result = await runCase(refusing.cases.find(it => it.name.startsWith('state'))!, { rounds: 1, seconds: 0.1 })
  expect(result).toMatchObject({ contenders: [{ errors: expect.any(Number) as number, problem: 'status 403: no state here', side: { rounds: [{ operations: 0 }] } }] })
  expect(suiteAsText({ name: 's', title: 't', cases: [result] })).toMatch(/errors, the first: status 403: no state here/)
})
