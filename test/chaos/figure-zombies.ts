/**
 * A frozen owner that wakes: its actors have new owners meanwhile, and in its socket buffers wait reads and writes for the
 * actors that it still has in memory. None of these may be answered from that memory, and none of its turns be acknowledged.
 */
import type { Outcome } from './caller.ts'
import { firstSuccess } from './availability.ts'
import { pause, type ChaosHost } from './chaos-cluster.ts'
import type { Figure, FigureOptions } from './figures.ts'
import { measuring } from './measuring-cluster.ts'
import type { Ground } from './nemesis.ts'

/** So many frozen owners for each trial of the other figures. */
const TIMES = 10
const ACTORS = 5
const SLOW_TURN_MS = 700
const ANSWER_MS = 12_000
/** How often each actor is asked right after the owner woke. */
const ASKED_AWAKE = 4

interface Frozen {
  readonly host: ChaosHost
  readonly actors: readonly string[]
  /** Answers of calls that were under way, waited in its buffers, or came as it woke. */
  readonly answers: { readonly id: string; readonly outcome: Promise<Outcome> }[]
}

export interface Awoken {
  owners: number
  /** Calls that were asked of them. */
  asked: number
  /** Answers from an epoch that was over. */
  readonly stale: string[]
}

export async function figureZombies(options: FigureOptions): Promise<Figure[]> {
  const figures: Figure[] = []
  const wanted = options.trials * TIMES
  for (const store of options.stores ?? ['redis']) {
    const all: Awoken = { owners: 0, asked: 0, stale: [] }
    const verdict = await measuring(options, store, async ground => {
      while (all.owners < wanted) {
        const { owners, asked, stale } = await thawRound(ground, wanted - all.owners)
        all.owners += owners
        all.asked += asked
        all.stale.push(...stale)
      }
    })
    const { owners, asked, stale } = all
    figures.push({
      what: `a frozen owner wakes, ${store}`, target: 'no write acknowledged, no stale read',
      reached: `${stale.length} answers from before in ${owners} trials (${asked} calls to it); lost ${verdict.lost}, stale ${verdict.stale}${stale.length === 0 ? '' : `: ${stale[0]}`}`,
      ok: stale.length === 0 && verdict.problems.length === 0 && owners === wanted,
    })
  }
  return figures
}

/** Freezes `most` owners at once, but always less than half of the hosts, lets others take their actors over, and wakes them. */
export async function thawRound({ cluster, load, random }: Ground, most: number): Promise<Awoken> {
  const count = Math.min(most, Math.floor((cluster.hosts.length - 1) / 2))
  const hosts = cluster.hosts.map(host => ({ host, at: random.float() })).sort((a, b) => a.at - b.at).slice(0, count).map(({ host }) => host)
  const frozen: Frozen[] = []
  for (const host of hosts) {
    const actors = (await cluster.actorsOn(host, load.ledgers, cluster.doors.find(other => !hosts.includes(other))!)).slice(-ACTORS)
    // In its memory, with a turn under way.
    await Promise.all(actors.map(id => load.once('add', id, host, ANSWER_MS)))
    frozen.push({ host, actors, answers: [] })
  }
  for (const { host, actors, answers } of frozen) {
    for (const id of actors.slice(0, 2)) answers.push({ id, outcome: load.once('addSlowly', id, host, ANSWER_MS, SLOW_TURN_MS) })
  }
  await pause(SLOW_TURN_MS / 4)
  for (const { host } of frozen) cluster.freeze(host)
  const ask = ({ host, actors, answers }: Frozen): void => {
    for (const id of actors) for (const method of ['read', 'add'] as const) answers.push({ id, outcome: load.once(method, id, host, ANSWER_MS) })
  }
  frozen.forEach(ask)
  const all = frozen.flatMap(({ actors }) => actors)
  const taken = await firstSuccess(cluster, load, all, 20_000)
  if (taken === Infinity) throw new Error('actors of frozen hosts found no new owner within 20 s')
  const epochs = new Map<string, number>()
  for (const id of all) {
    const outcome = await load.once('add', id, cluster.doors[0]!, ANSWER_MS)
    if (outcome.kind === 'ok') epochs.set(id, outcome.epoch)
  }
  // What is asked from here on is asked after another owner has answered: a read of the old memory would be stale.
  frozen.forEach(ask)
  await pause(20)
  for (const { host } of frozen) cluster.thaw(host)
  for (let i = 0; i < ASKED_AWAKE; i++) {
    frozen.forEach(ask)
    await pause(5)
  }
  const stale: string[] = []
  for (const { host, answers } of frozen) for (const { id, outcome } of answers) {
    const answer = await outcome
    if (answer.kind === 'ok' && answer.epoch < (epochs.get(id) ?? 0)) stale.push(`${host.name} answered for ${id} in epoch ${answer.epoch}, after ${epochs.get(id)} had begun`)
  }
  await cluster.settled()
  return { owners: frozen.length, asked: frozen.reduce((sum, { answers }) => sum + answers.length, 0), stale }
}
