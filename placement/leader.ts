/**
 * The leader's decisions: who is in, who is dead, when a table is due. No sockets, no gRPC: sessions, probe, store and clock are ports.
 *
 * - **Join.** A host is checked, added, and hears the first table that has it. The same incarnation coming back changes nothing. Another
 *   incarnation of a known id waits for the verdict on the old one: heard again → DUPLICATE_HOST; dead → it takes the place (and the
 *   shards) of the old one. At the old one's very address a broken stream is verdict enough: two processes cannot listen there.
 * - **Death.** A broken stream or a peer's suspicion starts probes of the member's address: a refused connection proves that the
 *   process is gone. Otherwise silence decides (`members.ts`).
 * - **New leader.** While members of the stored table may still come back, nothing is published.
 */
import type { Clock, Timer } from '../core/clock.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import type { ClusterStore } from '../stores/cluster-store.ts'
import { HostSessions, type HostSession } from './host-sessions.ts'
import { memberOf, mismatch, refusal, requestProblem, type Fingerprint } from './join-check.ts'
import type { Member } from './membership.ts'
import { Members, type MemberPhase, type MemberTimes } from './members.ts'
import type { HostMessage } from './messages.ts'
import { Prober, type Probe } from './prober.ts'
import { sameMember, type Table } from './table.ts'
import { TablePublisher } from './table-publisher.ts'

export interface LeaderTimes extends MemberTimes {
  /** How long joins and leaves are collected before a table is computed; 50 ms by default. */
  readonly batchMs: number
  /** How long a planned move may wait for its old owner; 5 s by default. Keep it above the hosts' drain time. */
  readonly releaseMs: number
}

export interface LeaderParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly store: ClusterStore
  readonly probe: Probe
  readonly times: LeaderTimes
  readonly term: number
  /** The stored table, or an empty one. */
  readonly table: Table
  readonly fingerprint: Fingerprint
  /** What the placement service itself says of the cluster's options: no host changes it. */
  readonly bound?: Fingerprint
  /** Another leader was elected: stop this one. */
  deposed(): void
}

export interface LeaderStatus {
  readonly version: number
  readonly term: number
  readonly members: readonly (Member & { readonly phase: MemberPhase; readonly shards: number })[]
}

const MAX_VERSION = 2 ** 48

type JoinMessage = Extract<HostMessage, { kind: 'join' }>['join']

export class Leader {
  readonly #parts: LeaderParts
  readonly #members: Members
  readonly #sessions: HostSessions
  readonly #publisher: TablePublisher
  readonly #prober: Prober
  /** Newcomers that wait for the verdict on an older incarnation of their id. */
  readonly #claimants = new Map<string, { session: HostSession; join: JoinMessage }>()
  #fingerprint: Fingerprint
  #settling: boolean
  #tick: Timer | undefined

  constructor(parts: LeaderParts) {
    const { clock, times, table } = parts
    this.#parts = parts
    this.#fingerprint = parts.fingerprint
    this.#members = new Members(times, clock.monotonicMs())
    this.#members.restore(table.members.values(), clock.monotonicMs())
    this.#settling = this.#members.settling
    this.#sessions = new HostSessions(parts.term, table)
    this.#prober = new Prober(clock, parts.probe, id => this.#members.get(id), id => this.#bury(id, 'its address refuses connections'))
    this.#publisher = new TablePublisher({
      ...parts, releaseMs: times.releaseMs,
      ready: () => !this.#settling,
      members: () => this.#members.living(),
      fingerprint: () => this.#fingerprint,
      published: (before, after, left) => this.#published(before, after, left),
    })
  }

  /** Starts to watch over the members. */
  start(): void {
    for (const { id } of this.#members.living()) this.#prober.watch(id, () => this.#members.phase(id) === 'expected')
    this.#sweepLater()
  }

  /** Ends the watch and tells the hosts to look for the next leader. They keep their table. */
  stop(reason: string): void {
    this.#tick?.cancel()
    this.#prober.stop()
    this.#publisher.stop()
    for (const { session } of this.#claimants.values()) session.end()
    this.#sessions.endAll(reason)
  }

  status(): LeaderStatus {
    const table = this.#publisher.table
    const shards = table.shardCounts()
    const members = [...this.#members.living()].map(m => ({ ...m, phase: this.#members.phase(m.id)!, shards: shards.get(m.id) ?? 0 }))
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
    for (const [id, claimant] of this.#claimants) if (claimant.session === session) this.#claimants.delete(id)
    const id = this.#sessions.remove(session)
    if (id === undefined || this.#members.phase(id) !== 'alive') return
    this.#members.doubt(id)
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
    if (old !== undefined && old.incarnation !== join.incarnation) {
      if (old.address !== join.address || this.#members.phase(join.id) === 'alive') return this.#contest(session, join, old)
      this.#parts.log.info({ host: join.id }, 'a host was restarted at its old address')
    }
    this.#admit(session, join, version)
  }

  #joinProblem(session: HostSession, join: JoinMessage, version: number): ReturnType<typeof requestProblem> {
    if (this.#sessions.idOf(session) !== undefined) return refusal('PROTOCOL', `placement: host ${JSON.stringify(join.id)} joined twice on one stream`)
    // Versions go on above what hosts know (`raise`), so one wild number would use them all up.
    if (version > MAX_VERSION) return refusal('PROTOCOL', `placement: host ${JSON.stringify(join.id)} says it has table version ${version}`)
    const problem = requestProblem(join, this.#publisher.table.types.size)
    if (problem !== undefined) return problem
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

  #contest(session: HostSession, join: JoinMessage, old: Member): void {
    if (this.#claimants.has(join.id)) return this.#sessions.refuse(session, duplicate(join.id, old))
    this.#claimants.set(join.id, { session, join })
    this.#prober.watch(join.id, () => this.#claimants.get(join.id)?.session === session)
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
    this.#settle()
    if (!back) log.info({ host: join.id, address: join.address, types: join.types }, 'a host joined')
  }

  #heard(id: string): void {
    this.#members.heard(id, this.#parts.clock.monotonicMs())
    const claimant = this.#claimants.get(id)
    if (claimant === undefined) return
    this.#claimants.delete(id)
    this.#sessions.refuse(claimant.session, duplicate(id, this.#members.get(id)!))
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

  #bury(id: string, why: string): void {
    if (this.#members.get(id) === undefined) return
    this.#members.remove(id)
    this.#sessions.endOf(id)
    this.#parts.log.warn({ host: id }, `a host is dead: ${why}`)
    const claimant = this.#claimants.get(id)
    this.#claimants.delete(id)
    if (claimant !== undefined) this.#admit(claimant.session, claimant.join, 0)
    this.#publisher.request(0)
    this.#settle()
  }

  /** The stored members are all back, or given up: from now on tables are published. */
  #settle(): void {
    if (!this.#settling || this.#members.settling) return
    this.#settling = false
    this.#publisher.request(0)
  }

  #sweepLater(): void {
    this.#tick = this.#parts.clock.after(this.#parts.times.silenceMs / 8, () => {
      const wasMass = this.#members.suspectsItself
      for (const id of this.#members.sweep(this.#parts.clock.monotonicMs())) this.#bury(id, 'it was silent for too long')
      if (this.#members.suspectsItself && !wasMass) this.#parts.log.error({}, 'more than half of the hosts are silent at once: the fault may be here, nothing is moved')
      this.#sweepLater()
    })
  }

  #published(before: Table, after: Table, left: readonly Member[]): void {
    this.#parts.log.info({ version: after.version, members: after.members.size }, 'a placement table was published')
    this.#sessions.publish(before, after)
    for (const member of left) {
      if (this.#members.get(member.id)?.incarnation !== member.incarnation) continue
      this.#members.remove(member.id)
      this.#sessions.leftOf(member.id)
    }
  }
}

const duplicate = (id: string, old: Member): ReturnType<typeof refusal> => refusal('DUPLICATE_HOST',
  `a living host at ${old.address} has the id ${JSON.stringify(id)}; give each host its own --host-id, or stop the other one first`,
  { id, address: old.address })
