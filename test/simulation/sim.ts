/**
 * `npm run sim -- --seeds N [--seed S] [--hosts H]`: runs the simulation on N seeds from S on. Prints seeds a second, and for
 * a seed that fails: what is wrong, the faults, the last events (`--lines N`, `--grep TEXT`). Exit code 1 when one failed.
 * `--kinds` names the faults in place of chance; `--skip` names checkers that are not asked.
 */
import { parseArgs } from 'node:util'
import { faultKinds, showFault, type FaultKind } from '../../runtime/testing/fault-plan.ts'
import { runSeed, type RunResult } from './run-seed.ts'

const { values } = parseArgs({ options: {
  seeds: { type: 'string' }, seed: { type: 'string' }, hosts: { type: 'string', default: '5' }, lines: { type: 'string', default: '40' },
  kinds: { type: 'string' }, skip: { type: 'string', default: '' }, 'keep-going': { type: 'boolean', default: false }, grep: { type: 'string' }, help: { type: 'boolean', default: false },
} })

if (values.help) {
  console.log(`npm run sim -- [--seeds 100] [--seed 1] [--hosts 5] [--kinds ${faultKinds.join(',')}] [--skip CHECKER,…] [--lines 40] [--grep TEXT] [--keep-going]`)
  process.exit(0)
}

const number = (name: string, text: string | undefined, fallback: number): number => {
  const value = text === undefined ? fallback : Number(text)
  if (Number.isInteger(value) && value >= 0) return value
  console.error(`sim: --${name} must be a whole number, not ${JSON.stringify(text)}`)
  process.exit(2)
}

function report({ seed, hash, problems, plan, lines }: RunResult, shown: number, grep: string | undefined): void {
  console.log(`\nseed ${seed} fails (trace ${hash}); run it again: npm run sim -- --seed ${seed} --hosts ${hosts}${values.kinds === undefined ? '' : ` --kinds ${values.kinds}`}`)
  for (const { checker, problem } of problems.slice(0, 20)) console.log(`  ${checker}: ${problem}`)
  if (problems.length > 20) console.log(`  … and ${problems.length - 20} more`)
  console.log('faults:')
  for (const fault of plan) console.log(`  ${showFault(fault)}`)
  const chosen = grep === undefined ? lines : lines.filter(line => new RegExp(grep).test(line))
  console.log(`last events${grep === undefined ? '' : ` with ${grep}`}:`)
  for (const line of chosen.slice(-shown)) console.log(`  ${line}`)
}

const first = number('seed', values.seed, 1)
const count = number('seeds', values.seeds, values.seed === undefined ? 100 : 1)
const hosts = number('hosts', values.hosts, 5)
const shown = number('lines', values.lines, 40)
const kinds = values.kinds === undefined ? undefined : values.kinds.split(',').filter(kind => kind !== '') as FaultKind[]
const wrong = kinds?.filter(kind => !faultKinds.includes(kind)) ?? []
if (wrong.length > 0) {
  console.error(`sim: no faults are called ${wrong.join(', ')}; known: ${faultKinds.join(', ')}`)
  process.exit(2)
}

const skipped = new Set(values.skip.split(','))
const startedMs = performance.now()
const failed: number[] = []
let ran = 0
let calls = 0
let acknowledged = 0
for (let seed = first; seed < first + count; seed++) {
  const run = await runSeed(seed, { hosts, lines: values.grep === undefined ? Math.max(200, shown) : 1_000_000, ...(kinds === undefined ? {} : { kinds }) })
  const result = { ...run, problems: run.problems.filter(({ checker }) => !skipped.has(checker)) }
  ran++
  calls += result.calls
  acknowledged += result.acknowledged
  if (result.problems.length > 0) {
    failed.push(seed)
    if (failed.length <= 3) report(result, shown, values.grep)
    if (!values['keep-going']) break
  }
}
const seconds = (performance.now() - startedMs) / 1000
console.log(`${ran} seeds of ${hosts} hosts, 60 virtual seconds each, in ${seconds.toFixed(1)} s: ${(ran / seconds).toFixed(1)} seeds a second; ${calls} calls, ${acknowledged} acknowledged; failed: ${failed.length === 0 ? 'none' : failed.join(' ')}`)
process.exit(failed.length === 0 ? 0 : 1)
