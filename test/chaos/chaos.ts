/**
 * `npm run chaos -- [--minutes 2] [--store lmdb|redis|postgres] [--hosts 5] [--faults kill,freeze,…] [--seed N]`: real hosts on a
 * real store under load, while hosts, network, store and placement fail in turn. What happened goes into a file of JSON lines
 * (`--history FILE`), from which it is judged; `--check FILE` judges one again. `--figures` measures instead (figures.ts).
 * `--without` switches mechanisms of core/mechanisms.ts off, which must turn a run red.
 * Exit code 1 when anything was lost, doubled or stale, or a figure was not reached.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Mechanism } from '../../core/mechanisms.ts'
import { storeKinds, type StoreKind } from './chaos-store.ts'
import { figureNames, runFigures } from './figures.ts'
import { faultKinds, type FaultKind } from './nemesis.ts'
import { readRecording } from './recording.ts'
import { runChaos } from './run-chaos.ts'
import { judge, type Verdict } from './verdict.ts'
import { reportOf } from './verdict-report.ts'

const { values } = parseArgs({ options: {
  minutes: { type: 'string', default: '2' }, store: { type: 'string' }, hosts: { type: 'string', default: '5' }, faults: { type: 'string' },
  seed: { type: 'string' }, history: { type: 'string' }, network: { type: 'string' }, placements: { type: 'string', default: '0' },
  check: { type: 'string' }, figures: { type: 'boolean', default: false }, only: { type: 'string' }, without: { type: 'string' }, trials: { type: 'string', default: '20' },
  help: { type: 'boolean', default: false },
} })

if (values.help) {
  console.log(`npm run chaos -- [--minutes 2] [--store ${storeKinds.join('|')}] [--hosts 5] [--faults ${faultKinds.join(',')}] [--seed N]
               [--network namespaces|proxies] [--placements 0] [--history FILE] [--without lease,fence,…]
npm run chaos -- --check FILE
npm run chaos -- --figures [--trials 20] [--only ${figureNames.join(',')}] [--store STORE] [--hosts 5]`)
  process.exit(0)
}

function refuse(problem: string): never {
  console.error(`chaos: ${problem}`)
  process.exit(2)
}

function number(name: string, text: string, least: number, most: number): number {
  const value = text.trim() === '' ? NaN : Number(text)
  return value >= least && value <= most ? value : refuse(`--${name} must be a number from ${least} to ${most}, not ${JSON.stringify(text)}`)
}

function oneOf<Name extends string>(name: string, text: string | undefined, names: readonly Name[]): Name | undefined {
  if (text === undefined || names.includes(text as Name)) return text as Name | undefined
  return refuse(`--${name} must be one of ${names.join(', ')}, not ${JSON.stringify(text)}`)
}

function several<Name extends string>(name: string, text: string | undefined, names: readonly Name[]): Name[] | undefined {
  return text?.split(',').filter(each => each !== '').map(each => oneOf(name, each, names)!)
}

function conclude(verdict: Verdict): never {
  console.log(`\n${reportOf(verdict)}`)
  process.exit(verdict.problems.length === 0 ? 0 : 1)
}

const hosts = Math.round(number('hosts', values.hosts, 2, 20))
const placements = Math.round(number('placements', values.placements, 0, 5))
const network = oneOf('network', values.network, ['namespaces', 'proxies'] as const)
const store = oneOf('store', values.store, storeKinds)
// No list of names is kept here: core/mechanisms.ts has them as types.
const without = values.without?.split(',') as readonly Mechanism[] | undefined

if (values.check !== undefined) conclude(judge(readRecording(values.check)))

if (values.figures) {
  const trials = Math.round(number('trials', values.trials, 1, 1_000))
  const reached = await runFigures({ trials, hosts, placements, stores: store === undefined ? undefined : [store], without, only: several('only', values.only, figureNames), network, say: console.log })
  process.exit(reached ? 0 : 1)
}

const seed = values.seed === undefined ? Date.now() % 1_000_000 : Math.round(number('seed', values.seed, 0, 2 ** 32 - 1))
const history = values.history ?? join(tmpdir(), `troupe-chaos-${seed}.jsonl`)
console.log(`history: ${history}`)
conclude(await runChaos({
  store: store ?? 'redis' satisfies StoreKind, hosts, placements, network, without, seed, history, say: console.log,
  minutes: number('minutes', values.minutes, 0, 24 * 60),
  kinds: several('faults', values.faults, faultKinds) satisfies FaultKind[] | undefined,
}))
