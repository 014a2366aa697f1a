/**
 * A host's part in a cluster with a placement service. Decisions over the ports `Dial` and `LeaseHolder`; gRPC is an adapter of the first.
 *
 * The host opens a lease and then looks for whoever leads (`leader-stream.ts`). It comes back with the same incarnation, so that a
 * broken stream or a change of leader moves nothing. The table stays in force meanwhile (P9), and newer ones come through renewals of the
 * lease (`table-catch-up.ts`). Tables and terms that are lower than what was seen are refused. Nothing queues while no leader
 * is there: what was released and that the host leaves is remembered and said again.
 *
 * The membership is over when the service refuses the host, or the store has revoked its lease: told once (`onExpelled`). Being
 * cut off from the service alone is no end.
 */
import type { Clock } from '../core/clock.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { mechanisms } from '../core/mechanisms.ts'
import type { Random } from '../core/random.ts'
import type { ClusterStore } from '../stores/cluster-store.ts'
import { addressProblem } from './addresses.ts'
import { LeaderStream } from './leader-stream.ts'
import type { LeaseHolder, LeaseNews } from './lease.ts'
import type { JoinRequest, Membership, PlacementTable, TableChange } from './membership.ts'
import type { PlacementMessage, Refusal } from './messages.ts'
import type { Dial } from './placement-link.ts'
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
  readonly #log: Logger
  readonly #lease: LeaseHolder
  readonly #storeName: string
  readonly #view: TableView
  readonly #catchUp: TableCatchUp
  readonly #stream: LeaderStream
  readonly #releases = new Releases()
  readonly #expelled: ((reason: Error) => void)[] = []
  #self: JoinRequest | undefined
  #phase: Phase = 'new'
  #joining: { resolve(): void; reject(error: Error): void } | undefined
  #leaving: (() => void) | undefined
  #asksToLeave = false
  /** The highest term that was seen. */
  #term = 0

  /** @throws BAD_OPTION naming each address that is not HOST:PORT */
  constructor(options: PlacementClientOptions) {
    const { clock, random, log, lease, clusterStore } = options
    this.#clock = clock
    this.#log = log
    this.#lease = lease
    this.#storeName = clusterStore.name
    const shards = 2 ** (options.shardBits ?? 10)
    this.#view = new TableView(clock, emptyTable(shards))
    this.#catchUp = new TableCatchUp({
      clusterStore, clock, log, shards, version: () => this.#view.table.version, found: (table, term) => this.#storedTable(table, term),
    })
    this.#stream = new LeaderStream({
      clock, random, log, dial: options.dial ?? grpcDial(), addresses: checkedAddresses(options.addresses),
      heartbeatMs: options.heartbeatMs ?? 500, silenceMs: options.silenceMs ?? 2_500, version: () => this.#view.table.version,
      hello: () => ({ version: this.#view.table.version, kind: 'join', join: { ...this.#self!, leaving: this.#asksToLeave } }),
      received: message => this.#receive(message), searching: () => lease.renewNow(),
    })
    lease.onNews(news => this.#news(news))
    lease.onRevoked(() => this.#revoked())
  }

  get table(): PlacementTable {
    return this.#view.table
  }

  get connected(): boolean {
    return this.#stream.connected
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
      const notice = this.#clock.after(SAY_WAITING_MS, () => this.#log.info({ placement: this.#stream.addresses, reason: this.#stream.problem }, 'waiting for placement'), true)
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
    this.#stream.start()
  }

  #tooLate(timeoutMs: number): TroupeError {
    if (this.#phase === 'opening') return new TroupeError('STORE_UNAVAILABLE', `no lease could be opened in ${this.#storeName} within ${timeoutMs} ms`)
    const { addresses, problem } = this.#stream
    const why = addresses.length === 0
      ? `no process leads placement: ${this.#storeName} had no leader row within ${timeoutMs} ms; start hosts without --placement, or a troupe placement, on this store`
      : `no placement service at ${addresses.join(', ')} took this host in within ${timeoutMs} ms (${problem}); is it running there?`
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
    this.#stream.onLost(listener)
  }

  /** Somebody else on this host has seen who leads: looked into at once when it is news. */
  leaderMayBe(address: string | undefined): void {
    this.#stream.mayBe(address)
  }

  waitFor(version: number, timeoutMs: number): Promise<boolean> {
    if (this.#phase === 'ended') return Promise.resolve(this.#view.table.version >= version)
    if (!this.connected && version > this.#view.table.version) this.#lease.renewNow()
    return this.#view.waitFor(version, timeoutMs)
  }

  released(shards: readonly { type: string; shard: number }[]): void {
    this.#releases.add(shards)
    this.#sayReleased()
  }

  suspect(memberId: string): void {
    this.#stream.send({ version: this.#view.table.version, kind: 'suspect', suspect: { id: memberId } })
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
      this.#stream.send({ version: this.#view.table.version, kind: 'leave', leave: {} })
    })
  }

  /** Without the service nothing can be moved: a leave that hears nothing of it for a while ends. */
  #watchLeave(done: () => void): void {
    let silentMs = 0
    const look = (): void => {
      if (this.#leaving !== done || this.#phase === 'ended') return
      silentMs = this.connected ? 0 : silentMs + LEAVE_LOOK_MS
      if (silentMs >= LEAVE_ALONE_MS) {
        this.#log.warn({}, 'nobody leads placement now: this host leaves without handing its shards to others, who get them when somebody leads')
        done()
      } else this.#clock.after(LEAVE_LOOK_MS, look, true)
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
    this.#stream.stop()
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
    if (leader !== undefined) this.#stream.leads(leader)
    // The first table of a host is its welcome, and comes by the stream alone.
    if (this.#phase === 'member') this.#catchUp.heard(version, this.connected)
  }

  #revoked(): void {
    const error = new TroupeError('FENCED',
      'the lease of this host was revoked: it was not renewed in time, and what the host owned was given to others', { executed: 'unknown' })
    if (this.#phase !== 'ended') return this.#expel(error)
    // It has left, and what its last turns leave was to be stored under this lease.
    for (const listener of this.#expelled) listener(error)
  }

  #storedTable(table: Table, term: number): void {
    if (this.#phase !== 'member') return
    if (term < this.#term && !mechanisms.off?.has('table-term')) return this.#log.warn({ term, seen: this.#term }, 'the stored placement table is of an earlier leader than was seen; it is not taken')
    this.#term = Math.max(this.#term, term)
    this.#view.advance(table)
    if (this.#self !== undefined) this.#releases.forget(this.#view.table, this.#self.id)
  }

  // ---- the stream -------------------------------------------------------------------------------------------------

  #receive(message: PlacementMessage): void {
    if (message.kind === 'refused') return this.#refused(message.refused)
    if (message.kind === 'notice') return this.#stream.broke(message.notice.reason)
    if (message.term < this.#term && !mechanisms.off?.has('table-term')) return this.#stream.broke(`its term ${message.term} is over, ${this.#term} was seen`)
    this.#term = message.term
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
      return this.#stream.broke(messageOf(error))
    }
    this.#releases.forget(this.#view.table, this.#self!.id)
    // A listener may have closed this membership.
    if (this.#phase === 'ended' || this.connected) return
    this.#stream.welcomed()
    this.#sayReleased()
    if (this.#asksToLeave) this.#stream.send({ version: this.#view.table.version, kind: 'leave', leave: {} })
    this.#joining?.resolve()
  }

  #sayReleased(): void {
    const sets = this.#releases.sets()
    if (sets.length > 0) this.#stream.send({ version: this.#view.table.version, kind: 'released', released: { sets } })
  }

  #refused(refusal: Refusal): void {
    const data = parsed(refusal.data)
    if (refusal.retry) return this.#stream.sentOn(refusal.message, (data as { leader?: unknown } | null | undefined)?.leader)
    this.#expel(new TroupeError(refusal.code, refusal.message, { data }))
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
