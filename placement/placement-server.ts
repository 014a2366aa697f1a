/**
 * The placement service: a port for hosts, the leader row, and while it holds that row a `Leader`.
 *
 * It keeps nothing of its own: a restarted service goes on from the stored table. Stopping it, or losing the row, disturbs no
 * host: they keep their table and look for the next leader.
 */
import { sleep, type Clock } from '../core/clock.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import type { ClusterStore } from '../stores/cluster-store.ts'
import { decodeCluster } from './cluster-record.ts'
import type { HostSession } from './host-sessions.ts'
import { refusal } from './join-check.ts'
import { Leader, type LeaderStatus, type LeaderTimes } from './leader.ts'
import { Leadership } from './leadership.ts'
import type { PlacementEndpoint } from './placement-link.ts'
import { servePlacement } from './placement-grpc.ts'
import { tcpProbe } from './probe.ts'
import type { Probe } from './prober.ts'
import { emptyTable } from './table.ts'

export interface PlacementOptions {
  /** Address to listen on; 127.0.0.1 by default. */
  readonly host?: string
  /** 0, the default: chosen by the system. */
  readonly port?: number
  /** HOST:PORT by which others reach this service, when it is not the one it listens on. */
  readonly advertise?: string
  /** Opened by the caller, and closed by him after `stop`. */
  readonly clusterStore: ClusterStore
  /** `clusterStore` is another than the store of the actors: hosts must be set up with the same one. False by default. */
  readonly clusterStoreApart?: boolean
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** log2 of the shards a type has; the hosts' must be equal. 10 by default. */
  readonly shardBits?: number
  /** How long the leader row lives without renewal; 3 s by default. A higher value lengthens the wait after a crash. */
  readonly leaderTtlMs?: number
  readonly times?: Partial<LeaderTimes>
  /** How to find out whether a process is gone; a TCP connection by default. */
  readonly probe?: Probe
  /** How hosts' streams arrive; over gRPC by default. */
  readonly serve?: typeof servePlacement
}

export interface PlacementService {
  /** HOST:PORT it listens on. */
  readonly address: string
  status(): LeaderStatus & { readonly leading: boolean }
  /** Gives the leader row back and closes. Hosts keep their table. Never throws. */
  stop(): Promise<void>
}

export const defaultLeaderTimes: LeaderTimes = {
  silenceMs: 2_000, graceMs: 3_000, massSilenceMs: 30_000, batchMs: 50, releaseMs: 5_000,
}

/**
 * Listens, wins the leader row and leads.
 * @throws PORT_TAKEN · BAD_OPTION · STORE_UNAVAILABLE
 * @throws LEADER_HELD when another living leader has the row · CLUSTER_MISMATCH when the stored table has other shard bits
 */
export async function startPlacement(options: PlacementOptions): Promise<PlacementService> {
  const { clock, log, shardBits = 10 } = options
  if (!Number.isInteger(shardBits) || shardBits < 0 || shardBits > 14) {
    throw new TroupeError('BAD_OPTION', `placement: shardBits must be a whole number from 0 to 14, not ${String(shardBits)}`)
  }
  const seat = new LeaderSeat(options, shardBits)
  const server = await (options.serve ?? servePlacement)(options.host ?? '127.0.0.1', options.port ?? 0, seat, clock)
  const leadership = new Leadership({
    ...options, store: options.clusterStore, address: options.advertise ?? server.address, ttlMs: options.leaderTtlMs ?? 3_000,
    elected: term => seat.take(term, () => leadership.lost('the store refused a table of this term')),
    deposed: reason => seat.leave(reason),
  })
  const stop = async (): Promise<void> => {
    seat.leave('this placement service stops')
    // A store that hangs must not keep the process: the row ends by itself.
    await Promise.race([leadership.stop(), sleep(clock, 1_000)])
    await server.close()
  }
  try {
    await leadership.start()
  } catch (error) {
    await stop()
    throw error
  }
  log.info({ address: server.address }, 'placement leads')
  return { address: server.address, status: () => seat.status(), stop }
}

/** Where hosts' streams arrive, whether this service leads or not. */
class LeaderSeat implements PlacementEndpoint {
  readonly #options: PlacementOptions
  readonly #shardBits: number
  #leader: Leader | undefined

  constructor(options: PlacementOptions, shardBits: number) {
    this.#options = options
    this.#shardBits = shardBits
  }

  async take(term: number, deposed: () => void): Promise<void> {
    const { clusterStore: store, clusterStoreApart, times, probe, clock } = this.#options
    const shards = 2 ** this.#shardBits
    const saved = await store.loadTable()
    const record = saved === undefined ? { table: emptyTable(shards), fingerprint: {} } : decodeCluster(saved.bytes, shards)
    const bound = { shardBits: String(this.#shardBits), ...(clusterStoreApart === true ? { clusterStore: store.name } : {}) }
    this.#leader = new Leader({
      ...this.#options, store, deposed, term,
      times: { ...defaultLeaderTimes, ...times },
      probe: probe ?? tcpProbe(clock),
      table: record.table,
      fingerprint: { ...record.fingerprint, ...bound },
      bound,
    })
    this.#leader.start()
  }

  leave(reason: string): void {
    this.#leader?.stop(reason)
    this.#leader = undefined
  }

  receive(session: HostSession, message: Parameters<PlacementEndpoint['receive']>[1]): void {
    if (this.#leader === undefined) {
      session.send({ version: 0, term: 0, kind: 'refused', refused: refusal('NOT_READY', 'this placement service does not lead now', null, true) })
      session.end()
      return
    }
    try {
      this.#leader.receive(session, message)
    } catch (error) {
      // One host's bad message must not end the service for all.
      this.#options.log.error({ err: messageOf(error), kind: message.kind }, 'a message of a host could not be handled')
      session.end()
    }
  }

  closed(session: HostSession): void {
    this.#leader?.closed(session)
  }

  drained(session: HostSession): void {
    this.#leader?.drained(session)
  }

  status(): LeaderStatus & { readonly leading: boolean } {
    const status = this.#leader?.status() ?? { version: 0, term: 0, members: [] }
    return { ...status, leading: this.#leader !== undefined }
  }
}
