/** Comparisons as text: a row for each contender of each case, and what the failed operations said. Pure. */
import { perSecond } from './sample.ts'
import { ratioOf, spread, type Side, type Spread } from './statistics.ts'
import type { ComparisonResult, Contender } from './suite.ts'
import { duration, figure, percent, table } from './table.ts'

type Measured = Extract<Contender, { side: Side }>

const head = ['', 'in flight', '', 'ops/s', 'min', 'max', 'to the first', 'min', 'max', 'p50', 'p99', 'errors', 'server CPU ms/1k', 'app CPU ms/1k']

export function comparisonLines(results: readonly ComparisonResult[]): string[] {
  if (results.length === 0) return []
  return [
    table(head, results.flatMap(result => result.contenders.map((contender, index) => rowOf(result, contender, index)))),
    ...results.flatMap(({ name, contenders }) => contenders.flatMap(contender => 'side' in contender
      ? contender.problem === undefined ? [] : [`${name}, ${contender.label}: ${contender.errors} errors, the first: ${contender.problem.slice(0, 300)}`]
      : [`${name}, ${contender.label}: not measured: ${contender.notMeasured}`])),
  ]
}

function rowOf(result: ComparisonResult, contender: Contender, index: number): string[] {
  const names = [index === 0 ? result.name : '', index === 0 ? String(result.inFlight) : '', contender.label]
  if (!('side' in contender)) return [...names, ...Array<string>(head.length - names.length).fill('-')]
  const { side, errors } = contender
  const first = result.contenders.find(it => 'side' in it) as Measured
  return [
    ...names,
    ...threeOf(spread(side.rounds.map(perSecond)), figure),
    ...first === contender ? ['', '', ''] : threeOf(ratioOf(first.side.rounds, side.rounds), percent),
    duration(side.p50Us),
    duration(side.p99Us),
    figure(errors),
    cpuMs(side, 'server'),
    cpuMs(side, 'app'),
  ]
}

const threeOf = ({ median, min, max }: Spread, show: (value: number) => string): string[] => [median, min, max].map(value => Number.isFinite(value) ? show(value) : '-')
/** A contender that did nothing well has no figure. */
const cpuMs = ({ cpuByProcess }: Side, process: string): string => {
  const ms = (cpuByProcess[process] ?? NaN) * 1000
  return Number.isFinite(ms) ? figure(ms) : '-'
}
