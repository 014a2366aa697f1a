/**
 * `npm run sim -- --seeds N [--seed S] [--hosts H]`: runs the simulation on N seeds from S on. Prints seeds a second, and for
 * a seed that fails: what is wrong, the faults, the last events (`--lines N`, `--grep TEXT`). Exit code 1 when one failed.
 * `--kinds` names the faults in place of chance; `--skip` names checkers that are not asked; `--off` names mechanisms that are off.
 *
 * `npm run sim -- --mutants [--only NAME,…] [--seeds 500]`: each mechanism is switched off, and must be missed (mutants.ts).
 * `--jobs N` runs on so many processes, 2 for mutants and 1 otherwise by default.
 */
import { parseArgs } from 'node:util'
import { faultKinds, showFault, type FaultKind } from '../../runtime/testing/fault-plan.ts'
import type { Mechanism } from '../../core/mechanisms.ts'
import { runMutants } from './run-mutants.ts'
import { SeedPool, type SeedReport } from './seed-pool.ts'

const { values } = parseArgs({ options: {
  seeds: { type: 'string' }, seed: { type: 'string' }, hosts: { type: 'string', default: '5' }, lines: { type: 'string', default: '40' },
  kinds: { type: 'string' }, skip: { type: 'string', default: '' }, 'keep-going': { type: 'boolean', default: false }, jobs: { type: 'string' },
  mutants: { type: 'boolean', default: false }, only: { type: 'string', default: '' }, off: { type: 'string', default: '' }, grep: { type: 'string' }, help: { type: 'boolean', default: false },
} })

if (values.help) {
  console.log(`npm run sim -- [--seeds 100] [--seed 1] [--hosts 5] [--kinds ${faultKinds.join(',')}] [--skip CHECKER,…] [--lines 40] [--grep TEXT] [--keep-going] [--jobs 1] [--off MECHANISM,…]`)
  console.log('npm run sim -- --mutants [--only NAME,…] [--seeds 500] [--jobs 2]')
  process.exit(0)
}

const number = (name: string, text: string | undefined, fallback: number): number => {
  const value = text === undefined ? fallback : Number(text)
  if (Number.isInteger(value) && value >= 0) return value
  console.error(`sim: --${name} must be a whole number, not ${JSON.stringify(text)}`)
  process.exit(2)
}

function report({ seed, hash, problems, plan, lines }: SeedReport, shown: number, grep: string | undefined): void {
  console.log(`\nseed ${seed} fails (trace ${hash}); run it again: npm run sim -- --seed ${seed} --hosts ${hosts}${values.kinds === undefined ? '' : ` --kinds ${values.kinds}`}${values.off === '' ? '' : ` --off ${values.off}`}`)
  for (const { checker, problem } of problems.slice(0, 20)) console.log(`  ${checker}: ${problem}`)
  if (problems.length > 20) console.log(`  … and ${problems.length - 20} more`)
  console.log('faults:')
  for (const fault of plan) console.log(`  ${showFault(fault)}`)
  const chosen = grep === undefined ? lines : lines.filter(line => new RegExp(grep).test(line))
  console.log(`last events${grep === undefined ? '' : ` with ${grep}`}:`)
  for (const line of chosen.slice(-shown)) console.log(`  ${line}`)
}

const list = (text: string): string[] => text.split(',').filter(item => item !== '')

const first = number('seed', values.seed, 1)
const count = number('seeds', values.seeds, values.mutants ? 500 : values.seed === undefined ? 100 : 1)
const hosts = number('hosts', values.hosts, 5)
const jobs = number('jobs', values.jobs, values.mutants ? 2 : 1)
const shown = number('lines', values.lines, 40)
const kinds = values.kinds === undefined ? undefined : list(values.kinds) as FaultKind[]
const wrong = kinds?.filter(kind => !faultKinds.includes(kind)) ?? []
if (wrong.length > 0) {
  console.error(`sim: no faults are called ${wrong.join(', ')}; known: ${faultKinds.join(', ')}`)
  process.exit(2)
}

const pool = new SeedPool(jobs)
const startedMs = performance.now()
const secondsSince = (): number => (performance.now() - startedMs) / 1000

if (values.mutants) {
  const good = await runMutants(pool, jobs, first, count, list(values.only), line => console.log(line))
  console.log(`${secondsSince().toFixed(0)} s`)
  process.exit(good ? 0 : 1)
}

const options = { hosts, lines: values.grep === undefined ? Math.max(200, shown) : 1_000_000, off: list(values.off) as Mechanism[], ...(kinds === undefined ? {} : { kinds }) }
const skipped = new Set(list(values.skip))
const failed: number[] = []
let next = first
let ran = 0
let calls = 0
let acknowledged = 0
async function runOn(): Promise<void> {
  while (next < first + count && (failed.length === 0 || values['keep-going'])) {
    const run = await pool.run(next++, options)
    const result = { ...run, problems: run.problems.filter(({ checker }) => !skipped.has(checker)) }
    ran++
    calls += result.calls
    acknowledged += result.acknowledged
    if (result.problems.length === 0) continue
    failed.push(result.seed)
    if (failed.length <= 3) report(result, shown, values.grep)
  }
}
await Promise.all(Array.from({ length: jobs }, runOn))
const seconds = secondsSince()
console.log(`${ran} seeds of ${hosts} hosts, 60 virtual seconds each, in ${seconds.toFixed(1)} s: ${(ran / seconds).toFixed(1)} seeds a second; ${calls} calls, ${acknowledged} acknowledged; failed: ${failed.length === 0 ? 'none' : failed.sort((a, b) => a - b).join(' ')}`)
process.exit(failed.length === 0 ? 0 : 1)
