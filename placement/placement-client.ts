/**
 * A host's part in a cluster with a placement service. Decisions over the ports `Dial` and `LeaseHolder`; gRPC is an adapter of the first.
 *
 * The host opens a lease and then looks for whoever leads, for ever, with backoff; a renewal that names a newer leader is followed at
 * once. It comes back with the same incarnation, so that a broken stream or a change of leader moves nothing. The table stays in force
 * meanwhile (P9), and newer ones come through renewals (`table-catch-up.ts`). Tables and terms that are lower than what was seen are refused.
 * Nothing queues while no leader is there: what was released and that the host leaves is remembered and said again.
 *
 * The membership is over when the service refuses the host, or the store has revoked its lease: told once (`onExpelled`). Being
 * cut off from the service alone is no end.
 */
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { mechanisms } from '../core/mechanisms.ts'
import type { Random } from '../core/random.ts'
import type { ClusterStore, LeaderRow } from '../stores/cluster-store.ts'
import { addressProblem } from './addresses.ts'
import { backoffMs } from './backoff.ts'
import { LeaderSearch } from './leader-search.ts'
import type { LeaseHolder, LeaseNews } from './lease.ts'
import type { JoinRequest, Membership, PlacementTable, TableChange } from './membership.ts'
import type { PlacementMessage, Refusal } from './messages.ts'
import type { Dial, PlacementLink } from './placement-link.ts'
import { grpcDial } from './placement-grpc.ts'
import { Releases } from './releases.ts'
import { applyDelta, decodeTable } from './table-codec.ts'
import { TableCatchUp } from './table-catch-up.ts'
import { TableView } from './table-view.ts'
import { emptyTable, type Table } from './table.ts'

/** A host that waits longer for its place says so: nothing else would tell a user what it does. */
const SAY_WAITING_MS = 1_000
/** How long a leaving host goes on alone when its service is away, and how often it looks. */
const LEAVE_ALONE_MS = 1_000
const LEAVE_LOOK_MS = 100

export interface PlacementClientOptions {
  /** HOST:PORT of placement services, or several in one string with commas; none: the leader row alone says where. */
  readonly addresses: string | readonly string[]
  /** The lease of this membership, not open yet: `join` opens it under the incarnation, and this client closes it. */
  readonly lease: LeaseHolder
  /** Where tables are found while the service is away; open, and left open. */
  readonly clusterStore: ClusterStore
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** log2 of the shards a type has; as the cluster's. 10 by default. */
  readonly shardBits?: number
  /** 500 ms by default. Raising it delays the discovery that the stream is broken. */
  readonly heartbeatMs?: number
  /** Silence of the service after which the stream counts as broken; 2.5 s by default. */
  readonly silenceMs?: number
  /** gRPC by default. */
  readonly dial?: Dial
}

/** new → opening (the lease) → joining (a leader, its first table) → member → ended. */
type Phase = 'new' | 'opening' | 'joining' | 'member' | 'ended'

export class PlacementClient implements Membership {
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Logger
  readonly #lease: LeaseHolder
  readonly #storeName: string
  readonly #heartbeatMs: number
  readonly #silenceMs: number
  readonly #dial: Dial
  readonly #view: TableView
  readonly #catchUp: TableCatchUp
  readonly #search: LeaderSearch
  readonly #releases = new Releases()
  readonly #expelled: ((reason: Error) => void)[] = []
  readonly #leaderLost: (() => void)[] = []
  #self: JoinRequest | undefined
  #phase: Phase = 'new'
  #joining: { resolve(): void; reject(error: Error): void } | undefined
  #leaving: (() => void) | undefined
  #asksToLeave = false
  #link: PlacementLink | undefined
  #dialed: string | undefined
  #connected = false
  #heardMs = 0
  /** The highest term that was seen, and that of the present link. */
  #term = 0
  #linkTerm = 0
  #timer: Timer | undefined
  #lastProblem = 'no answer'

  /** @throws BAD_OPTION naming each address that is not HOST:PORT */
  constructor(options: PlacementClientOptions) {
    const { clock, random, log, lease, clusterStore } = options
    this.#clock = clock
    this.#random = random
    this.#log = log
    this.#lease = lease
    this.#storeName = clusterStore.name
    this.#search = new LeaderSearch(checkedAddresses(options.addresses))
    this.#heartbeatMs = options.heartbeatMs ?? 500
    this.#silenceMs = options.silenceMs ?? 2_500
    this.#dial = options.dial ?? grpcDial()
    const shards = 2 ** (options.shardBits ?? 10)
    this.#view = new TableView(clock, emptyTable(shards))
    this.#catchUp = new TableCatchUp({
      clusterStore, clock, log, shards, version: () => this.#view.table.version, found: (table, term) => this.#storedTable(table, term),
    })
    lease.onNews(news => this.#news(news))
    lease.onRevoked(() => this.#revoked())
  }

  get table(): PlacementTable {
    return this.#view.table
  }

  get connected(): boolean {
    return this.#connected
  }

  mayServe(): boolean {
    return this.#lease.valid() || mechanisms.off?.has('lease') === true
  }

  join(self: JoinRequest, timeoutMs: number): Promise<void> {
    if (this.#phase !== 'new') return Promise.reject(new TroupeError('INTERNAL', 'placement: this client has joined before; make a new one for another membership'))
    this.#phase = 'opening'
    this.#self = self
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(timeoutMs, () => this.#joining?.reject(this.#tooLate(timeoutMs)), true)
      const notice = this.#clock.after(SAY_WAITING_MS, () => this.#log.info({ placement: this.#search.addresses, reason: this.#lastProblem }, 'waiting for placement'), true)
      const settle = (): void => {
        timer.cancel()
        notice.cancel()
        this.#joining = undefined
      }
      this.#joining = {
        resolve: () => { settle(); this.#phase = 'member'; resolve() },
        reject: error => { settle(); this.#end(); reject(error) },
      }
      this.#lease.open(self.incarnation).then(() => this.#leaseOpened(), (error: Error) => this.#joining?.reject(error))
    })
  }

  #leaseOpened(): void {
    if (this.#phase !== 'opening') return
    this.#phase = 'joining'
    // News of the lease may have been first.
    if (this.#link === undefined) this.#connect()
  }

  #tooLate(timeoutMs: number): TroupeError {
    if (this.#phase === 'opening') return new TroupeError('STORE_UNAVAILABLE', `no lease could be opened in ${this.#storeName} within ${timeoutMs} ms`)
    const { addresses } = this.#search
    const why = addresses.length === 0
      ? `no process leads placement: ${this.#storeName} had no leader row within ${timeoutMs} ms; start hosts without --placement, or a troupe placement, on this store`
      : `no placement service at ${addresses.join(', ')} took this host in within ${timeoutMs} ms (${this.#lastProblem}); is it running there?`
    return new TroupeError('PLACEMENT_UNREACHABLE', why, { data: { addresses } })
  }

  onChange(listener: (change: TableChange) => void): void {
    this.#view.onChange(listener)
  }

  onExpelled(listener: (reason: Error) => void): void {
    this.#expelled.push(listener)
  }

  /** Called when the stream to the leader breaks that this host was connected to. */
  onLeaderLost(listener: () => void): void {
    this.#leaderLost.push(listener)
  }

  /** Somebody else on this host has seen who leads: looked into at once when it is news. */
  leaderMayBe(address: string | undefined): void {
    if (!this.#search.heard(address) || !this.#seeks || address === this.#dialed) return
    // That one may be behind. A renewal knows the term.
    if (this.#connected) this.#lease.renewNow()
    else this.#redial(`the leader may be at ${address}`)
  }

  waitFor(version: number, timeoutMs: number): Promise<boolean> {
    if (this.#phase === 'ended') return Promise.resolve(this.#view.table.version >= version)
    if (!this.#connected && version > this.#view.table.version) this.#lease.renewNow()
    return this.#view.waitFor(version, timeoutMs)
  }

  released(shards: readonly { type: string; shard: number }[]): void {
    this.#releases.add(shards)
    this.#sayReleased()
  }

  suspect(memberId: string): void {
    if (this.#connected) this.#link?.send({ version: this.#view.table.version, kind: 'suspect', suspect: { id: memberId } })
  }

  leave(timeoutMs: number): Promise<void> {
    if (this.#phase === 'new' || this.#phase === 'ended') return Promise.resolve()
    this.#asksToLeave = true
    return new Promise(resolve => {
      const done = (): void => {
        timer.cancel()
        this.#leaving = undefined
        resolve()
      }
      const timer = this.#clock.after(timeoutMs, done, true)
      this.#leaving = done
      this.#watchLeave(done)
      if (this.#connected) this.#link?.send({ version: this.#view.table.version, kind: 'leave', leave: {} })
    })
  }

  /** Without the service nothing can be moved: a leave that hears nothing of it for a while ends. */
  #watchLeave(done: () => void): void {
    let silentMs = 0
    const look = (): void => {
      if (this.#leaving !== done || this.#phase === 'ended') return
      silentMs = this.#connected ? 0 : silentMs + LEAVE_LOOK_MS
      if (silentMs >= LEAVE_ALONE_MS) done()
      else this.#clock.after(LEAVE_LOOK_MS, look, true)
    }
    look()
  }

  /** Ends what `leave` has left: the lease too, which is released when the host asked to leave, and otherwise runs out. */
  async close(): Promise<void> {
    this.#joining?.reject(new TroupeError('PLACEMENT_UNREACHABLE', 'the membership was closed before the host was taken in'))
    this.#end()
    await this.#lease.close(this.#asksToLeave)
  }

  /** The stream, the waits, and, unless the host was a member and has only left, the lease. */
  #end(): void {
    const was = this.#phase
    this.#phase = 'ended'
    this.#timer?.cancel()
    this.#connected = false
    this.#link?.close()
    this.#link = undefined
    this.#catchUp.close()
    this.#view.close()
    this.#leaving?.()
    // It never served anything under this lease.
    if (was === 'opening' || was === 'joining') void this.#lease.close(true)
  }

  #expel(error: TroupeError): void {
    if (this.#phase === 'ended') return
    if (this.#joining !== undefined) return this.#joining.reject(error)
    this.#end()
    void this.#lease.close(false)
    for (const listener of this.#expelled) listener(error)
  }

  // ---- the lease --------------------------------------------------------------------------------------------------

  #news({ version, leader }: LeaseNews): void {
    if (this.#phase === 'ended') return
    if (leader !== undefined && this.#search.saw(leader)) this.#leads(leader)
    // The first table of a host is its welcome, and comes by the stream alone.
    if (this.#phase === 'member') this.#catchUp.heard(version, this.#connected)
  }

  #leads({ address, term }: LeaderRow): void {
    if (!this.#seeks) return
    if (this.#link !== undefined && this.#dialed === address) return
    // The stream may have told of this term, or a later one, before the renewal did.
    if (this.#connected && this.#linkTerm >= term) return
    this.#redial(`placement is led from ${address} now`)
  }

  #revoked(): void {
    this.#expel(new TroupeError('FENCED',
      'the lease of this host was revoked: it was not renewed in time, and what the host owned was given to others', { executed: 'unknown' }))
  }

  #storedTable(table: Table, term: number): void {
    if (this.#phase !== 'member') return
    if (term < this.#term && !mechanisms.off?.has('table-term')) return this.#log.warn({ term, seen: this.#term }, 'the stored placement table is of an earlier leader than was seen; it is not taken')
    this.#term = Math.max(this.#term, term)
    this.#view.advance(table)
    if (this.#self !== undefined) this.#releases.forget(this.#view.table, this.#self.id)
  }

  // ---- the stream -------------------------------------------------------------------------------------------------

  /** Whether this client wants a stream. */
  get #seeks(): boolean {
    return this.#phase === 'joining' || this.#phase === 'member'
  }

  #connect(): void {
    this.#timer?.cancel()
    const address = this.#search.next
    if (address === undefined) return this.#retry('no leader row in the cluster store')
    this.#heardMs = this.#clock.monotonicMs()
    this.#dialed = address
    this.#linkTerm = 0
    const link: PlacementLink = this.#dial(address, {
      message: message => this.#link === link && this.#receive(message),
      closed: reason => { if (this.#link === link) this.#broke(`${address}: ${messageOf(reason)}`) },
    })
    this.#link = link
    const { version } = this.#view.table
    link.send({ version, kind: 'join', join: { ...this.#self!, leaving: this.#asksToLeave } })
    this.#beat()
  }

  /** Heartbeats, and the notice that nothing is heard any more. While joining the service may be silent: it waits for a verdict. */
  #beat(): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.after(this.#heartbeatMs, () => {
      const silentMs = this.#clock.monotonicMs() - this.#heardMs
      if (silentMs >= (this.#connected ? this.#silenceMs : 4 * this.#silenceMs)) return this.#broke(`silent for ${Math.round(silentMs)} ms`)
      if (this.#connected) this.#link?.send({ version: this.#view.table.version, kind: 'heartbeat', heartbeat: {} })
      this.#beat()
    })
  }

  #broke(reason: string): void {
    const was = this.#connected
    this.#drop(reason)
    this.#search.failed()
    this.#retry(reason)
    if (was) for (const listener of this.#leaderLost) listener()
  }

  #retry(reason: string): void {
    this.#lastProblem = reason
    if (!this.#seeks) return
    // Who leads now is what the next attempt needs to know.
    this.#lease.renewNow()
    this.#timer?.cancel()
    this.#timer = this.#clock.after(backoffMs(this.#search.rounds, 25, 1_000, this.#random), () => this.#connect())
  }

  #redial(reason: string): void {
    this.#drop(reason)
    this.#connect()
  }

  #drop(reason: string): void {
    const link = this.#link
    this.#link = undefined
    if (this.#connected) this.#log.warn({ reason }, 'the stream to placement ended; the table stays in force')
    this.#connected = false
    link?.close()
  }

  #receive(message: PlacementMessage): void {
    this.#heardMs = this.#clock.monotonicMs()
    if (message.kind === 'refused') return this.#refused(message.refused)
    if (message.kind === 'notice') return this.#broke(message.notice.reason)
    if (message.term < this.#term && !mechanisms.off?.has('table-term')) return this.#broke(`its term ${message.term} is over, ${this.#term} was seen`)
    this.#term = message.term
    this.#linkTerm = message.term
    if (message.kind === 'left') return this.#left()
    if (message.kind === 'full' || message.kind === 'delta') this.#tableCame(message)
  }

  #tableCame(message: Extract<PlacementMessage, { kind: 'full' | 'delta' }>): void {
    const { table } = this.#view
    try {
      // What came another way already is no step back: the stream goes on from it.
      if (message.version > table.version || mechanisms.off?.has('table-order')) this.#view.advance(message.kind === 'delta' ? applyDelta(table, message.delta) : decodeTable(message.full, table.shards))
    } catch (error) {
      this.#log.error({ err: messageOf(error) }, 'a placement table could not be taken')
      // The next stream starts with a full table.
      return this.#broke(messageOf(error))
    }
    this.#releases.forget(this.#view.table, this.#self!.id)
    // A listener may have closed this membership.
    if (!this.#seeks || this.#connected) return
    this.#connected = true
    this.#search.succeeded()
    this.#sayReleased()
    if (this.#asksToLeave) this.#link?.send({ version: this.#view.table.version, kind: 'leave', leave: {} })
    this.#joining?.resolve()
  }

  #sayReleased(): void {
    const sets = this.#releases.sets()
    if (this.#connected && sets.length > 0) this.#link?.send({ version: this.#view.table.version, kind: 'released', released: { sets } })
  }

  #refused(refusal: Refusal): void {
    if (refusal.retry) return this.#broke(refusal.message)
    this.#expel(new TroupeError(refusal.code, refusal.message, { data: parsed(refusal.data) }))
  }

  #left(): void {
    this.#asksToLeave = true
    this.#end()
  }
}

/** Facts for programs; a service of another version may write what this one cannot read. */
function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}

function checkedAddresses(given: string | readonly string[]): readonly string[] {
  const addresses = (typeof given === 'string' ? given.split(',') : given).map(address => address.trim()).filter(address => address !== '')
  const problems = addresses.flatMap(address => (addressProblem(address) === undefined ? [] : [JSON.stringify(address)]))
  if (problems.length > 0) throw new TroupeError('BAD_OPTION', `placement: ${problems.join(' and ')} is no address; write HOST:PORT, several with commas`)
  return addresses
}
