/**
 * A host: the composition of all parts, in the order in which they start. No logic of its own.
 *
 * Start: stores → gateways (so that their addresses are known) → peer transport → membership. A call that arrives before
 * the first table waits for it. Stop is the way back: clients are told to go, shards go to others, running turns end and
 * are committed, answers leave, everything closes.
 */
import type { CallKind } from '../actors/invocation.ts'
import type { ActorRef, CallOptions, RemoteRef } from '../actors/actor-ref.ts'
import { readActorType, type ActorClass, type ActorType } from '../actors/actor-type.ts'
import { encode } from '../core/codec.ts'
import { TroupeError } from '../core/errors.ts'
import { checkId, checkMember, checkType } from '../core/ids.ts'
import type { Membership } from '../placement/membership.ts'
import { PlacementClient } from '../placement/placement-client.ts'
import type { Dial } from '../placement/placement-link.ts'
import { StandaloneMembership } from '../placement/standalone.ts'
import type { ActorStore } from '../stores/actor-store.ts'
import { BatchedLoads } from '../stores/batched-loads.ts'
import { GroupCommit } from '../stores/group-commit.ts'
import { openStores, storeNames } from '../stores/open-store.ts'
import { Activation } from './activation/activation.ts'
import { Activator } from './activation/activator.ts'
import type { ActivationServices } from './activation/activation-services.ts'
import { Catalog } from './activation/catalog.ts'
import { HeldUp } from './activation/held-up.ts'
import { hostServices } from './activation/host-services.ts'
import { IdleCollector } from './activation/idle-collector.ts'
import { CallClock } from './dispatch/call-clock.ts'
import type {
  ActorLocation, CallReply, CallRequest, ClusterStatus, Dispatcher, HostStatus, ManageRequest, PageRequest, ReminderPage, SendPage,
} from './dispatch/dispatcher.ts'
import { keyProblem } from './activation/once-entries.ts'
import { TimerQueue } from './activation/timers.ts'
import { Delivery } from './delivery/delivery.ts'
import { tickTimer } from './delivery/timer-tick.ts'
import { DueLists } from './dispatch/due-lists.ts'
import { Incoming } from './dispatch/incoming.ts'
import { Outgoing } from './dispatch/outgoing.ts'
import { startWith } from './dispatch/launch.ts'
import { HostReferences } from './dispatch/references.ts'
import { StatusReport, type HostPhase } from './dispatch/status-report.ts'
import { Router } from './dispatch/router.ts'
import { ShardClaims } from './dispatch/shard-claims.ts'
import { Shards } from './dispatch/shards.ts'
import { resolveHostOptions, type HostOptions, type ResolvedHostOptions } from './host-options.ts'
import { Lifecycle, type Stage } from './lifecycle.ts'
import { GrpcTransport } from './transport/grpc-transport.ts'
import type { PeerOptions } from './transport/peer-links.ts'
import type { PeerHandler, Transport } from './transport/transport.ts'

export type { HostPhase }

/** How long a leaving host lets its shards find new owners; running turns have their own, shorter drain time. */
const LEAVE_MS = 15_000
const GATEWAY_STOP_MS = 5000

/** What reaches other processes, where it is not gRPC: a simulation gives its own. */
export interface HostAdapters {
  readonly transport?: (options: PeerOptions & { readonly bind: ResolvedHostOptions['listen'] }) => Transport
  readonly dial?: Dial
}

/** A running host. */
export class Host implements Dispatcher {
  readonly id: string
  readonly incarnation: string
  /** Bound addresses: `peer`, and one for each gateway by its name. */
  readonly addresses: Record<string, string> = {}
  /** Resolves when the host has stopped; rejects when it had to: its place in the cluster was taken. */
  readonly stopped: Promise<void>
  readonly #options: ResolvedHostOptions
  readonly #types: ReadonlyMap<string, ActorType>
  readonly #stores: ReturnType<typeof openStores>
  readonly #membership: Membership
  readonly #catalog: Catalog
  readonly #callClock: CallClock
  readonly #router: Router
  readonly #shards: Shards
  readonly #refs: HostReferences
  readonly #idle: IdleCollector
  readonly #commits: GroupCommit
  readonly #services: ActivationServices
  readonly #activator: Activator
  readonly #delivery: Delivery
  readonly #timers: TimerQueue<Activation>
  readonly #dueLists: DueLists
  readonly #incoming: Incoming
  readonly #outgoing: Outgoing
  readonly #transport: Transport | undefined
  readonly #report: StatusReport
  readonly #lifecycle: Lifecycle
  #phase: HostPhase = 'starting'
  #stopping: Promise<void> | undefined
  #settleStopped!: { resolve: () => void; reject: (error: unknown) => void }

  /** Use `createHost`. */
  constructor(given: HostOptions, adapters: HostAdapters = {}) {
    const options = resolveHostOptions(given)
    const { clock, log, random } = options
    this.#options = options
    this.id = options.hostId
    this.incarnation = options.incarnation
    this.stopped = new Promise((resolve, reject) => { this.#settleStopped = { resolve, reject } })
    this.stopped.catch(() => undefined)
    this.#types = readTypes(options.actors)
    this.#stores = openStores(options.store, { clock, log, namespace: options.namespace, clusterStore: options.clusterStore })
    if (options.placement.length > 0) checkMembership(options, this.#stores.actors)
    this.#catalog = new Catalog(this.#types.values())
    this.#callClock = new CallClock(clock)
    this.#membership = options.placement.length > 0
      ? new PlacementClient({ addresses: options.placement, clock, random, log, shardBits: options.shardBits, ...(adapters.dial && { dial: adapters.dial }) })
      : new StandaloneMembership({ clusterStore: this.#stores.cluster, clock, random, shardBits: options.shardBits })
    const watch = (call: Parameters<CallClock['watch']>[0]): number => this.#callClock.watch(call)
    this.#router = new Router({
      selfId: this.id, types: this.#types, catalog: this.#catalog, membership: this.#membership, shardBits: options.shardBits,
      maxParked: options.maxParked, clock, log, watch, activate: (type, id, shard, epoch) => this.#activate(type, id, shard, epoch),
    })
    this.#refs = new HostReferences({
      callTimeoutMs: options.callTimeoutMs, route: call => this.#router.route(call), remainingMs: call => this.#callClock.remainingMs(call),
      mayServe: () => true,
    })
    this.#commits = new GroupCommit(this.#stores.actors, clock, {
      commitTimeoutMs: options.commitTimeoutMs, onFault: error => log.debug({ err: error }, 'a write was not taken'),
    })
    const loads = new BatchedLoads(this.#stores.actors, clock)
    const claims = new ShardClaims(loads, this.incarnation)
    this.#delivery = new Delivery({
      types: this.#types, store: this.#stores.actors, commits: this.#commits, claims, clock, random, log,
      route: call => this.#router.route(call),
    })
    this.#timers = new TimerQueue({ clock, log, tick: tickTimer })
    this.#dueLists = new DueLists(this.#stores.actors, options.shardBits)
    this.#idle = new IdleCollector(clock, Math.min(...[...this.#types.values()].map(t => t.idleAfterMs)))
    this.#services = hostServices({
      hostId: this.id, incarnation: this.incarnation, log, commits: this.#commits, store: this.#stores.actors, loads, callClock: this.#callClock,
      catalog: this.#catalog, idle: this.#idle, heldUp: new HeldUp(() => true, clock), checkReadonly: options.checkReadonly, maxPayloadBytes: options.maxPayloadBytes,
      // Turn numbers of different hosts and lives must not meet in a call chain.
      firstTurn: Math.floor(random.float() * 2 ** 40), refs: this.#refs, after: (ms, run) => clock.after(ms, run),
      reroute: calls => this.#router.reroute(calls), claims, delivery: this.#delivery, timers: this.#timers, wallMs: () => clock.wallMs(),
      doubt: (type, shard, epoch) => this.#shards.doubt(type, shard, epoch),
    })
    this.#activator = new Activator(loads, claims)
    this.#shards = new Shards({
      selfId: this.id, membership: this.#membership, catalog: this.#catalog, clock, log,
      drainMs: type => this.#types.get(type)?.drainTimeoutMs ?? options.drainTimeoutMs, reroute: calls => this.#router.reroute(calls),
      onServing: (type, shard, epoch) => this.#delivery.serve(type, shard, epoch), onLost: (type, shard) => this.#delivery.lose(type, shard),
    })
    this.#router.attach(this.#shards)
    this.#incoming = new Incoming({
      route: (call, version, untyped) => this.#router.routeIncoming(call, version, untyped), status: () => encode(this.hostStatus(), 'status'), log,
    })
    this.#outgoing = new Outgoing(options.maxPayloadBytes, {
      onMoved: (call, error) => this.#router.retryMoved(call, error), watch, unwatch: call => this.#callClock.unwatch(call),
    })
    this.#transport = options.placement.length > 0 ? this.#openTransport(adapters.transport ?? (peers => new GrpcTransport(peers))) : undefined
    this.#report = new StatusReport({
      self: () => ({ id: this.id, incarnation: this.incarnation, addresses: this.addresses, phase: this.#phase }),
      types: this.#types, weight: options.weight, shardBits: options.shardBits, storeName: this.#stores.actors.name, alone: options.placement.length === 0, leaseLeftMs: () => undefined, leader: () => undefined,
      membership: this.#membership, catalog: this.#catalog, router: this.#router, transport: this.#transport, outgoing: this.#outgoing, clock,
    })
    this.#lifecycle = new Lifecycle(this.#stages(), clock, log)
  }

  #openTransport(open: NonNullable<HostAdapters['transport']>): Transport {
    const { clock, log, listen, maxPayloadBytes } = this.#options
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
      hostId: this.id, incarnation: this.incarnation, bind: listen, handler, clock, log, tableVersion: () => this.#membership.table.version,
      // A message is its payload and a few names around it.
      limits: { maxMessageBytes: maxPayloadBytes + 16 * 1024, maxQueuedBytes: 64 * 1024 * 1024 },
    })
    this.#router.attachPeers(transport, this.#outgoing)
    return transport
  }

  #activate(type: ActorType, id: string, shard: number, epoch: number): Activation {
    const activation = new Activation(type, id, shard, epoch, this.#services)
    this.#catalog.add(activation)
    this.#idle.add(activation)
    this.#activator.activate(activation, fenced => {
      const waiting = fenced.giveUp()
      this.#router.retryFenced(waiting, fenced.name)
    })
    return activation
  }

  // ---- life -------------------------------------------------------------------------------------------------------

  #stages(): Stage[] {
    const { gateways, log, joinTimeoutMs, drainTimeoutMs } = this.#options
    const longestDrainMs = Math.max(drainTimeoutMs, ...[...this.#types.values()].map(t => t.drainTimeoutMs ?? 0))
    return [
      {
        name: 'stores',
        start: async () => {
          await this.#stores.actors.open()
          await this.#stores.cluster.open()
        },
        stop: async () => {
          await this.#stores.actors.close()
          await this.#stores.cluster.close()
        },
      },
      { name: 'clocks', stop: () => { this.#idle.close(); this.#timers.close(); this.#callClock.deadlines.close() } },
      {
        name: 'transport',
        start: async () => {
          if (this.#transport !== undefined) this.addresses.peer = reachableAt((await this.#transport.listen()).address, this.#options.listen.advertise)
        },
        stop: () => this.#transport?.close(),
      },
      { name: 'commits', stop: () => this.#commits.idle(), stopWithinMs: this.#options.commitTimeoutMs * 2 },
      {
        name: 'turns',
        stop: () => this.#shards.drain([...this.#catalog.all()], longestDrainMs, 'stopping'),
        stopWithinMs: longestDrainMs + 2000,
      },
      { name: 'router', stop: () => this.#router.close() },
      { name: 'delivery', stop: () => this.#delivery.close() },
      ...gateways.map((gateway): Stage => ({
        name: gateway.name,
        start: async () => { this.addresses[gateway.name] = (await gateway.start(this, log.child({ gateway: gateway.name }))).address },
        stop: () => gateway.stop(GATEWAY_STOP_MS),
        stopWithinMs: GATEWAY_STOP_MS + 2000,
      })),
      {
        name: 'membership',
        start: () => this.#join(joinTimeoutMs),
        stop: async () => {
          for (const gateway of gateways) gateway.drain()
          await this.#membership.leave(LEAVE_MS)
          await this.#membership.close()
        },
        stopWithinMs: LEAVE_MS + 2000,
      },
    ]
  }

  #join(timeoutMs: number): Promise<void> {
    const { shardBits, namespace, weight } = this.#options
    this.#membership.onExpelled(reason => {
      this.#options.log.error({ reason: reason.message }, 'this host is no longer a member of the cluster; it stops')
      void this.#stop(reason)
    })
    return this.#membership.join({
      id: this.id, incarnation: this.incarnation, address: this.addresses.peer ?? '', http: this.addresses.http ?? '',
      types: [...this.#types.keys()], weight,
      fingerprint: { shardBits: String(shardBits), namespace, ...storeNames(this.#stores) },
    }, timeoutMs)
  }

  async start(): Promise<void> {
    try {
      await this.#lifecycle.start()
      this.#phase = 'serving'
    } catch (error) {
      this.#phase = 'stopped'
      this.#settleStopped.reject(error)
      throw error
    }
  }

  /** Drains, leaves the cluster and closes everything; calling it again returns the same promise. Never rejects. */
  stop(): Promise<void> {
    return this.#stop(undefined)
  }

  #stop(failure: Error | undefined): Promise<void> {
    return (this.#stopping ??= (async () => {
      this.#phase = 'draining'
      if (failure !== undefined) for (const activation of [...this.#catalog.all()]) activation.end(new TroupeError('FENCED', failure.message))
      await this.#lifecycle.stop()
      this.#phase = 'stopped'
      if (failure === undefined) this.#settleStopped.resolve()
      else this.#settleStopped.reject(failure)
    })())
  }

  // ---- calls --------------------------------------------------------------------------------------------------------

  /** A typed reference; making one calls nobody. @throws BAD_REQUEST for an illegal id · BAD_OPTION */
  actor<A extends ActorClass>(actorClass: A, id: string, options?: CallOptions): ActorRef<InstanceType<A>>
  actor<A = unknown>(type: string, id: string, options?: CallOptions): RemoteRef<A>
  actor(target: ActorClass | string, id: string, options?: CallOptions): unknown {
    return typeof target === 'string' ? this.#refs.byName(target, id, options) : this.#refs.actor(target, id, options)
  }

  call(request: CallRequest): Promise<CallReply> {
    return this.#call(request, 'method', 'method')
  }

  manage({ type, id, operation, args, timeoutMs, signal }: ManageRequest): Promise<CallReply> {
    return this.#call({ type, id, method: operation, args, timeoutMs, signal }, 'manage', 'method')
  }

  listReminders(type: string, page: PageRequest): Promise<ReminderPage> {
    return this.#ofKnownType(type, () => this.#dueLists.reminders(type, page))
  }

  listSends(type: string, page: PageRequest): Promise<SendPage> {
    return this.#ofKnownType(type, () => this.#dueLists.sends(type, page))
  }

  async #ofKnownType<Page>(type: string, list: () => Promise<Page>): Promise<Page> {
    checkType(type)
    const { types } = this.#membership.table
    if (!types.has(type)) {
      throw new TroupeError('UNKNOWN_TYPE', `no host of this cluster runs the type ${type}; it knows ${[...types].sort().slice(0, 20).join(', ') || 'none'}`)
    }
    return list()
  }

  readState(type: string, id: string, key: string): Promise<CallReply> {
    return this.#call({ type, id, method: key, args: [] }, 'read', 'key')
  }

  #call({ type, id, method, args, timeoutMs, signal, idempotencyKey }: CallRequest, kind: CallKind, what: 'method' | 'key'): Promise<CallReply> {
    return new Promise((resolve, reject) => {
      checkType(type)
      checkId(id)
      checkMember(what, method)
      const problem = idempotencyKey === undefined ? undefined : keyProblem(idempotencyKey)
      if (problem !== undefined) throw new TroupeError('BAD_REQUEST', `invalid request: the idempotency key ${problem}`)
      const target = { typeName: type, id, timeoutMs: timeoutMs ?? this.#options.callTimeoutMs, signal, idempotencyKey }
      startWith(this.#refs.port, target, method, args, kind, (value, call) => resolve({ value, host: call.host, epoch: call.epoch }), reject)
    })
  }

  // ---- what is known ------------------------------------------------------------------------------------------------

  get phase(): HostPhase {
    return this.#phase
  }

  hostStatus(): HostStatus {
    return this.#report.host()
  }

  clusterStatus(timeoutMs: number): Promise<ClusterStatus> {
    return this.#report.cluster(timeoutMs)
  }

  locate(type: string, id: string): ActorLocation {
    checkType(type)
    checkId(id)
    return this.#report.locate(type, id)
  }

  notReady(): readonly string[] {
    return this.#phase === 'serving' ? [] : [`host: ${this.#phase}`]
  }
}

/** @throws BAD_OPTION for what would make a host a member that harms its cluster. */
function checkMembership({ listen, placement }: ResolvedHostOptions, store: ActorStore): void {
  if (!store.shared) {
    throw new TroupeError('BAD_OPTION', `store ${store.name} belongs to this process alone, but placement ${placement.join(',')} moves actors between hosts: their state would be lost; use lmdb:DIR on one machine, redis://… or postgres://…`)
  }
  if (listen.advertise === undefined && ['0.0.0.0', '::', '[::]'].includes(listen.host)) {
    throw new TroupeError('BAD_OPTION', `listen.host ${listen.host} is no address that other hosts can call; give listen.advertise (--advertise) the name of this machine`)
  }
}

/** The address that others use: the advertised host, with the bound port unless it names its own. */
function reachableAt(bound: string, advertise: string | undefined): string {
  if (advertise === undefined) return bound
  return /:\d+$/.test(advertise) ? advertise : `${advertise}:${bound.slice(bound.lastIndexOf(':') + 1)}`
}

function readTypes(actors: readonly ActorClass[]): ReadonlyMap<string, ActorType> {
  const types = new Map<string, ActorType>()
  for (const actorClass of new Set(actors)) {
    const type = readActorType(actorClass)
    if (types.has(type.name)) {
      throw new TroupeError('BAD_ACTOR_CLASS', `two classes have the type ${type.name}; give one of them static readonly type = '…'`)
    }
    types.set(type.name, type)
  }
  return types
}

/**
 * Starts a host: alone by default, a member of a cluster with `placement`.
 *
 * ```ts
 * const host = await createHost({ actors: [Account], store: 'lmdb:./data' })
 * await host.actor(Account, 'alice').deposit(5)
 * await host.stop()
 * ```
 * @throws BAD_OPTION with every problem · BAD_ACTOR_CLASS · STORE_OPEN_FAILED · PORT_TAKEN · PLACEMENT_UNREACHABLE ·
 * DUPLICATE_HOST · CLUSTER_MISMATCH. What had started is stopped again.
 */
export async function createHost(options: HostOptions): Promise<Host> {
  const host = new Host(options)
  await host.start()
  return host
}
