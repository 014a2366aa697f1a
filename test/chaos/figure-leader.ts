/** The host whose candidate leads placement is killed or frozen: calls to actors of other hosts go on, and its own actors find new places. */
import { SteadyLoad } from '../integration/steady-load.ts'
import { firstSuccess } from './availability.ts'
import { pause } from './chaos-cluster.ts'
import type { Figure, FigureOptions } from './figures.ts'
import { measuring, type Measuring } from './measuring-cluster.ts'
import { medianAndWorst } from './text-table.ts'

const NEW_PLACES_MS = 5_000
/** Slower is worth a look. */
const USUAL_MS = 3_000
const HOLD_MS = 4_000
const COUNTERS = 64

export async function figureLeader(kind: 'kill' | 'freeze', options: FigureOptions): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const store of options.stores ?? ['redis']) {
    const times: number[] = []
    const failures: string[] = []
    let calls = 0
    const verdict = await measuring(options, store, async ground => {
      for (let trial = 0; trial < options.trials; trial++) {
        const outcome = await strikeLeader(ground, kind, trial)
        if (outcome.failures.length > 0 || outcome.ms === undefined || outcome.ms > USUAL_MS) {
          ground.remark(`trial ${trial + 1} of leader ${kind}, which ended at ${new Date().toISOString()}: ${outcome.ms === undefined ? 'no success' : `${Math.round(outcome.ms)} ms`}, ${outcome.failures.length} failed`)
        }
        calls += outcome.calls
        failures.push(...outcome.failures)
        if (outcome.ms !== undefined) times.push(outcome.ms)
      }
    })
    const { median, worst } = medianAndWorst(times)
    figures.push({
      what: `leader ${kind} → new placements, ${store}`, target: '≤ 5 s',
      reached: `median ${Math.round(median)} ms, worst ${Math.round(worst)} ms of ${times.length} trials`,
      ok: times.length === options.trials && worst <= NEW_PLACES_MS && verdict.problems.length === 0,
    }, {
      what: `leader ${kind} → calls to placed actors, ${store}`, target: '0 failed',
      reached: `${failures.length} failed of ${calls}${failures.length === 0 ? '' : `: ${failures[0]}`}`, ok: failures.length === 0 && calls > 0,
    })
  }
  return figures
}

async function strikeLeader({ cluster, load }: Measuring, kind: 'kill' | 'freeze', trial: number): Promise<{ ms: number | undefined; calls: number; failures: string[] }> {
  const leader = cluster.leader()
  if (leader === undefined) throw new Error('no host has said that it leads placement')
  const others = cluster.doors.filter(host => host !== leader)
  const theirs = new Set(await cluster.actorsOn(leader, load.ledgers, others[0]!))
  const ids: string[] = []
  for (let i = 0; i < COUNTERS; i++) {
    const id = `t${trial}c${i}`
    const at = await cluster.caller.get<{ member?: { id: string } }>(others[0]!.url, `/troupe/v1/actors/Counter/${id}`)
    if (at?.member !== undefined && at.member.id !== leader.name) ids.push(id)
  }
  await using steady = new SteadyLoad(others.map(({ url }) => url), { ids, lanes: 4, pauseMs: 10 })
  await steady.more(100)
  const fromMs = load.nowMs
  const dead = kind === 'kill' ? cluster.kill(leader) : cluster.freeze(leader)
  const ms = await firstSuccess(cluster, load, [...theirs].slice(-4), 20_000, () => others)
  await dead
  await pause(Math.max(0, HOLD_MS - (load.nowMs - fromMs)))
  if (kind === 'kill') await cluster.startHost(leader)
  else cluster.thaw(leader)
  await cluster.settled()
  await steady.stop()
  const wrong = await steady.wrong()
  return { ms, calls: steady.calls, failures: [...steady.failures.map(String), ...wrong] }
}
