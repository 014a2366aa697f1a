/** All placement services are gone for a minute: calls to placed actors go on. Afterwards a host can join again. */
import { SteadyLoad } from '../integration/steady-load.ts'
import { ChaosCluster, pause } from './chaos-cluster.ts'
import type { Figure, FigureOptions } from './figures.ts'

const AWAY_MS = 60_000

export async function figurePlacementAway(options: FigureOptions): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const store of options.stores ?? ['redis']) {
    const cluster = await ChaosCluster.start({ store, hosts: options.hosts, placements: 2, network: options.network })
    try {
      await using load = new SteadyLoad(cluster.doors.map(({ url }) => url), { lanes: 6, pauseMs: 15 })
      await load.more(100)
      for (const process of cluster.placements.splice(0)) await process.stop('SIGKILL')
      await pause(AWAY_MS)
      await load.stop()
      const wrong = [...load.failures.map(String), ...await load.wrong(), ...cluster.surprises]
      await cluster.startPlacement()
      figures.push({
        what: `placement wholly away for ${AWAY_MS / 1_000} s, ${store}`, target: '0 failed calls',
        reached: `${load.failures.length} failed of ${load.calls}${wrong.length === 0 ? '' : `: ${wrong[0]}`}`, ok: wrong.length === 0 && load.calls > 0,
      })
    } finally {
      await cluster.close()
    }
  }
  return figures
}
