/** A verdict as the lines that a run prints. */
import { medianAndWorst, textTable } from './text-table.ts'
import type { Verdict } from './verdict.ts'

const SHOWN = 30

export function reportOf(verdict: Verdict): string {
  const { calls, acknowledged, failed, unknown, fenced, lost, duplicated, stale, errors, problems } = verdict
  const counts = textTable([
    ['calls', 'acknowledged', 'failed', 'unknown', 'fenced', 'lost', 'duplicated', 'stale'],
    [calls, acknowledged, failed, unknown, fenced, lost, duplicated, stale].map(String),
  ])
  const codes = [...errors].sort(([, a], [, b]) => b - a).map(([code, count]) => `${code} ${count}`).join(', ')
  const wrong = problems.slice(0, SHOWN).map(({ checker, problem }) => `  ${checker}: ${problem}`)
  return [
    counts, `errors of single tries: ${codes === '' ? 'none' : codes}`, '', unavailability(verdict), '',
    problems.length === 0 ? 'every checker is content' : `${problems.length} problems:`, ...wrong,
    ...(problems.length > SHOWN ? [`  … and ${problems.length - SHOWN} more`] : []),
  ].join('\n')
}

function unavailability({ faults }: Verdict): string {
  const rows = [...Map.groupBy(faults, fault => fault.kind)].map(([kind, of]) => {
    const times = of.flatMap(({ unavailableMs }) => unavailableMs === undefined ? [] : unavailableMs ?? Infinity)
    const { median, worst } = medianAndWorst(times)
    const shown = (ms: number): string => Number.isNaN(ms) ? '-' : ms === Infinity ? 'not in time' : `${Math.round(ms)} ms`
    return [kind, String(of.length), shown(median), shown(worst)]
  })
  return textTable([['fault', 'times', 'first success: median', 'worst'], ...rows])
}
