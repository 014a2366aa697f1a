/**
 * The leader's decisions: who is in, who is dead, when a table is due. No sockets, no gRPC: sessions, probe, store and clock are ports.
 *
 * - **Join.** A host is checked, added, and hears the first table that has it. The same incarnation coming back changes nothing. Another
 *   incarnation of a known id waits for the verdict on the old one: heard again, here or by a renewal of its lease → DUPLICATE_HOST;
 *   dead → it takes the place (and the shards) of the old one. At the old one's very address a broken stream is verdict enough:
 *   two processes cannot listen there. An incarnation that is dead stays so: FENCED.
 * - **Death.** A lease that is over is revoked (`members.ts`, `lease-watch.ts`). A broken stream or a peer's suspicion starts probes of the
 *   member's address: a refused connection proves that the process is gone, and its lease is ended at once. In both cases the lease
 *   goes first, then the member, then its shards.
 * - **New leader.** Members of the stored table whose lease lasts are members; nobody is waited for. It publishes from its first look
 *   at the leases on.
 */
import type { Clock, Timer } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import type { ClusterStore } from '../stores/cluster-store.ts'
import { Claimants, type Claimant } from './claimants.ts'
import { Flapping, type FlapTimes } from './flapping.ts'
import { HostSessions, type HostSession } from './host-sessions.ts'
import { memberOf, mismatch, refusal, requestProblem, type Fingerprint } from './join-check.ts'
import { LeaseWatch } from './lease-watch.ts'
import type { Member } from './membership.ts'
import { Members, type MemberPhase, type MemberTimes } from './members.ts'
import type { HostMessage } from './messages.ts'
import { Prober, type Probe } from './prober.ts'
import { Remembered } from './remembered.ts'
import { sameMember, type Table } from './table.ts'
import { TablePublisher } from './table-publisher.ts'

export interface LeaderTimes extends MemberTimes {
  /** How long joins and leaves are collected before a table is computed; 50 ms by default. */
  readonly batchMs: number
  /** How long a planned move may wait for its old owner; 5 s by default. Keep it above the hosts' drain time. */
  readonly releaseMs: number
  /** Hosts that come and go. */
  readonly flapping: FlapTimes
}

export interface LeaderParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly store: ClusterStore
  readonly probe: Probe
  readonly times: LeaderTimes
  readonly term: number
  /** Shards of a type that may be in planned moves at once; 256 by default. The rest stays where it is until then. */
  readonly maxMoves: number
  /** Publishes above this version: a host or this process knows it, and the store may have lost it. */
  readonly aboveVersion?: number
  /** When the store failed last as far as this process knows, by its monotonic clock: leases may be over for that. */
  readonly troubleMs?: number
  /** The stored table, or an empty one. */
  readonly table: Table
  readonly fingerprint: Fingerprint
  /** What the placement service itself says of the cluster's options: no host changes it. */
  readonly bound?: Fingerprint
  /** False while the leader row may be another's: nobody's lease is taken away then. */
  leads(): boolean
  /** Another leader was elected: stop this one. */
  deposed(): void
}

export interface MemberStatus extends Member {
  /** *resting*: it came and went too often, and gets shards later. */
  readonly phase: MemberPhase | 'resting'
  readonly shards: number
  /** Until its lease is over; undefined until it was looked at. */
  readonly leaseLeftMs: number | undefined
  /** What is left of its rest. */
  readonly restMs: number
}

export interface LeaderStatus {
  readonly version: number
  readonly term: number
  readonly members: readonly MemberStatus[]
}

/** Incarnations that are dead; beyond them the oldest are forgotten, and found dead again by their lease. */
const MAX_DEAD = 1_000

/** Higher than any cluster comes: a version above it is no version. */
export const MAX_VERSION = 2 ** 48

type JoinMessage = Claimant['join']

export class Leader {
  readonly #parts: LeaderParts
  readonly #members: Members
  readonly #sessions: HostSessions
  readonly #publisher: TablePublisher
  readonly #prober: Prober
  /** Newcomers that wait for the verdict on an older incarnation of their id. */
  readonly #claimants = new Claimants()
  readonly #watch: LeaseWatch
  readonly #flapping: Flapping
  readonly #dead = new Remembered(MAX_DEAD)
  readonly #rests = new Set<Timer>()
  #fingerprint: Fingerprint
  /** The leases have been looked at. */
  #looked = false

  constructor(parts: LeaderParts) {
    const { clock, times, table } = parts
    this.#parts = parts
    this.#fingerprint = parts.fingerprint
    this.#members = new Members(times)
    this.#members.restore(table.members.values(), clock.monotonicMs())
    if (parts.troubleMs !== undefined) this.#members.excuse(parts.troubleMs)
    this.#flapping = new Flapping(times.flapping)
    this.#sessions = new HostSessions(parts.term, table)
    this.#watch = new LeaseWatch({
      ...parts, members: this.#members,
      leads: () => parts.leads(),
      hurried: () => this.#claimants.size > 0,
      looked: () => this.#lookedAtLeases(),
      dead: (member, why) => this.#remove(member, why),
    })
    this.#prober = new Prober(clock, parts.probe, id => this.#members.get(id), id => this.#bury(id, 'its address refuses connections'))
    this.#publisher = new TablePublisher({
      ...parts, releaseMs: times.releaseMs,
      ready: () => this.#looked,
      members: () => this.#members.living(),
      resting: id => this.#flapping.restMs(id, clock.monotonicMs()) > 0,
      fingerprint: () => this.#fingerprint,
      published: (before, after, left) => this.#published(before, after, left),
    })
    this.#publisher.raise(parts.aboveVersion ?? 0)
  }

  /** Starts to watch over the members. */
  start(): void {
    for (const { id } of this.#members.living()) this.#prober.watch(id, () => this.#members.phase(id) === 'expected')
    this.#watch.wake(0)
  }

  /** Ends the watch and tells the hosts to look for the next leader. They keep their table. */
  stop(reason: string): void {
    for (const rest of this.#rests) rest.cancel()
    this.#watch.stop()
    this.#prober.stop()
    this.#publisher.stop()
    this.#claimants.endAll()
    this.#sessions.endAll(reason)
  }

  status(): LeaderStatus {
    const table = this.#publisher.table
    const shards = table.shardCounts()
    const nowMs = this.#parts.clock.monotonicMs()
    const members = [...this.#members.living()].map((member): MemberStatus => {
      const restMs = this.#flapping.restMs(member.id, nowMs)
      const leaseEndsMs = this.#members.leaseEndsMs(member.id)
      const phase = restMs > 0 ? 'resting' : this.#members.phase(member.id)!
      return { ...member, phase, shards: shards.get(member.id) ?? 0, leaseLeftMs: leaseEndsMs === undefined ? undefined : leaseEndsMs - nowMs, restMs }
    })
    return { version: table.version, term: this.#parts.term, members }
  }

  /** A message of a host; the first of a session must be its join. */
  receive(session: HostSession, message: HostMessage): void {
    if (message.kind === 'join') return this.#join(session, message.join, message.version)
    const id = this.#sessions.idOf(session)
    // A newcomer that waits, or a host that was replaced: neither has a say.
    if (id === undefined) return
    this.#heard(id)
    if (message.kind === 'heartbeat') this.#sessions.answerHeartbeat(session)
    else if (message.kind === 'released') this.#publisher.release(id, message.released.sets, message.version)
    else if (message.kind === 'suspect') this.#suspected(id, message.suspect.id)
    else if (message.kind === 'leave') this.#leave(id)
  }

  /** The session's stream broke or ended. */
  closed(session: HostSession): void {
    this.#claimants.drop(session)
    const id = this.#sessions.remove(session)
    if (id === undefined || this.#members.phase(id) !== 'alive') return
    this.#members.doubt(id)
    this.#watch.wake()
    if (this.#claimants.get(id)?.join.address === this.#members.get(id)!.address) return this.#bury(id, 'it was restarted at its old address')
    this.#prober.watch(id, () => this.#members.phase(id) === 'doubted')
  }

  /** The session takes messages again after `send` said that it is full. */
  drained(session: HostSession): void {
    this.#sessions.drained(session)
  }

  #join(session: HostSession, join: JoinMessage, version: number): void {
    const problem = this.#joinProblem(session, join, version)
    if (problem !== undefined) {
      this.#parts.log.warn({ host: join.id, code: problem.code }, problem.message)
      return this.#sessions.refuse(session, problem)
    }
    const old = this.#members.get(join.id)
    if (old !== undefined && old.incarnation !== join.incarnation) return this.#contest({ session, join, version }, old)
    this.#admit(session, join, version)
  }

  #joinProblem(session: HostSession, join: JoinMessage, version: number): ReturnType<typeof requestProblem> {
    if (this.#sessions.idOf(session) !== undefined) return refusal('PROTOCOL', `placement: host ${JSON.stringify(join.id)} joined twice on one stream`)
    // Versions go on above what hosts know (`raise`), so one wild number would use them all up.
    if (version > MAX_VERSION) return refusal('PROTOCOL', `placement: host ${JSON.stringify(join.id)} says it has table version ${version}`)
    const problem = requestProblem(join, this.#publisher.table.types.size)
    if (problem !== undefined) return problem
    if (this.#dead.has(join.incarnation) && !join.leaving) {
      return refusal('FENCED', `placement: the lease of host ${JSON.stringify(join.id)} (incarnation ${join.incarnation}) was revoked; its shards are others', it can join again as a new incarnation`)
    }
    return mismatch(join.id, this.#fingerprintFor(join), join.fingerprint)
  }

  /**
   * The first host of a cluster without members says how it is set up; what the service says stays. A host that names a cluster store
   * must name this one.
   */
  #fingerprintFor(join: JoinMessage): Fingerprint {
    const { bound, store } = this.#parts
    const alone = [...this.#members.living()].every(member => member.id === join.id)
    if (!alone) return this.#fingerprint
    const named = join.fingerprint.clusterStore === undefined ? {} : { clusterStore: store.name }
    return { ...join.fingerprint, ...named, ...bound }
  }

  #contest(claimant: Claimant, old: Member): void {
    const { session, join } = claimant
    if (!this.#claimants.add(claimant)) return this.#sessions.refuse(session, duplicate(join.id, old))
    if (old.address === join.address && this.#members.phase(join.id) !== 'alive') return this.#bury(join.id, 'it was restarted at its old address')
    this.#prober.watch(join.id, () => this.#claimants.get(join.id)?.session === session)
    this.#watch.wake(0)
  }

  #admit(session: HostSession, join: JoinMessage, version: number): void {
    const { clock, log, times } = this.#parts
    const known = this.#members.get(join.id)
    const back = known?.incarnation === join.incarnation
    if (join.leaving && !back) return this.#sessions.left(session)
    this.#fingerprint = this.#fingerprintFor(join)
    const member = memberOf(join, join.leaving || (back && known.leaving))
    this.#members.put(back && sameMember(known, member) ? known : member, clock.monotonicMs())
    this.#sessions.add(session, member)
    this.#publisher.raise(version)
    this.#publisher.request(times.batchMs)
    if (back) return
    log.info({ host: join.id, address: join.address, types: join.types }, 'a host joined')
    // Whether its lease is there: it may have been taken away by a leader before this one.
    this.#watch.wake(0)
    this.#rest(join.id)
  }

  #rest(id: string): void {
    const { clock, log } = this.#parts
    const restMs = this.#flapping.joined(id, clock.monotonicMs())
    if (restMs === 0) return
    log.warn({ host: id, restMs }, 'a host comes and goes; it gets its shards after a rest')
    const timer = clock.after(restMs, () => {
      this.#rests.delete(timer)
      this.#publisher.request(0)
    })
    this.#rests.add(timer)
  }

  #heard(id: string): void {
    this.#members.heard(id, this.#parts.clock.monotonicMs())
    this.#refuseClaimant(id)
  }

  #refuseClaimant(id: string): void {
    const claimant = this.#claimants.take(id)
    if (claimant !== undefined) this.#sessions.refuse(claimant.session, duplicate(id, this.#members.get(id)!))
  }

  #suspected(by: string, id: string): void {
    if (this.#members.get(id) === undefined) return
    this.#parts.log.debug({ host: id, by }, 'a peer suspects a host')
    this.#prober.watch(id, () => this.#members.phase(id) === 'doubted')
  }

  #leave(id: string): void {
    this.#members.leave(id)
    this.#publisher.request(this.#parts.times.batchMs)
    this.#parts.log.info({ host: id }, 'a host leaves')
  }

  /** Its process is gone: its lease is ended, then it is removed. */
  #bury(id: string, why: string): void {
    const member = this.#members.get(id)
    if (member !== undefined) this.#watch.end(member, why)
  }

  /** Its lease was taken away. */
  #remove({ id, incarnation, leaving }: Member, why: string): void {
    if (this.#members.get(id)?.incarnation !== incarnation) return
    const nowMs = this.#parts.clock.monotonicMs()
    this.#members.remove(id)
    this.#sessions.endOf(id)
    this.#dead.add(incarnation)
    if (leaving) this.#flapping.left(id, nowMs)
    else this.#flapping.died(id, nowMs)
    this.#parts.log.warn({ host: id, incarnation }, `a host is dead: ${why}`)
    const claimant = this.#claimants.take(id)
    if (claimant !== undefined) this.#admit(claimant.session, claimant.join, claimant.version)
    this.#publisher.request(0)
  }

  #lookedAtLeases(): void {
    for (const id of this.#claimants.looked(old => this.#members.leaseEndsMs(old))) this.#refuseClaimant(id)
    if (this.#looked) return
    this.#looked = true
    this.#publisher.request(0)
  }

  #published(before: Table, after: Table, left: readonly Member[]): void {
    this.#parts.log.info({ version: after.version, members: after.members.size }, 'a placement table was published')
    this.#sessions.publish(before, after)
    for (const member of left) {
      if (this.#members.get(member.id)?.incarnation !== member.incarnation) continue
      this.#members.remove(member.id)
      this.#flapping.left(member.id, this.#parts.clock.monotonicMs())
      this.#sessions.leftOf(member.id)
    }
  }
}

const duplicate = (id: string, old: Member): ReturnType<typeof refusal> => refusal('DUPLICATE_HOST',
  `a living host at ${old.address} has the id ${JSON.stringify(id)}; give each host its own --host-id, or stop the other one first`,
  { id, address: old.address })
