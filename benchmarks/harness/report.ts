/** The results of a run: as a table for people, as JSON for programs. Pure. */
import type { MachineFacts } from './machine.ts'
import { comparisonLines } from './report-comparison.ts'
import type { CaseResult, FigureResult, RateResult, SuiteResult } from './suite.ts'
import { duration, figure, percent, table } from './table.ts'

export interface Report {
  readonly machine: MachineFacts
  readonly rounds: number
  /** Length of one measurement. */
  readonly secondsEach: number
  /** True for a shortened run, of under 5 rounds too: its figures say that things work, not how fast they are. */
  readonly quick: boolean
  readonly suites: readonly SuiteResult[]
}

/** Every target of the report with what came of it, for a program that looks for nothing else. */
export const targetsOf = (report: Report) => report.suites.flatMap(suite => suite.cases.flatMap(result =>
  result.kind === 'failed' || result.target === undefined ? [] : [{
    suite: suite.name,
    case: result.name,
    ...result.kind === 'rate' && { inFlight: result.inFlight },
    target: result.target,
    measured: result.kind === 'rate' ? result.ratio.median : result.kind === 'figure' ? result.subject.median : NaN,
    reached: result.reached === true,
  }]))

export const asJson = (report: Report): string => JSON.stringify({ ...report, targets: targetsOf(report) }, null, 2) + '\n'

export function suiteAsText(suite: SuiteResult): string {
  const rates = suite.cases.filter(result => result.kind === 'rate')
  const figures = suite.cases.filter(result => result.kind === 'figure')
  return [
    `${suite.name}: ${suite.title}`,
    ...rates.length > 0 ? [rateTable(rates)] : [],
    ...figures.length > 0 ? [figureTable(figures)] : [],
    ...comparisonLines(suite.cases.filter(result => result.kind === 'comparison')),
    ...[...new Set(rates.map(result => result.floorIs))].map(floor => `floor: ${floor}`),
    ...suite.cases.filter(result => result.kind === 'failed').map(({ name, inFlight, reason }) =>
      `FAILED ${name}${inFlight === undefined ? '' : `, ${inFlight} in flight`}: ${reason}`),
  ].join('\n') + '\n'
}

/** The last lines of a run. */
export function summary(report: Report): string {
  const targets = targetsOf(report)
  const failed = report.suites.flatMap(suite => suite.cases).filter(result => result.kind === 'failed').length
  return [
    `${targets.filter(it => it.reached).length} of ${targets.length} targets reached`,
    ...failed > 0 ? [`${failed} cases failed`] : [],
    ...report.quick ? ['shortened run: not for quoting'] : [],
    ...report.machine.syncIsReal ? [] : [`the folder of the measurements is on ${report.machine.fileSystem}: fsync costs nothing there`],
  ].join(' · ') + '\n'
}

const verdict = (result: CaseResult): string =>
  result.kind === 'failed' || result.reached === undefined ? '' : result.reached ? 'reached' : 'MISSED'

const rateTable = (results: readonly RateResult[]): string => table(
  ['', 'in flight', 'floor/s', 'troupe/s', 'share', 'min', 'max', 'target', '', 'floor p50', 'p99', 'troupe p50', 'p99', 'floor CPU s/1k', 'troupe CPU s/1k'],
  results.map(result => [
    result.name,
    String(result.inFlight),
    figure(result.floor.perSecond),
    figure(result.subject.perSecond),
    percent(result.ratio.median),
    percent(result.ratio.min),
    percent(result.ratio.max),
    result.target !== undefined && 'atLeast' in result.target ? percent(result.target.atLeast) : '',
    verdict(result),
    duration(result.floor.p50Us),
    duration(result.floor.p99Us),
    duration(result.subject.p50Us),
    duration(result.subject.p99Us),
    figure(result.floor.cpuSecondsPer1000),
    figure(result.subject.cpuSecondsPer1000),
  ]),
)

const figureTable = (results: readonly FigureResult[]): string => table(
  ['', 'unit', 'troupe', 'min', 'max', 'target', '', 'floor', 'floor is'],
  results.map(result => [
    result.name,
    result.unit,
    figure(result.subject.median),
    figure(result.subject.min),
    figure(result.subject.max),
    result.target !== undefined && 'atMost' in result.target ? `<= ${figure(result.target.atMost)}` : '',
    verdict(result),
    result.floor === undefined ? '' : figure(result.floor.median),
    result.floorIs ?? '',
  ]),
)
