/** From a fault of a host to the first success on its actors: kill -9, SIGSTOP, cut off from everybody. */
import type { Figure, FigureOptions } from './figures.ts'
import { measuring } from './measuring-cluster.ts'
import { strike } from './nemesis.ts'
import { medianAndWorst } from './text-table.ts'

const targets = {
  kill: { medianMs: 500, worstMs: 1_500, text: 'median ≤ 0.5 s, worst ≤ 1.5 s' },
  freeze: { medianMs: 3_000, worstMs: 3_000, text: '≤ 3 s' },
  cut: { medianMs: 3_000, worstMs: 3_000, text: '≤ 3 s' },
}

export async function figureOutages(kind: keyof typeof targets, options: FigureOptions): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const store of options.stores ?? ['redis']) {
    const times: number[] = []
    let trials = 0
    const verdict = await measuring(options, store, async ground => {
      while (trials < options.trials) {
        const leader = ground.cluster.leader()?.name
        const at = new Date().toISOString()
        const { unavailableMs, target } = await strike(ground, kind)
        trials++
        if (typeof unavailableMs === 'number') times.push(unavailableMs)
        if (typeof unavailableMs !== 'number' || unavailableMs > targets[kind].worstMs) {
          ground.remark(`trial ${trials} at ${at}, ${kind} of ${target}${target === leader ? ', which led placement' : ''}: ${typeof unavailableMs !== 'number' ? 'it had no actors' : `${Math.round(unavailableMs)} ms`}`)
        }
      }
    })
    const { median, worst } = medianAndWorst(times)
    const { medianMs, worstMs, text } = targets[kind]
    figures.push({
      what: `${kind} of a host → first success on its actors, ${store}`, target: text,
      reached: `median ${Math.round(median)} ms, worst ${Math.round(worst)} ms of ${times.length} trials; lost ${verdict.lost}, twice ${verdict.duplicated}, stale ${verdict.stale}`,
      ok: times.length > 0 && median <= medianMs && worst <= worstMs && verdict.problems.length === 0,
    })
  }
  return figures
}
