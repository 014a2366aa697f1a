/**
 * Where hosts' streams arrive, whether this process leads or not: a `Leader` while it does, and else who does.
 */
import { messageOf, type TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { decodeCluster, type ClusterRecord } from './cluster-record.ts'
import type { HostSession } from './host-sessions.ts'
import { refusal } from './join-check.ts'
import { Leader, MAX_VERSION, type LeaderParts, type LeaderStatus } from './leader.ts'
import type { HostMessage } from './messages.ts'
import type { PlacementEndpoint } from './placement-link.ts'
import { emptyTable } from './table.ts'

export interface CandidateStatus extends LeaderStatus {
  /** This candidate leads. Version, term and members are the leader's: 0 and none when it does not. */
  readonly leading: boolean
  /** HOST:PORT of the leader, as last seen; '' when nobody is known. */
  readonly leader: string
}

export interface SeatParts extends Omit<LeaderParts, 'term' | 'table' | 'fingerprint' | 'bound' | 'deposed' | 'troubleMs' | 'aboveVersion'> {
  readonly log: Logger
  readonly shardBits: number
  /** The cluster store is another than the store of the actors. */
  readonly clusterStoreApart: boolean
  readonly namespace: string | undefined
  /** Who leads, as the leader row says. */
  leader(): string | undefined
  /** Why this process cannot lead this cluster, if it has been found so. */
  unfit(): TroupeError | undefined
  /** A host looks for its leader here while this one does not lead. */
  asked(): void
}

export class LeaderSeat implements PlacementEndpoint {
  readonly #parts: SeatParts
  #leader: Leader | undefined
  /** The highest version that was heard of here. A store that lost its rows must not make epochs go back, which claims rest on. */
  #version = 0

  constructor(parts: SeatParts) {
    this.#parts = parts
  }

  /**
   * Leads from the stored table on. `troubleMs`: when the store failed last.
   * @throws CLUSTER_MISMATCH when it has other shard bits · PROTOCOL when it is no cluster's · STORE_UNAVAILABLE
   */
  async take(term: number, troubleMs: number, deposed: () => void): Promise<void> {
    const { table, fingerprint } = await this.loadRecord()
    const bound = {
      shardBits: String(this.#parts.shardBits), ...(this.#parts.clusterStoreApart ? { clusterStore: this.#parts.store.name } : {}),
      ...(this.#parts.namespace === undefined ? {} : { namespace: this.#parts.namespace }),
    }
    this.#leader = new Leader({ ...this.#parts, deposed, term, troubleMs, table, fingerprint: { ...fingerprint, ...bound }, bound, aboveVersion: this.#version })
    this.#leader.start()
  }

  /** What the cluster store has of this cluster. @throws as `take` */
  async loadRecord(): Promise<ClusterRecord> {
    const shards = 2 ** this.#parts.shardBits
    const saved = await this.#parts.store.loadTable()
    return saved === undefined ? { table: emptyTable(shards), fingerprint: {} } : decodeCluster(saved.bytes, shards)
  }

  leave(reason: string): void {
    this.#version = Math.max(this.#version, this.#leader?.status().version ?? 0)
    this.#leader?.stop(reason)
    this.#leader = undefined
  }

  receive(session: HostSession, message: HostMessage): void {
    if (this.#leader === undefined) return this.#sendOn(session, message)
    try {
      this.#leader.receive(session, message)
    } catch (error) {
      // One host's bad message must not end the service for all.
      this.#parts.log.error({ err: messageOf(error), kind: message.kind }, 'a message of a host could not be handled')
      session.end()
    }
  }

  closed(session: HostSession): void {
    this.#leader?.closed(session)
  }

  drained(session: HostSession): void {
    this.#leader?.drained(session)
  }

  status(): CandidateStatus {
    const status = this.#leader?.status() ?? { version: 0, term: 0, members: [] }
    return { ...status, leading: this.#leader !== undefined, leader: this.#parts.leader() ?? '' }
  }

  #sendOn(session: HostSession, message: HostMessage): void {
    if (message.version <= MAX_VERSION) this.#version = Math.max(this.#version, message.version)
    const unfit = this.#parts.unfit()
    // Only to a host that was set up as this process: another one may fit the cluster, and waits for its leader.
    const alike = message.kind === 'join' && message.join.fingerprint.shardBits === String(this.#parts.shardBits)
    const leader = this.#parts.leader() ?? null
    const refused = unfit !== undefined && alike
      ? refusal(unfit.code, unfit.message, unfit.data)
      : refusal('NOT_READY', `this placement service does not lead now; ${leader === null ? 'nobody is known to' : `${leader} does`}`, { leader }, true)
    session.send({ version: 0, term: 0, kind: 'refused', refused })
    session.end()
    this.#parts.asked()
  }
}
