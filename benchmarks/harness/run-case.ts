/** Runs one case: opens its contenders, interleaves their rounds, concludes, and ends everything that was started. */
import { messageOf } from '../../core/errors.ts'
import { interleave, type RoundOptions } from './rounds.ts'
import { Scope } from './scope.ts'
import { ratioOf, sideOf, spread } from './statistics.ts'
import type { Measure } from './sample.ts'
import type { Case, CaseResult, ComparisonCase, ComparisonResult, Contender, FigureCase, FigureResult, RateCase, RateResult } from './suite.ts'

/** Never throws but for an abort: a case that fails is a result too. */
export async function runCase(it: Case, options: RoundOptions): Promise<CaseResult> {
  try {
    await using scope = new Scope()
    switch (it.kind) {
      case 'rate': return await runRate(it, scope, options)
      case 'figure': return await runFigure(it, scope, options)
      case 'comparison': return await runComparison(it, scope, options)
    }
  } catch (error) {
    if (options.signal?.aborted === true) throw error
    return { kind: 'failed', name: it.name, ...it.kind !== 'figure' && { inFlight: it.inFlight }, reason: messageOf(error) }
  }
}

async function runRate(it: RateCase, scope: Scope, options: RoundOptions): Promise<RateResult> {
  const contest = await it.open(scope)
  const [floor, subject] = await interleave([contest.floor, contest.subject], { ...options, warmUpSeconds: options.seconds * (it.warmUp ?? 1) })
  await contest.verify?.()
  const ratio = ratioOf(floor!, subject!)
  return {
    kind: 'rate',
    name: it.name,
    inFlight: it.inFlight,
    floorIs: it.floor,
    floor: sideOf(floor!),
    subject: sideOf(subject!),
    ratio,
    ...it.atLeast !== undefined && { target: { atLeast: it.atLeast }, reached: ratio.median >= it.atLeast },
  }
}

async function runFigure(it: FigureCase, scope: Scope, options: RoundOptions): Promise<FigureResult> {
  const { floor, subject } = await it.open(scope)
  const measured = await interleave(floor === undefined ? [subject] : [subject, floor],
    { ...options, ...it.exact === true && { rounds: 1 } })
  const value = spread(measured[0]!)
  return {
    kind: 'figure',
    name: it.name,
    unit: it.unit,
    ...it.floor !== undefined && { floorIs: it.floor },
    ...measured[1] !== undefined && { floor: spread(measured[1]) },
    subject: value,
    ...it.atMost !== undefined && { target: { atMost: it.atMost }, reached: value.median <= it.atMost },
  }
}

async function runComparison(it: ComparisonCase, scope: Scope, options: RoundOptions): Promise<ComparisonResult> {
  const opened = Object.entries(await it.open(scope))
  const measured = opened.filter((entry): entry is [string, Measure] => typeof entry[1] === 'function')
  const rounds = await interleave(measured.map(([, measure]) => measure), { ...options, warmUpSeconds: options.seconds * (it.warmUp ?? 1) })
  const contenders = opened.map(([label, measure]): Contender => {
    if (typeof measure === 'string') return { label, notMeasured: measure }
    const samples = rounds[measured.findIndex(([name]) => name === label)]!
    const problem = samples.find(sample => sample.problem !== undefined)?.problem
    return { label, side: sideOf(samples), errors: samples.reduce((sum, { errors = 0 }) => sum + errors, 0), ...problem !== undefined && { problem } }
  })
  return { kind: 'comparison', name: it.name, inFlight: it.inFlight, contenders }
}
