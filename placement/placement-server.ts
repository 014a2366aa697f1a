/**
 * A placement candidate: a port for hosts, a campaign for the leader row that never ends, and while it holds that row a `Leader`.
 *
 * Every host of a shared store carries one, and `troupe placement` is one alone. It keeps nothing of its own: whoever is elected
 * goes on from the stored table. Stopping one, or its losing the row, disturbs no host: they keep their table and find the next leader.
 */
import { sleep, type Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import type { ClusterStore } from '../stores/cluster-store.ts'
import { reachableAt } from './addresses.ts'
import { defaultFlapTimes } from './flapping.ts'
import { LeaderSeat, type CandidateStatus } from './leader-seat.ts'
import type { LeaderTimes } from './leader.ts'
import { Leadership } from './leadership.ts'
import { defaultLeaseTimes } from './lease.ts'
import { servePlacement, type ServeSecurity } from './placement-grpc.ts'
import { tcpProbe } from './probe.ts'
import type { Probe } from './prober.ts'

export interface PlacementOptions {
  /** Address to listen on; 127.0.0.1 by default. */
  readonly host?: string
  /** 0, the default: chosen by the system. */
  readonly port?: number
  /** HOST or HOST:PORT by which others reach this candidate, when it is not where it listens. */
  readonly advertise?: string
  /** Opened by the caller, and closed by him after `stop`. */
  readonly clusterStore: ClusterStore
  /** `clusterStore` is another than the store of the actors: hosts must be set up with the same one. False by default. */
  readonly clusterStoreApart?: boolean
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Of the cluster store; hosts of another namespace are told so. */
  readonly namespace?: string
  /** log2 of the shards a type has; the hosts' must be equal. 10 by default. */
  readonly shardBits?: number
  /** How long the leader row lives without renewal; 1.5 s by default. A higher value lengthens the wait for the next leader after a freeze. */
  readonly leaderTtlMs?: number
  /** Shards of a type that may be in planned moves at once; 256 by default. Calls to more of them wait at once when raised. */
  readonly maxMoves?: number
  readonly times?: Partial<LeaderTimes>
  /** How to find out whether a process is gone; a TCP connection by default. */
  readonly probe?: Probe
  /** Certificates of hosts and of this candidate; plain text on this machine by default. */
  readonly security?: ServeSecurity
  /** How hosts' streams arrive; over gRPC by default. */
  readonly serve?: typeof servePlacement
}

export interface PlacementCandidate {
  /** HOST:PORT it listens on. */
  readonly address: string
  status(): CandidateStatus
  /** Who holds the leader row as last seen, this one included: the address by which others reach it. */
  readonly leader: string | undefined
  /** Called when this candidate wins or loses, or sees another leader. */
  onLeader(listener: (address: string | undefined) => void): void
  /** Somebody lost its stream to the leader: looks at the row now and probes its holder. */
  nudge(): void
  /** Gives the leader row back and closes. Hosts keep their table. Never throws. */
  stop(): Promise<void>
}

export const defaultLeaderTimes: LeaderTimes = {
  silenceMs: 1_200, leaseMs: defaultLeaseTimes.ttlMs, massSilenceMs: 30_000, batchMs: 50, releaseMs: 5_000, flapping: defaultFlapTimes,
}

/**
 * Listens and campaigns for ever; resolves as soon as it listens, leading or not. What keeps it from leading is logged and tried again;
 * a stored table that does not fit is told to the hosts that come here.
 * @throws PORT_TAKEN · BAD_OPTION
 */
export async function startCandidate(options: PlacementOptions): Promise<PlacementCandidate> {
  const { candidate, campaign } = await listen(options)
  // Logged, and tried on.
  campaign().catch(() => undefined)
  return candidate
}

/**
 * As `startCandidate`, but resolves once somebody is known to lead, itself or another that it then stands by for.
 * @throws PORT_TAKEN · BAD_OPTION · STORE_UNAVAILABLE when the leader row cannot be read
 * @throws CLUSTER_MISMATCH when the stored table has other shard bits
 */
export async function startPlacement(options: PlacementOptions): Promise<PlacementCandidate> {
  const { candidate, campaign, seat } = await listen(options)
  try {
    await campaign()
    if (!seat.status().leading) await seat.loadRecord()
  } catch (error) {
    await candidate.stop()
    throw error
  }
  return candidate
}

async function listen(options: PlacementOptions): Promise<{ candidate: PlacementCandidate; seat: LeaderSeat; campaign(): Promise<void> }> {
  const { clusterStore: store, clock, random, log, shardBits, maxMoves, probe = tcpProbe(options.clock) } = checked(options)
  const listeners: ((address: string | undefined) => void)[] = []
  const seat = new LeaderSeat({
    clock, random, log, store, probe, shardBits, maxMoves,
    clusterStoreApart: options.clusterStoreApart === true, namespace: options.namespace,
    times: { ...defaultLeaderTimes, ...options.times },
    leads: () => leadership.leads,
    leader: () => leadership.leader,
    unfit: () => leadership.unfit,
    asked: () => leadership.nudge(),
  })
  const server = await (options.serve ?? servePlacement)(options.host ?? '127.0.0.1', options.port ?? 0, seat, clock, options.security)
  const leadership: Leadership = new Leadership({
    clock, random, log, store, probe, address: reachableAt(server.address, options.advertise), ttlMs: options.leaderTtlMs ?? 1_500,
    elected: term => seat.take(term, leadership.troubleMs, () => leadership.refused('the store refused a table of this term')),
    deposed: reason => seat.leave(reason),
    seen: address => { for (const listener of listeners) listener(address) },
  })
  const candidate: PlacementCandidate = {
    address: server.address,
    get leader() { return leadership.leader },
    status: () => seat.status(),
    onLeader: listener => void listeners.push(listener),
    nudge: () => leadership.nudge(),
    stop: async () => {
      seat.leave('this placement service stops')
      // A store that hangs must not keep the process: the row ends by itself.
      await Promise.race([leadership.stop(), sleep(clock, 1_000)])
      await server.close()
    },
  }
  return { candidate, seat, campaign: () => leadership.start() }
}

/** @throws BAD_OPTION with every problem */
function checked(options: PlacementOptions): PlacementOptions & { shardBits: number; maxMoves: number } {
  const { shardBits = 10, maxMoves = 256, host = '127.0.0.1', advertise } = options
  const problems = [
    Number.isInteger(shardBits) && shardBits >= 0 && shardBits <= 14 ? undefined : `shardBits must be a whole number from 0 to 14, not ${String(shardBits)}`,
    Number.isInteger(maxMoves) && maxMoves >= 1 ? undefined : `maxMoves must be a whole number from 1, not ${String(maxMoves)}`,
    advertise === undefined && ['0.0.0.0', '::', '[::]'].includes(host)
      ? `${host} is no address that hosts can call; give the name of this machine as advertise (--advertise)` : undefined,
  ].filter(problem => problem !== undefined)
  if (problems.length > 0) throw new TroupeError('BAD_OPTION', `placement: ${problems.join('; ')}`)
  return { ...options, shardBits, maxMoves }
}
