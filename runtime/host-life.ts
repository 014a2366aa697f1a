/**
 * One incarnation of a host: everything that is gone when the host loses its lease. The host itself (host.ts) lasts: its stores,
 * its doors, its references, its calls' deadlines.
 *
 * A life ends in one of two ways. *Stopped*: shards go to others, running turns end and are committed. *Abandoned*: its lease
 * was revoked, others own its shards already; its memory is worth nothing, turns are cut and told so (`ctx.signal`), calls that
 * have not started go on in the next life.
 */
import type { ActorType } from '../actors/actor-type.ts'
import { encode } from '../core/codec.ts'
import { TroupeError } from '../core/errors.ts'
import { reachableAt } from '../placement/addresses.ts'
import { LeaseKeeper } from '../placement/lease-keeper.ts'
import { LeaseThread } from '../placement/lease-thread.ts'
import type { LeaseHolder } from '../placement/lease.ts'
import type { Membership } from '../placement/membership.ts'
import type { ClusterTls } from '../placement/grpc-tls.ts'
import { grpcDial } from '../placement/placement-grpc.ts'
import { PlacementClient } from '../placement/placement-client.ts'
import type { Dial } from '../placement/placement-link.ts'
import { StandaloneMembership } from '../placement/standalone.ts'
import { BatchedLoads } from '../stores/batched-loads.ts'
import { GroupCommit } from '../stores/group-commit.ts'
import { storeNames, type Stores } from '../stores/open-store.ts'
import { SystemClock } from '../core/clock.ts'
import { Activation } from './activation/activation.ts'
import type { ActivationServices } from './activation/activation-services.ts'
import { Activator } from './activation/activator.ts'
import { Catalog } from './activation/catalog.ts'
import { Farewells, LONGEST_FAREWELL_MS } from './activation/farewells.ts'
import { HeldUp } from './activation/held-up.ts'
import { hostServices } from './activation/host-services.ts'
import { IdleCollector } from './activation/idle-collector.ts'
import { TimerQueue } from './activation/timers.ts'
import { Delivery } from './delivery/delivery.ts'
import { tickTimer } from './delivery/timer-tick.ts'
import { Authorizer } from './dispatch/authorizer.ts'
import type { CallClock } from './dispatch/call-clock.ts'
import type { ChainIds } from './dispatch/chain-ids.ts'
import type { HostStatus } from './dispatch/dispatcher.ts'
import { hostLives } from './dispatch/host-lives.ts'
import { Incoming } from './dispatch/incoming.ts'
import { Outgoing } from './dispatch/outgoing.ts'
import type { CallAdmission } from './dispatch/overload.ts'
import type { HostReferences } from './dispatch/references.ts'
import { Router } from './dispatch/router.ts'
import { ShardClaims } from './dispatch/shard-claims.ts'
import { Shards } from './dispatch/shards.ts'
import { StatusReport, type HostPhase } from './dispatch/status-report.ts'
import type { ResolvedHostOptions } from './host-options.ts'
import { Lifecycle, type Stage } from './lifecycle.ts'
import { GrpcTransport } from './transport/grpc-transport.ts'
import type { PeerOptions } from './transport/peer-links.ts'
import type { PeerHandler, Transport } from './transport/transport.ts'

/** How long a leaving host lets its shards find new owners; running turns have their own, shorter drain time. */
const LEAVE_MS = 15_000
/** The same when there is nobody to give them to: the leader just has to know. */
const LEAVE_ALONE_MS = 1_000

export interface LifeAdapters {
  readonly transport?: (options: PeerOptions & { readonly bind: ResolvedHostOptions['listen'] }) => Transport
  readonly dial?: Dial
}

/** A queue at one moment. */
export interface QueueState {
  readonly queue: string
  readonly size: number
  readonly bound: number
}

export interface LifeParts {
  readonly options: ResolvedHostOptions
  readonly incarnation: string
  readonly types: ReadonlyMap<string, ActorType>
  readonly stores: Stores
  readonly adapters: LifeAdapters
  /** In a cluster, with a lease; else alone on a store of its own. */
  readonly member: boolean
  readonly callClock: CallClock
  readonly refs: HostReferences
  readonly admission: CallAdmission
  readonly chainIds: ChainIds
  readonly tls: ClusterTls | undefined
  /** Bound addresses; this life writes `peer`. */
  readonly addresses: Record<string, string>
  readonly phase: () => HostPhase
  /** Its host's candidate leads placement. */
  readonly leads: () => boolean
  /** Its place in the cluster is lost for good. */
  readonly onExpelled: (reason: Error) => void
  /** The stream to whoever leads placement broke. */
  readonly onLeaderLost: () => void
}

export class HostLife {
  readonly incarnation: string
  readonly router: Router
  readonly membership: Membership
  /** Undefined: everybody may do everything. */
  readonly authorizer: Authorizer | undefined
  readonly #parts: LifeParts
  readonly #client: PlacementClient | undefined
  readonly #catalog: Catalog
  readonly #shards: Shards
  readonly #idle: IdleCollector
  readonly #heldUp: HeldUp
  readonly #farewells: Farewells
  readonly #commits: GroupCommit
  readonly #services: ActivationServices
  readonly #activator: Activator
  readonly #delivery: Delivery
  readonly #timers: TimerQueue<Activation>
  readonly #incoming: Incoming
  readonly #outgoing: Outgoing
  readonly #transport: Transport | undefined
  readonly #lifecycle: Lifecycle
  #lease: LeaseHolder | undefined
  /** Who leads placement, as the last renewal said. */
  #leader: string | undefined
  #abandoned = false
  #left = false
  /** Ends the wait for news of a store that lost writes: the store outlasts this life. */
  readonly #unlisten: () => void
  readonly report: StatusReport

  constructor(parts: LifeParts) {
    const { options, incarnation, types, stores, callClock, adapters } = parts
    const { clock, log, random, hostId, shardBits } = options
    this.#parts = parts
    this.incarnation = incarnation
    this.#catalog = new Catalog(types.values())
    this.#client = parts.member ? this.#openClient() : undefined
    this.membership = this.#client ?? new StandaloneMembership({ clusterStore: stores.cluster, clock, random, shardBits })
    const mayServe = (): boolean => this.membership.mayServe()
    this.#heldUp = new HeldUp(mayServe, clock)
    const watch = (call: Parameters<CallClock['watch']>[0]): number => callClock.watch(call)
    this.authorizer = options.authorize && new Authorizer({
      authorize: options.authorize, hostId, clock, log, watch: call => void callClock.watch(call), resume: call => this.router.reroute([call]),
    })
    this.router = new Router({
      selfId: hostId, types, catalog: this.#catalog, membership: this.membership, shardBits,
      maxParked: options.maxParked, clock, log, watch, authorizer: this.authorizer, activate: (type, id, shard, epoch) => this.#activate(type, id, shard, epoch),
    })
    this.#commits = new GroupCommit(stores.actors, clock, {
      commitTimeoutMs: options.commitTimeoutMs, mayFlush: () => this.#abandoned || mayServe(), onFault: error => log.debug({ err: error }, 'a write was not taken'),
    })
    const loads = new BatchedLoads(stores.actors, clock)
    const claims = new ShardClaims(loads, incarnation)
    const lives = hostLives(this.membership, hostId, (type, id) => this.router.shardOf(types.get(type), type, id))
    this.#delivery = new Delivery({
      types, store: stores.actors, commits: this.#commits, claims, clock, random, log, route: call => this.router.route(call),
      lives, activation: (type, id) => this.#catalog.find(type, id),
      refusal: this.authorizer && ((type, id, method) => this.authorizer!.refusalOf(type, id, method)),
    })
    this.#timers = new TimerQueue({ clock, log, tick: tickTimer })
    this.#idle = new IdleCollector(clock, Math.min(...[...types.values()].map(t => t.idleAfterMs)))
    const after = (ms: number, run: () => void): { cancel(): void } => clock.after(ms, run)
    this.#farewells = new Farewells({ log, after })
    this.#services = hostServices({
      hostId, incarnation, log, commits: this.#commits, store: stores.actors, loads, callClock,
      catalog: this.#catalog, idle: this.#idle, heldUp: this.#heldUp, farewells: this.#farewells, checkReadonly: options.checkReadonly, maxPayloadBytes: options.maxPayloadBytes,
      // Turn numbers of different hosts and lives must not meet in a call chain.
      firstTurn: Math.floor(random.float() * 2 ** 40), refs: parts.refs, after,
      chainIds: parts.chainIds, reroute: calls => this.router.reroute(calls), claims, delivery: this.#delivery, timers: this.#timers, wallMs: () => clock.wallMs(),
      doubt: (type, shard, epoch) => this.#shards.doubt(type, shard, epoch),
    })
    this.#activator = new Activator(loads, claims, this.#heldUp)
    this.#shards = new Shards({
      selfId: hostId, membership: this.membership, catalog: this.#catalog, clock, log,
      drainMs: type => types.get(type)?.drainTimeoutMs ?? options.drainTimeoutMs, reroute: calls => this.router.reroute(calls),
      onServing: (type, shard, epoch, planned) => this.#delivery.serve(type, shard, epoch, planned), onLost: (type, shard) => this.#delivery.lose(type, shard),
    })
    this.router.attach(this.#shards)
    this.#unlisten = stores.actors.onRegress?.(({ shards, reason }) => this.#shards.regressed(shards, reason)) ?? (() => undefined)
    this.#incoming = new Incoming({
      route: (call, version, untyped) => this.router.routeIncoming(call, version, untyped), status: () => encode(this.status(), 'status'), log, admission: parts.admission,
    })
    this.#outgoing = new Outgoing(options.maxPayloadBytes, {
      onMoved: (call, error) => this.router.retryMoved(call, error), watch, unwatch: call => callClock.unwatch(call), lives,
    })
    this.#transport = parts.member ? this.#openTransport(adapters.transport ?? (peers => new GrpcTransport({ ...peers, tls: parts.tls, insecure: options.insecure }))) : undefined
    this.report = new StatusReport({
      self: () => ({ id: hostId, incarnation, addresses: parts.addresses, phase: parts.phase() }),
      types, weight: options.weight, shardBits, storeName: stores.actors.name, alone: !parts.member,
      leaseLeftMs: () => this.#lease?.leftMs(), storeHealth: () => stores.actors.health, leads: parts.leads, leader: () => this.#leader,
      membership: this.membership, catalog: this.#catalog, router: this.router, transport: this.#transport, outgoing: this.#outgoing, clock,
    })
    this.#lifecycle = new Lifecycle(this.#stages(), clock, log)
  }

  status(): HostStatus {
    return this.report.host()
  }

  /** What waits here at this moment, and how much of it may. */
  queues(): QueueState[] {
    const { maxParked, maxCalls } = this.#parts.options
    // One that has ended, and whose last write is on its way, keeps in its mailbox what waited in other places.
    const live = [...this.#catalog.all()].filter(({ phase }) => phase !== 'ended')
    const mailboxes = live.map(({ name, waiting, type }) => ({ queue: `the mailbox of ${name}`, size: waiting, bound: type.mailbox }))
    return [
      ...mailboxes,
      { queue: 'calls that wait for shards', size: this.#shards.parked, bound: maxParked },
      { queue: 'calls that wait for a place', size: this.router.waiting, bound: maxParked },
      { queue: 'calls under way', size: this.#parts.admission.stats.calls, bound: maxCalls },
    ]
  }

  /** The actor is active on this very host. */
  hasActive(type: string, id: string): boolean {
    const phase = this.#catalog.find(type, id)?.phase
    return phase === 'active' || phase === 'retiring'
  }

  /** Whether a turn of this host may call anybody now. */
  mayServe(): boolean {
    return this.membership.mayServe()
  }

  /** The embedded candidate's news of who leads. */
  leaderMayBe(address: string | undefined): void {
    this.#client?.leaderMayBe(address)
  }

  #openClient(): PlacementClient {
    const { options: { clock, random, log, placement, shardBits }, stores, adapters, tls, onLeaderLost } = this.#parts
    const lease = this.#lease = this.#newLease()
    lease.onNews(({ leader }) => { this.#leader = leader?.address })
    const client = new PlacementClient({
      addresses: placement, clock, random, log, shardBits, clusterStore: stores.cluster, lease, dial: adapters.dial ?? grpcDial(tls),
    })
    client.onLeaderLost(onLeaderLost)
    return client
  }

  /** On a thread of its own where real time goes by: a busy turn must not cost the host its lease. */
  #newLease(): LeaseHolder {
    const { options, stores } = this.#parts
    const { clock, random, log, namespace } = options
    const times = options.lease
    const url = options.clusterStore ?? options.store
    if (typeof url === 'string' && clock instanceof SystemClock) return new LeaseThread({ clusterStore: url, namespace, clock, log, times })
    return new LeaseKeeper({ store: stores.cluster, clock, random, log, times })
  }

  #openTransport(open: NonNullable<LifeAdapters['transport']>): Transport {
    const { clock, log, listen, maxPayloadBytes, hostId } = this.#parts.options
    const handler: PeerHandler = {
      onMessage: (link, message, version) => {
        if (!this.#incoming.receive(link, message, version)) this.#outgoing.receive(link, message)
      },
      onClosed: (link, reason) => {
        this.#incoming.closed(link)
        this.#outgoing.closed(link, reason)
      },
    }
    const transport = open({
      hostId, incarnation: this.incarnation, bind: listen, handler, clock, log, tableVersion: () => this.membership.table.version,
      // A message is its payload and a few names around it.
      limits: { maxMessageBytes: maxPayloadBytes + 16 * 1024, maxQueuedBytes: 64 * 1024 * 1024 },
    })
    this.router.attachPeers(transport, this.#outgoing)
    this.membership.onChange(({ gone }) => {
      for (const member of gone) {
        // One that left by itself has answered everything, and may still wait for answers.
        if (!member.leaving) transport.drop(member.id, member.incarnation, new TroupeError('PEER_LOST', `host ${member.id} is dead`))
      }
    })
    return transport
  }

  #activate(type: ActorType, id: string, shard: number, epoch: number): Activation {
    const activation = new Activation(type, id, shard, epoch, this.#services)
    this.#catalog.add(activation)
    this.#idle.add(activation)
    this.#activator.activate(activation, fenced => {
      const waiting = fenced.giveUp()
      this.router.retryFenced(waiting, fenced.name)
    })
    return activation
  }

  // ---- start and stop ---------------------------------------------------------------------------------------------

  #stages(): Stage[] {
    const { options, types, addresses } = this.#parts
    const longestDrainMs = Math.max(options.drainTimeoutMs, ...[...types.values()].map(t => t.drainTimeoutMs ?? 0))
    return [
      // Its last commits need the lease.
      { name: 'lease', stop: () => this.#endMembership() },
      { name: 'clocks', stop: () => { this.#idle.close(); this.#timers.close(); this.#heldUp.close() } },
      {
        name: 'transport',
        start: async () => {
          if (this.#transport !== undefined) addresses.peer = reachableAt((await this.#transport.listen()).address, options.listen.advertise)
        },
        stop: () => this.#transport?.close(),
      },
      { name: 'farewells', stop: () => this.#farewells.settled(), stopWithinMs: LONGEST_FAREWELL_MS + 500 },
      { name: 'commits', stop: () => this.#commits.idle(), stopWithinMs: options.commitTimeoutMs * 2 },
      {
        name: 'turns',
        stop: () => this.#shards.drain([...this.#catalog.all()], longestDrainMs, 'stopping'),
        stopWithinMs: longestDrainMs + 2000,
      },
      { name: 'router', stop: () => this.router.close() },
      { name: 'delivery', stop: () => this.#delivery.close() },
    ]
  }

  /** Listens for other hosts. @throws PORT_TAKEN */
  start(): Promise<void> {
    return this.#lifecycle.start()
  }

  /** Becomes a member. @throws what `Membership.join` throws */
  join(timeoutMs: number): Promise<void> {
    const { options, types, stores, addresses } = this.#parts
    const { shardBits, namespace, weight, hostId } = options
    this.membership.onExpelled(reason => this.#parts.onExpelled(reason))
    return this.membership.join({
      id: hostId, incarnation: this.incarnation, address: addresses.peer ?? '', http: addresses.http ?? '',
      types: [...types.keys()], weight,
      fingerprint: { shardBits: String(shardBits), namespace, ...storeNames(stores) },
    }, timeoutMs)
  }

  /**
   * Gives its shards to others; its lease lasts until `stop` has stored what running turns leave. When there is nobody to give them
   * to, it serves on until its doors are closed. Never throws.
   */
  async leave(): Promise<void> {
    const { hostId } = this.#parts.options
    const heirs = [...this.membership.table.members.values()].some(({ id, leaving, types }) =>
      id !== hostId && !leaving && types.some(type => this.#parts.types.has(type)))
    if (!heirs) return
    this.#left = true
    await this.membership.leave(LEAVE_MS)
  }

  async #endMembership(): Promise<void> {
    this.#unlisten()
    if (!this.#left) await this.membership.leave(LEAVE_ALONE_MS)
    await this.membership.close()
  }

  static readonly leaveWithinMs = LEAVE_MS + 2000

  /** Running turns end, what they left is stored, links close. Never throws. */
  async stop(): Promise<void> {
    await this.#lifecycle.stop()
  }

  /**
   * Its place is lost: every activation ends with `reason` at once. Calls that have not started go on in `next`, or fail when
   * there is none.
   */
  abandon(reason: TroupeError, next: HostLife | undefined): void {
    this.#abandoned = true
    this.#unlisten()
    if (next !== undefined) this.router.succeededBy(next.router)
    this.#delivery.close()
    for (const activation of [...this.#catalog.all()]) activation.end(reason)
    this.#shards.abandon()
  }

  /** After `abandon`: what is left of it is closed without waiting for its writes, which the store refuses anyway. */
  async bury(): Promise<void> {
    this.#idle.close()
    this.#timers.close()
    this.#heldUp.close()
    await this.membership.close()
    await this.#transport?.close()
    // The next life must not run an actor that the application is being told to forget.
    await this.#farewells.settled()
  }
}
