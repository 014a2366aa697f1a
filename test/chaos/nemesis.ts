/**
 * The faults of a chaos run, in turn: each is done to a host (or the store, or placement), measured on the actors that live
 * there, undone, and waited for until the cluster is whole again.
 */
import type { Random } from '../../core/random.ts'
import { firstSuccess } from './availability.ts'
import { pause, type ChaosCluster, type ChaosHost } from './chaos-cluster.ts'
import { CLIENTS, STORE } from './fault-network.ts'
import type { LedgerLoad } from './ledger-load.ts'
import type { FaultFacts } from './recording.ts'

export interface Ground {
  readonly cluster: ChaosCluster
  readonly load: LedgerLoad
  readonly random: Random
}

/** What a fault does to `host`; ends when it is undone. Returns for how long its actors could not be called, where that was measured. */
type Fault = (ground: Ground, host: ChaosHost, actors: readonly string[]) => Promise<number | undefined>

/** Longer than any lease. */
const HOLD_MS = 4_000
const GIVE_UP_MS = 20_000
/** Actors of a host that are asked. */
const ASKED = 4

const measured = async ({ cluster, load }: Ground, actors: readonly string[]): Promise<number | undefined> =>
  firstSuccess(cluster, load, actors, GIVE_UP_MS)

/** Measures, and lets the fault last for `HOLD_MS` at least. */
async function held(ground: Ground, actors: readonly string[]): Promise<number | undefined> {
  const fromMs = ground.load.nowMs
  const ms = await measured(ground, actors)
  await pause(Math.max(0, HOLD_MS - (ground.load.nowMs - fromMs)))
  return ms
}

const kill: Fault = async (ground, host, actors) => {
  const dead = ground.cluster.kill(host)
  const ms = await measured(ground, actors)
  await dead
  await ground.cluster.startHost(host)
  return ms
}

const freeze: Fault = async (ground, host, actors) => {
  ground.cluster.freeze(host)
  try {
    return await held(ground, actors)
  } finally {
    ground.cluster.thaw(host)
  }
}

const faults = {
  kill,
  freeze,
  'leader-kill': kill,
  'leader-freeze': freeze,
  async restart(ground, host, actors) {
    const stopped = ground.cluster.stopHost(host)
    const ms = await measured(ground, actors)
    await stopped
    await ground.cluster.startHost(host)
    return ms
  },
  /** Too short for a lease to end. */
  async blink(ground, host, actors) {
    ground.cluster.freeze(host)
    await pause(200 + ground.random.float() * 900)
    ground.cluster.thaw(host)
    return await measured(ground, actors)
  },
  async cut(ground, host, actors) {
    ground.cluster.cutOff(host)
    try {
      return await held(ground, actors)
    } finally {
      ground.cluster.reconnect(host)
    }
  },
  /** It is heard and hears nothing, or the other way round. */
  async 'cut-one-way'(ground, host) {
    const { network, hosts } = ground.cluster
    const inwards = ground.random.float() < 0.5
    const ways = hosts.filter(other => other !== host).map(({ name }) => inwards ? [name, host.name] as const : [host.name, name] as const)
    for (const [from, to] of ways) network.cut(from, to)
    await pause(HOLD_MS)
    for (const [from, to] of ways) network.heal(from, to)
    return undefined
  },
  /** From the store alone: it must stop to serve, though everybody else hears it. */
  async 'cut-store'(ground, host, actors) {
    const { network } = ground.cluster
    for (const [from, to] of [[host.name, STORE], [STORE, host.name]] as const) network.cut(from, to)
    const ms = await held(ground, actors)
    for (const [from, to] of [[host.name, STORE], [STORE, host.name]] as const) network.heal(from, to)
    return ms
  },
  async 'slow-store'(ground, host) {
    ground.cluster.network.slowStore(host.name, 40 + ground.random.float() * 400)
    await pause(HOLD_MS)
    ground.cluster.network.slowStore(host.name, 0)
    return undefined
  },
  /** Again and again, so that commits lose their answers. */
  async 'store-resets'(ground, host, actors) {
    for (let i = 0; i < 10; i++) {
      ground.cluster.network.resetStore(host.name)
      await pause(ground.random.float() * 200)
    }
    return await measured(ground, actors)
  },
  async 'store-restart'(ground, _host, actors) {
    const { store, network } = ground.cluster
    const server = store.server!
    await network.storeDown()
    await server.kill()
    await pause(ground.random.float() * 1_500)
    await server.restart()
    await network.storeUp()
    return await measured(ground, actors)
  },
  async 'store-freeze'(ground, _host, actors) {
    const { server } = ground.cluster.store
    server!.freeze()
    await pause(1_000 + ground.random.float() * 3_000)
    server!.thaw()
    return await measured(ground, actors)
  },
  /** All placement services that run alone; placed actors must not notice. */
  async 'placement-restart'({ cluster, load }, _host, actors) {
    const old = cluster.placements.splice(0)
    const ports = await Promise.all(old.map(async process => Number(/:(\d+)$/.exec(String((await process.ready()).address))?.[1])))
    for (const process of old) await process.stop('SIGKILL')
    const ms = await firstSuccess(cluster, load, actors, GIVE_UP_MS)
    await pause(1_000)
    for (const port of ports) await cluster.startPlacement(port)
    return ms
  },
} satisfies Record<string, Fault>

export type FaultKind = keyof typeof faults
export const faultKinds = Object.keys(faults) as FaultKind[]

/** Those that can be done to this cluster. */
export function possibleFaults(cluster: ChaosCluster): FaultKind[] {
  const noStore = cluster.store.server === undefined
  return faultKinds.filter(kind => !(noStore && kind.includes('store')) && !(noStore && kind === 'cut')
    && !(cluster.placements.length === 0 && kind === 'placement-restart') && !(cluster.placements.length > 0 && kind.startsWith('leader')))
}

/** Does one fault to a host that chance picks, undoes it, and waits until everything is whole. */
export async function strike(ground: Ground, kind: FaultKind): Promise<FaultFacts> {
  const { cluster, load, random } = ground
  const host = (kind.startsWith('leader') ? cluster.leader() : undefined) ?? cluster.hosts[Math.floor(random.float() * cluster.hosts.length)]!
  const through = cluster.doors.find(other => other !== host) ?? host
  const actors = (await cluster.actorsOn(host, load.ledgers, through)).slice(-ASKED)
  const atMs = load.nowMs
  const unavailableMs = await faults[kind](ground, host, actors)
  await cluster.settled()
  const target = kind === 'store-restart' || kind === 'store-freeze' ? cluster.store.kind : kind === 'placement-restart' ? CLIENTS : host.name
  return { kind, target, atMs, ...(unavailableMs === undefined ? {} : { unavailableMs }) }
}
