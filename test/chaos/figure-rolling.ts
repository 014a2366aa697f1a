/** A host joins, one leaves, all are restarted in turn, at a steady load: what callers notice. */
import { SteadyLoad } from '../integration/steady-load.ts'
import { ChaosCluster, pause } from './chaos-cluster.ts'
import { storeKinds } from './chaos-store.ts'
import type { Figure, FigureOptions } from './figures.ts'
import { medianAndWorst } from './text-table.ts'

const ADDED_MS = 500

export async function figureRolling(options: FigureOptions): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const store of options.stores ?? storeKinds) {
    const cluster = await ChaosCluster.start({ store, hosts: options.hosts, placements: options.placements, network: options.network })
    try {
      const { calls, failures, phases } = await rolling(cluster)
      figures.push({
        what: `join, leave, rolling restart of ${options.hosts} hosts, ${store}`, target: '0 failed calls',
        reached: `${failures.length} failed of ${calls}${failures.length === 0 ? '' : `: ${failures[0]}`}`, ok: failures.length === 0 && calls > 0,
      })
      const quietMs = medianAndWorst(phases.get('quiet')!).median
      const added = [...phases].map(([phase, times]) => ({ phase, ms: medianAndWorst(times).worst - quietMs }))
      const worst = added.filter(({ phase }) => phase !== 'quiet').reduce((a, b) => (b.ms > a.ms ? b : a))
      figures.push({
        what: `worst added latency meanwhile, ${store}`, target: '≤ 500 ms',
        reached: `${Math.round(worst.ms)} ms (${added.map(({ phase, ms }) => `${phase} ${Math.round(ms)}`).join(', ')}; median when quiet ${quietMs.toFixed(1)} ms)`,
        ok: worst.ms <= ADDED_MS,
      })
    } finally {
      await cluster.close()
    }
  }
  return figures
}

async function rolling(cluster: ChaosCluster): Promise<{ calls: number; failures: string[]; phases: Map<string, number[]> }> {
  const phases = new Map<string, number[]>()
  await using load = new SteadyLoad(cluster.doors.map(({ url }) => url), { lanes: 6, pauseMs: 15 })
  const during = async (phase: string, work: () => Promise<void>): Promise<void> => {
    load.latencies()
    await work()
    phases.set(phase, [...phases.get(phase) ?? [], ...load.latencies()])
  }
  // Code that runs for the first time is slow: that is no baseline.
  await pause(2_000)
  await during('quiet', () => pause(5_000))
  const more = await cluster.addHost()
  await during('join', async () => {
    await cluster.startHost(more)
    await cluster.settled()
  })
  load.hosts.add(more.url)
  await during('leave', async () => {
    await cluster.stopHost(more)
    await cluster.settled()
  })
  for (const host of cluster.hosts.filter(each => each !== more)) await during('restart', async () => {
    await cluster.stopHost(host)
    await cluster.startHost(host)
    load.hosts.add(host.url)
    await cluster.settled()
  })
  await load.stop()
  return { calls: load.calls, failures: [...load.failures.map(String), ...await load.wrong(), ...cluster.surprises], phases }
}
