/**
 * A host: what lasts of it, put together in the order in which it starts. What one incarnation has is in host-life.ts.
 *
 * Start: stores → placement candidate → gateways (so that their addresses are known) → peer transport → membership. A call that
 * arrives before the first table waits for it. Stop is the way back: clients are told to go, shards go to others, running turns
 * end and are committed, answers leave, everything closes. A host whose lease was revoked drops its memory and goes on as a new
 * incarnation; its doors stay open meanwhile, and calls wait.
 */
import type { CallKind, Invocation } from '../actors/invocation.ts'
import type { ActorRef, CallOptions, RemoteRef } from '../actors/actor-ref.ts'
import { readActorType, type ActorClass, type ActorType } from '../actors/actor-type.ts'
import type { Caller } from '../actors/authorize.ts'
import { sleep } from '../core/clock.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import { checkId, checkKey, checkMember, checkType, hash32, shardOf } from '../core/ids.ts'
import { TlsIdentity } from '../core/tls-identity.ts'
import { advertisedHost, reachableAt } from '../placement/addresses.ts'
import { checkOwnGrants, type ClusterTls } from '../placement/grpc-tls.ts'
import type { servePlacement } from '../placement/placement-grpc.ts'
import { startCandidate, type PlacementCandidate } from '../placement/placement-server.ts'
import type { Probe } from '../placement/prober.ts'
import type { ActorStore } from '../stores/actor-store.ts'
import { openStores, type Stores } from '../stores/open-store.ts'
import { storageEntry } from './activation/activation-storage.ts'
import { storedReply, type PackedReply } from './activation/app-turn.ts'
import { keyProblem } from './activation/once-entries.ts'
import { ChainIds } from './dispatch/chain-ids.ts'
import { CallClock } from './dispatch/call-clock.ts'
import type {
  ActorLocation, CallReply, CallRequest, ClusterStatus, Dispatcher, HostStatus, ManageRequest, PageRequest, ReminderPage, SendPage,
} from './dispatch/dispatcher.ts'
import { DueLists } from './dispatch/due-lists.ts'
import { startWith } from './dispatch/launch.ts'
import { LoadSignal } from './dispatch/load-signal.ts'
import { CallAdmission } from './dispatch/overload.ts'
import { HostReferences } from './dispatch/references.ts'
import { notActive } from './dispatch/router.ts'
import type { HostPhase } from './dispatch/status-report.ts'
import { HostLife, type LifeAdapters, type QueueState } from './host-life.ts'
import { resolveHostOptions, type HostOptions, type ResolvedHostOptions } from './host-options.ts'
import { Lifecycle, type Stage } from './lifecycle.ts'

export type { HostPhase }

const GATEWAY_STOP_MS = 5000
/** Between tries of a host that lost its place to get another. */
const REJOIN_MS = 500

/** What reaches other processes, where it is not gRPC: a simulation gives its own. */
export interface HostAdapters extends LifeAdapters {
  readonly serve?: typeof servePlacement
  readonly probe?: Probe
}

/** A running host. */
export class Host implements Dispatcher {
  readonly id: string
  /** Bound addresses: `peer`, `placement` where it has a candidate, and one for each gateway by its name. */
  readonly addresses: Record<string, string> = {}
  /** Resolves when the host has stopped; rejects when it had to: its place in the cluster was taken. */
  readonly stopped: Promise<void>
  readonly #options: ResolvedHostOptions
  readonly #adapters: HostAdapters
  /** It shares its store with others, or may: then it needs a lease. */
  readonly #isMember: boolean
  readonly #types: ReadonlyMap<string, ActorType>
  readonly #stores: Stores
  readonly #callClock: CallClock
  readonly #admission: CallAdmission
  readonly #tls: ClusterTls | undefined
  readonly #refs: HostReferences
  readonly #chainIds: ChainIds
  readonly #dueLists: DueLists
  readonly #lifecycle: Lifecycle
  #candidate: PlacementCandidate | undefined
  #life: HostLife
  #phase: HostPhase = 'starting'
  #rejoining: Promise<void> | undefined
  /** Why the present life is over, until the next one begins. */
  #lost: TroupeError | undefined
  #stopping: Promise<void> | undefined
  #settleStopped!: { resolve: () => void; reject: (error: unknown) => void }

  /** Use `createHost`. */
  constructor(given: HostOptions, adapters: HostAdapters = {}) {
    const options = resolveHostOptions(given)
    const { clock, log } = options
    this.#adapters = adapters
    this.id = options.hostId
    this.stopped = new Promise((resolve, reject) => { this.#settleStopped = { resolve, reject } })
    this.stopped.catch(() => undefined)
    this.#types = readTypes(options.actors)
    this.#stores = openStores(options.store, { clock, log, namespace: options.namespace, clusterStore: options.clusterStore })
    this.#isMember = options.placement.length > 0 || this.#stores.actors.shared
    this.#options = this.#isMember ? memberOptions(options, this.#stores.actors) : options
    this.#tls = this.#isMember ? clusterTls(this.#options, [...this.#types.keys()]) : undefined
    this.#callClock = new CallClock(clock)
    this.#admission = new CallAdmission(new LoadSignal(clock), options)
    this.#refs = new HostReferences({
      callTimeoutMs: options.callTimeoutMs, route: call => this.#life.router.route(call), remainingMs: call => this.#callClock.remainingMs(call),
      mayServe: () => this.#life.mayServe(), admission: this.#admission,
    })
    this.#chainIds = new ChainIds(options.random)
    this.#dueLists = new DueLists(this.#stores.actors, options.shardBits)
    this.#life = this.#newLife(options.incarnation)
    this.#lifecycle = new Lifecycle(this.#stages(), clock, log)
  }

  /** Another one after its lease was lost. */
  get incarnation(): string {
    return this.#life.incarnation
  }

  #newLife(incarnation: string): HostLife {
    const life: HostLife = new HostLife({
      options: this.#options, incarnation, types: this.#types, stores: this.#stores, adapters: this.#adapters, member: this.#isMember,
      callClock: this.#callClock, refs: this.#refs, admission: this.#admission, chainIds: this.#chainIds, tls: this.#tls, addresses: this.addresses, phase: () => this.#phase, leads: () => this.#candidate?.status().leading === true,
      onExpelled: reason => { if (this.#life === life) this.#expelled(reason) },
      onLeaderLost: () => this.#candidate?.nudge(),
    })
    if (this.#candidate !== undefined) life.leaderMayBe(this.#candidate.leader)
    return life
  }

  // ---- life -------------------------------------------------------------------------------------------------------

  #stages(): Stage[] {
    const { gateways, log, joinTimeoutMs, placement } = this.#options
    const candidate: Stage = { name: 'placement', start: () => this.#startCandidate(), stop: () => this.#candidate?.stop() }
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
      { name: 'clocks', stop: () => this.#callClock.deadlines.close() },
      ...(this.#isMember && placement.length === 0 ? [candidate] : []),
      // Each stage of it has its own bound.
      { name: 'life', start: () => this.#life.start(), stop: () => this.#life.stop(), stopWithinMs: 2 ** 31 - 1 },
      ...gateways.map((gateway): Stage => ({
        name: gateway.name,
        start: async () => { this.addresses[gateway.name] = (await gateway.start(this, log.child({ gateway: gateway.name }))).address },
        stop: () => gateway.stop(GATEWAY_STOP_MS),
        stopWithinMs: GATEWAY_STOP_MS + 2000,
      })),
      {
        name: 'membership',
        start: () => this.#life.join(joinTimeoutMs),
        stop: async () => {
          for (const gateway of gateways) gateway.drain()
          await this.#life.leave()
        },
        stopWithinMs: HostLife.leaveWithinMs,
      },
    ]
  }

  async #startCandidate(): Promise<void> {
    const { listen, placementPort, clock, random, log, shardBits, namespace, insecure } = this.#options
    const { serve, probe } = this.#adapters
    const advertise = listen.advertise === undefined ? undefined : advertisedHost(listen.advertise)
    this.#candidate = await startCandidate({
      host: listen.host, port: placementPort, clock, random, log, shardBits, clusterStore: this.#stores.cluster, namespace, security: { tls: this.#tls, insecure },
      clusterStoreApart: this.#stores.cluster.name !== this.#stores.actors.name,
      ...(advertise && { advertise }), ...(serve && { serve }), ...(probe && { probe }),
    })
    this.addresses.placement = reachableAt(this.#candidate.address, advertise)
    this.#candidate.onLeader(address => this.#life.leaderMayBe(address))
    this.#life.leaderMayBe(this.#candidate.leader)
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
      if (failure !== undefined) this.#life.abandon(new TroupeError('FENCED', failure.message), undefined)
      // A host that looks for a new place looks no longer.
      if (this.#rejoining !== undefined) await this.#life.membership.close()
      await this.#rejoining
      await this.#lifecycle.stop()
      this.#phase = 'stopped'
      if (failure === undefined) this.#settleStopped.resolve()
      else this.#settleStopped.reject(failure)
    })())
  }

  #expelled(reason: Error): void {
    const { log } = this.#options
    if (this.#stopping !== undefined) {
      // What it was about to hand over was taken from it: turns that still run learn of it.
      this.#life.abandon(new TroupeError('FENCED', reason.message), undefined)
      return
    }
    if (!TroupeError.is(reason, 'FENCED')) {
      log.error({ reason: reason.message }, 'this host is no longer a member of the cluster; it stops')
      void this.#stop(reason)
      return
    }
    log.warn({ reason: reason.message, incarnation: this.incarnation }, 'this host lost its lease; it drops its memory and joins again as a new incarnation')
    this.#phase = 'starting'
    this.#lost = reason
    this.#rejoining ??= this.#rejoin()
  }

  /** From one life to the next, as often as it takes. Never rejects. */
  async #rejoin(): Promise<void> {
    const { random, clock, log, joinTimeoutMs } = this.#options
    while (this.#lost !== undefined) {
      const why = this.#lost
      this.#lost = undefined
      const old = this.#life
      const next = this.#life = this.#newLife(random.nonce())
      old.abandon(why, next)
      await old.bury()
      try {
        await next.start()
        await next.join(joinTimeoutMs)
      } catch (error) {
        if (this.#stopping !== undefined) return
        if (TroupeError.is(error, 'DUPLICATE_HOST') || TroupeError.is(error, 'CLUSTER_MISMATCH')) {
          log.error({ reason: messageOf(error) }, 'this host cannot be a member again; it stops')
          // Not awaited: stopping waits for this.
          void this.#stop(error)
          return
        }
        log.warn({ reason: messageOf(error) }, 'this host could not join again yet')
        this.#lost = new TroupeError('FENCED', messageOf(error))
        await sleep(clock, REJOIN_MS)
        if (this.#stopping !== undefined) return
      }
    }
    this.#rejoining = undefined
    if (this.#phase === 'starting') this.#phase = 'serving'
    log.info({ incarnation: this.incarnation }, 'this host is a member again')
  }

  // ---- calls --------------------------------------------------------------------------------------------------------

  /** A typed reference; making one calls nobody. @throws BAD_REQUEST for an illegal id · BAD_OPTION */
  actor<A extends ActorClass>(actorClass: A, id: string, options?: CallOptions): ActorRef<InstanceType<A>>
  actor<A = unknown>(type: string, id: string, options?: CallOptions): RemoteRef<A>
  actor(target: ActorClass | string, id: string, options?: CallOptions): unknown {
    return typeof target === 'string' ? this.#refs.byName(target, id, options) : this.#refs.actor(target, id, options)
  }

  runsClass(type: string): boolean {
    const known = this.#types.get(type)
    return known !== undefined && known.app === undefined
  }

  call(request: CallRequest): Promise<CallReply> {
    const { body } = request
    if (body === undefined) return this.#call(request, 'method', 'method')
    return this.#call({ ...request, args: [body.bytes, body.codec, body.query, body.headers] }, 'body', 'method')
  }

  manage({ operation, onlyHere = false, ...request }: ManageRequest): Promise<CallReply> {
    const { type, id } = request
    // Elsewhere nobody takes the state of an application's actor.
    const hereAlone = onlyHere || (operation === 'state.transact' && this.#types.get(type)?.app !== undefined)
    if (hereAlone && !this.#life.hasActive(type, id)) return Promise.reject(notActive({ typeName: type, id }))
    return this.#call({ ...request, method: operation }, 'manage', 'method')
  }

  listReminders(type: string, page: PageRequest, caller?: Caller): Promise<ReminderPage> {
    return this.#ofKnownType(type, 'reminders', caller, () => this.#dueLists.reminders(type, page))
  }

  listSends(type: string, page: PageRequest, caller?: Caller): Promise<SendPage> {
    return this.#ofKnownType(type, 'sends', caller, () => this.#dueLists.sends(type, page))
  }

  async #ofKnownType<Page>(type: string, method: 'reminders' | 'sends', caller: Caller | undefined, list: () => Promise<Page>): Promise<Page> {
    checkType(type)
    const { types, version } = this.#life.membership.table
    // Before the first table of a life nobody can say so: what the store has is the answer.
    if (version > 0 && !types.has(type)) {
      throw new TroupeError('UNKNOWN_TYPE', `no host of this cluster runs the type ${type}; it knows ${[...types].sort().slice(0, 20).join(', ') || 'none'}`)
    }
    await this.#life.authorizer?.ask({ type, id: '', method, kind: 'list', caller: caller ?? { kind: 'host', id: this.id } })
    return list()
  }

  readState(type: string, id: string, key: string, caller?: Caller): Promise<CallReply> {
    return this.#call({ type, id, method: key, args: [], caller }, 'read', 'key')
  }

  /** The stored bytes of a storage key, past its actor: of a type that no host runs now. */
  async readStored(type: string, id: string, key: string, caller?: Caller): Promise<CallReply> {
    checkType(type)
    checkId(id)
    checkKey(key)
    await this.#life.authorizer?.ask({ type, id, method: key, kind: 'read', caller: caller ?? { kind: 'host', id: this.id } })
    const { clock, shardBits } = this.#options
    const [bytes] = await this.#stores.actors.loadEntries([{ actor: { type, id, shard: shardOf(hash32(type), id, shardBits) }, names: [storageEntry(key)] }])[0]!
    const [headers, body] = storedReply(bytes, key, clock.wallMs())
    return { value: undefined, app: { headers, body }, host: this.id, epoch: 0 }
  }

  refusal(bytes: number): TroupeError | undefined {
    return this.#admission.atDoor(bytes)
  }

  #call({ type, id, method, args, timeoutMs, signal, idempotencyKey, reentrancyId, caller, bytes }: CallRequest, kind: CallKind, what: 'method' | 'key'): Promise<CallReply> {
    return new Promise((resolve, reject) => {
      checkType(type)
      checkId(id)
      if (what === 'key') checkKey(method)
      // Applications have paths for methods.
      else if (kind === 'body') for (const part of method.split('/')) checkMember(what, part)
      else checkMember(what, method)
      const problem = idempotencyKey === undefined ? undefined : keyProblem(idempotencyKey)
      if (problem !== undefined) throw new TroupeError('BAD_REQUEST', `invalid request: the idempotency key ${problem}`)
      const parent = reentrancyId === undefined ? undefined : this.#chainIds.find(reentrancyId, type, id)
      const target = { typeName: type, id, timeoutMs: timeoutMs ?? this.#options.callTimeoutMs, signal, idempotencyKey, parent, caller, bytes }
      startWith(this.#refs.port, target, method, args, kind, (value, call) => resolve(replyOf(value, call)), reject)
    })
  }

  // ---- what is known ------------------------------------------------------------------------------------------------

  get phase(): HostPhase {
    return this.#phase
  }

  hostStatus(): HostStatus {
    return this.#life.status()
  }

  /** What waits here at this moment, and how much of it may. */
  queues(): readonly QueueState[] {
    return this.#life.queues()
  }

  clusterStatus(timeoutMs: number): Promise<ClusterStatus> {
    return this.#life.report.cluster(timeoutMs)
  }

  locate(type: string, id: string): ActorLocation {
    checkType(type)
    checkId(id)
    return this.#life.report.locate(type, id)
  }

  notReady(): readonly string[] {
    return this.#phase === 'serving' ? [] : [`host: ${this.#phase}`]
  }
}

function replyOf(value: unknown, { host, epoch, appReply }: Invocation): CallReply {
  if (!appReply) return { value, host, epoch }
  const [headers, body] = value as PackedReply
  return { value: undefined, app: { headers, body }, host, epoch }
}

/**
 * A member's options: an address that others can call.
 * @throws BAD_OPTION for what would make a host a member that harms its cluster
 */
function memberOptions(options: ResolvedHostOptions, store: ActorStore): ResolvedHostOptions {
  const { listen, placement } = options
  if (!store.shared) {
    throw new TroupeError('BAD_OPTION', `store ${store.name} belongs to this process alone, but placement ${placement.join(',')} moves actors between hosts: their state would be lost; use lmdb:DIR on one machine, redis://… or postgres://…`)
  }
  if (listen.advertise !== undefined || !['0.0.0.0', '::', '[::]'].includes(listen.host)) return options
  // All hosts of such a cluster are on this machine.
  if (store.name.startsWith('lmdb:')) return { ...options, listen: { ...listen, advertise: '127.0.0.1' } }
  throw new TroupeError('BAD_OPTION', `listen.host ${listen.host} is no address that other hosts can call; give listen.advertise (--advertise) the name of this machine`)
}

/** @throws BAD_OPTION when a file cannot be read, or its own certificate does not let this host be what it wants to be */
function clusterTls({ tls, namespace, hostId, placement, clock, log }: ResolvedHostOptions, types: readonly string[]): ClusterTls | undefined {
  if (tls === undefined) return undefined
  const own = { identity: new TlsIdentity(tls, { clock, log }), namespace }
  checkOwnGrants(own, hostId, types, placement.length === 0)
  return own
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
 * Starts a host. On a store that others can reach it is a member of the cluster there, and carries a placement candidate unless
 * `placement` names services; on `memory:` it is alone.
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
