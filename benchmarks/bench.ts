/**
 * `npm run bench [-- SUITE…] [--json FILE] [--rounds N] [--quick]`: measures Troupe beside bare floors. See README.md here.
 *
 * Suites are loaded after the product was built and after NODE_ENV was set: both decide what they measure.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { buildProduct } from './harness/build-product.ts'
import { machineFacts } from './harness/machine.ts'
import { asJson, suiteAsText, summary, type Report } from './harness/report.ts'
import { runCase } from './harness/run-case.ts'
import type { RoundOptions } from './harness/rounds.ts'
import { Scope, sweepAbandonedFolders } from './harness/scope.ts'
import type { CaseResult, Suite, SuiteResult } from './harness/suite.ts'
import type { SidecarFlags } from './suites/dapr-api.ts'

const suites: Readonly<Record<string, (flags: Flags) => Promise<{ suite: Suite }>>> = {
  local: () => import('./suites/local.ts'),
  remote: () => import('./suites/remote.ts'),
  http: () => import('./suites/http.ts'),
  activation: () => import('./suites/activation.ts'),
  durable: () => import('./suites/durable.ts'),
  reminders: () => import('./suites/reminders.ts'),
  sends: () => import('./suites/sends.ts'),
  idempotent: () => import('./suites/idempotent.ts'),
  memory: () => import('./suites/memory.ts'),
  placement: () => import('./suites/table-build.ts'),
  'dapr-api': async flags => ({ suite: (await import('./suites/dapr-api.ts')).daprApiSuite(flags) }),
  overload: async ({ seconds, quick }) => ({ suite: (await import('./suites/overload.ts')).overloadSuite(seconds ?? (quick ? 2 : 10)) }),
}

interface Flags extends SidecarFlags {
  readonly json?: string
  readonly rounds?: number
  readonly case?: string
  readonly quick: boolean
}

const wholeNumber = (text: string): number => {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('give a whole number of at least 1')
  return count
}

const several = (text: string, before: readonly string[] = []): readonly string[] => [...before, text]

const command = new Command('bench')
  .description('Measures Troupe beside bare floors, in interleaved rounds.')
  .argument('[suite...]', `suites to run: ${Object.keys(suites).join(', ')} (all by default)`)
  .option('--json <file>', 'also write the results, as JSON')
  .option('--rounds <n>', 'counted rounds of each case (5 by default, 1 in a quick run)', wholeNumber)
  .option('--seconds <n>', 'how long the suite overload lasts (10 by default, 2 in a quick run), or one measurement of dapr-api (1)', wholeNumber)
  .option('--case <text>', 'only cases whose name holds this text')
  .option('--target <url>', 'dapr-api: a sidecar to measure, as http://127.0.0.1:3500; several as LABEL=URL', several)
  .option('--grpc <address>', 'dapr-api: HOST:PORT of its gRPC door, or LABEL=HOST:PORT', several)
  .option('--pid <pids>', 'dapr-api: its processes, with commas, or LABEL=PID,PID: their CPU is shown', several)
  .option('--app-port <port>', 'dapr-api: where it looks for its application, which this run then is; or LABEL=PORT', several)
  .option('--type <name>', 'dapr-api: the actor type that is called')
  .option('--method <name>', 'dapr-api: the method that is called, with the body 1')
  .option('--concurrency <n>', 'dapr-api: operations in flight (64 by default)', wholeNumber)
  .option('--quick', 'one short round: shows that everything runs, not how fast it is', false)
  .action(run)

async function run(names: readonly string[], flags: Flags): Promise<void> {
  const unknown = names.filter(name => !Object.hasOwn(suites, name))
  if (unknown.length > 0) {
    command.error(`error: there is no suite ${unknown.join(', ')}; the suites are ${Object.keys(suites).join(', ')}`, { exitCode: 2 })
  }
  if (names.join() !== 'dapr-api' && [flags.target, flags.grpc, flags.pid, flags.appPort, flags.type, flags.method, flags.concurrency].some(it => it !== undefined)) {
    command.error('error: --target, --grpc, --pid, --app-port, --type, --method and --concurrency belong to: npm run bench -- dapr-api', { exitCode: 2 })
  }
  const interrupt = new AbortController()
  // Once: whoever cannot wait for the clean-up interrupts again.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort(new Error(`ended by ${signal}`)))

  process.env.NODE_ENV = 'production'
  buildProduct()
  sweepAbandonedFolders()
  const options = { rounds: flags.rounds ?? (flags.quick ? 1 : 5), seconds: flags.quick ? 0.25 : 1, signal: interrupt.signal }
  const machine = machineFacts()
  process.stdout.write(`${machine.cores} cores (${machine.cpu}), Node ${machine.node}, ${machine.system}, ${machine.fileSystem}, ${machine.date}\n`
    + `medians of ${options.rounds} interleaved rounds of ${options.seconds} s\n\n`)

  const results: SuiteResult[] = []
  for (const name of names.length > 0 ? names : Object.keys(suites)) {
    const { suite } = await suites[name]!(flags)
    const result = await runSuite(suite, flags.case, options)
    results.push(result)
    process.stdout.write(suiteAsText(result) + '\n')
  }
  const report: Report = { machine, rounds: options.rounds, secondsEach: options.seconds, quick: flags.quick || options.rounds < 5, suites: results }
  process.stdout.write(summary(report))
  if (flags.json !== undefined) {
    mkdirSync(dirname(resolve(flags.json)), { recursive: true })
    writeFileSync(flags.json, asJson(report))
  }
  if (results.some(result => result.cases.some(it => it.kind === 'failed'))) process.exitCode = 1
}

async function runSuite(suite: Suite, only: string | undefined, run: RoundOptions): Promise<SuiteResult> {
  const cases: CaseResult[] = []
  const options = { ...run, ...suite.seconds !== undefined && { seconds: suite.seconds } }
  await using scope = new Scope()
  await suite.begin?.(scope)
  for (const it of suite.cases.filter(it => only === undefined || it.name.includes(only))) {
    const load = it.kind !== 'figure' ? `, ${it.inFlight} in flight` : ''
    process.stderr.write(`${suite.name}: ${it.name}${load} …\n`)
    cases.push(await runCase(it, options))
  }
  return { name: suite.name, title: suite.title, cases }
}

try {
  await command.parseAsync()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
