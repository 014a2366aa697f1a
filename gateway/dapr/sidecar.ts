/**
 * A sidecar: doors for an application that speaks the Dapr actor API, and a host that runs the actor types of the application by
 * asking it. Started in the order in which an application can rely on it: doors first (SDKs wait for them before they open their
 * own port), the host when the application has said what it hosts. Stopped the other way: the host first, whose last turns still
 * read and store by the doors.
 */
import { sleep, SystemClock, type Clock } from '../../core/clock.ts'
import type { Logger } from '../../core/logger.ts'
import { SystemRandom } from '../../core/random.ts'
import type { AppChannel } from '../../actors/app-channel.ts'
import type { ActorClass } from '../../actors/actor-type.ts'
import { appActorClass } from '../../runtime/activation/app-actor.ts'
import type { Gateway } from '../../runtime/gateway.ts'
import { Host } from '../../runtime/host.ts'
import type { HostOptions } from '../../runtime/host-options.ts'
import { openStores } from '../../stores/open-store.ts'
import { MemoryActorStore } from '../../stores/memory/actor-store.ts'
import { MemoryClusterStore } from '../../stores/memory/cluster-store.ts'
import type { DoorOptions } from '../door-guard.ts'
import { grpcGateway } from '../grpc.ts'
import { httpGateway } from '../http.ts'
import { ActorResiliency } from './actor-resiliency.ts'
import { AppLife } from './app-life.ts'
import { AppStreams } from './app-streams.ts'
import type { AppType } from './app-type.ts'
import { AppWatch } from './app-watch.ts'
import type { DoorFacts } from './door-facts.ts'
import { HttpChannel } from './channel/http-channel.ts'
import { Hosting } from './hosting.ts'
import { readResources, type DaprResources } from './resources.ts'

export interface AppOptions {
  readonly port: number
  readonly protocol: 'http' | 'https' | 'h2c' | 'grpc'
  readonly address: string
  /** Requests at once; 0: no limit. */
  readonly maxConcurrency: number
  /** Sent to the application as `dapr-api-token`. */
  readonly apiToken: string | undefined
  readonly health?: { readonly path: string; readonly intervalMs: number; readonly timeoutMs: number; readonly threshold: number } | undefined
  /** One argument of a TypeScript caller is sent in a list too. */
  readonly wantsList: boolean
}

export interface SidecarOptions {
  readonly appId: string
  /** Undefined: no application. The protocol `grpc` is the event stream, and may have port 0. */
  readonly app?: AppOptions | undefined
  readonly resourcesPaths: readonly string[]
  readonly configFiles: readonly string[]
  readonly strict: boolean
  readonly maxBodyBytes: number
  readonly doors: {
    readonly listen: readonly string[]
    readonly httpPort: number | 'off'
    readonly grpcPort: number | 'off'
    readonly publicPort: number | undefined
    readonly security: DoorOptions
  }
  /** Without `store`: that of the components, else `defaultStore`. */
  readonly host: Omit<HostOptions, 'actors' | 'gateways'>
  readonly defaultStore: string
  /** How long it goes on as before when it is told to stop. */
  readonly blockShutdownMs: number
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Logger
  readonly onShutdownRequested: () => void
}

export interface Sidecar {
  /** `http`, `grpc`. */
  readonly addresses: Record<string, string>
  stop(): Promise<void>
  /** Resolves when it has stopped, rejects when it cannot go on. */
  readonly ended: Promise<unknown>
}

/** Nothing in Dapr bounds a call or a turn; a handler that hangs must not hold its actor for ever. */
const LONGEST_MS = 3_600_000
const DOORS_STOP_MS = 5_000
/** Names and headers beside a body. */
const AROUND_BODY_BYTES = 256 * 1024

/** @throws BAD_OPTION for what the resource files say wrong · PORT_TAKEN */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const clock = options.host.clock ?? new SystemClock()
  const running = new RunningSidecar(options, clock)
  try {
    await running.start()
  } catch (error) {
    await running.end()
    throw error
  }
  return running
}

class RunningSidecar implements Sidecar {
  readonly addresses: Record<string, string> = {}
  readonly ended: Promise<unknown>
  readonly #options: SidecarOptions
  readonly #clock: Clock
  readonly #resources: DaprResources
  readonly #hostOptions: Omit<HostOptions, 'actors' | 'gateways'>
  readonly #hosting: Hosting
  /** Undefined: the application is reached by HTTP. */
  readonly #streams: AppStreams | undefined
  readonly #http: HttpChannel | undefined
  readonly #watch: AppWatch | undefined
  readonly #doors: Gateway[]
  readonly #fail: (error: unknown) => void
  readonly #over: () => void

  constructor(options: SidecarOptions, clock: Clock) {
    const { log, appId, env, resourcesPaths, configFiles, app } = options
    this.#options = options
    this.#clock = clock
    const ended = Promise.withResolvers<void>()
    this.ended = ended.promise
    this.ended.catch(() => undefined)
    this.#fail = ended.reject
    this.#over = ended.resolve
    this.#resources = readResources({ paths: resourcesPaths, configFiles, namespace: options.host.namespace, appId, env, cwd: process.cwd(), log })
    const hostOptions = this.#hostOptions = this.#readHostOptions()
    this.#hosting = new Hosting({
      appId, clock, log, onFailed: this.#fail, open: actors => this.#openHost({ ...hostOptions, actors }),
      resiliency: new ActorResiliency(this.#resources.resiliency, { clock, random: options.host.random ?? new SystemRandom(), log }),
    })
    const overHttp = app !== undefined && app.protocol !== 'grpc'
    this.#streams = overHttp ? undefined : new AppStreams({
      clock, log, onRegistered: types => this.#serve(types, this.#streams), onGone: () => this.#serve([], undefined),
    })
    this.#http = overHttp ? new HttpChannel({ ...app, protocol: app.protocol as 'http', maxBodyBytes: options.maxBodyBytes, clock }) : undefined
    this.#watch = this.#http && this.#watchOver(this.#http, app!)
    this.#doors = this.#openDoors()
  }

  #watchOver(channel: HttpChannel, { port, health }: AppOptions): AppWatch {
    const { appId, strict, log } = this.#options
    // Failures are the hosting's to tell.
    const serve = (types: readonly AppType[]): void => void this.#serve(types, new AppLife(channel, () => watch.suspect())).catch(() => undefined)
    const watch: AppWatch = new AppWatch({ app: channel, port, appId, health, strict, clock: this.#clock, log }, { ready: serve, healthy: serve, unhealthy: () => serve([]) })
    return watch
  }

  #readHostOptions(): Omit<HostOptions, 'actors' | 'gateways'> {
    const { host, maxBodyBytes, defaultStore, log } = this.#options
    const store = host.store ?? this.#resources.storeUrl ?? defaultStore
    return {
      callTimeout: LONGEST_MS, maxPayloadBytes: Math.min(256 * 1024 * 1024, maxBodyBytes + AROUND_BODY_BYTES), log, clock: this.#clock, ...host,
      // Memory must outlast the host that is replaced.
      store: store === 'memory:' ? { actors: new MemoryActorStore(), cluster: new MemoryClusterStore(this.#clock) } : store,
    }
  }

  async #openHost(options: HostOptions): Promise<Host> {
    const host = new Host(options)
    // The doors are not its own; others are told of them as if they were.
    Object.assign(host.addresses, this.addresses)
    await host.start()
    return host
  }

  #openDoors(): Gateway[] {
    const { doors: { listen, httpPort, grpcPort, publicPort, security }, maxBodyBytes } = this.#options
    const facts = this.#facts()
    const common = { ...security, clock: this.#clock, facts }
    return listen.flatMap((host): Gateway[] => [
      ...httpPort === 'off' ? [] : [httpGateway({ ...common, host, port: httpPort, maxBodyBytes })],
      ...grpcPort === 'off' ? [] : [grpcGateway({ ...common, host, port: grpcPort, maxMessageBytes: maxBodyBytes, ...this.#streams && { hosting: this.#streams } })],
      ...publicPort === undefined ? [] : [httpGateway({ ...common, host, port: publicPort, routes: 'health' })],
    ])
  }

  #facts(): DoorFacts {
    const { appId, app, strict, onShutdownRequested } = this.#options
    const { components, enabledFeatures } = this.#resources
    return {
      strict, appId, components, enabledFeatures, extended: new Map(), shutdown: onShutdownRequested,
      runtimeStatus: () => this.#hosting.begun ? 'RUNNING' : 'INITIALIZING',
      appConnection: app && {
        port: app.port, protocol: app.protocol, channelAddress: app.address, maxConcurrency: app.maxConcurrency,
        health: app.health && {
          healthCheckPath: app.health.path, healthProbeInterval: `${app.health.intervalMs}ms`, healthProbeTimeout: `${app.health.timeoutMs}ms`, healthThreshold: app.health.threshold,
        },
      },
    }
  }

  /** A store that cannot be opened is told now, and not when the application is there. @throws STORE_OPEN_FAILED · BAD_OPTION */
  async #tryStore({ store, namespace = 'default' }: Pick<HostOptions, 'store' | 'namespace'>): Promise<void> {
    if (typeof store !== 'string') return
    const { actors } = openStores(store, { clock: this.#clock, namespace })
    await actors.open()
    await actors.close()
  }

  async start(): Promise<void> {
    const { log } = this.#options
    if (this.#watch !== undefined) await this.#tryStore(this.#hostOptions)
    for (const door of this.#doors) {
      const { address } = await door.start(this.#hosting, log.child({ door: door.name }))
      this.addresses[door.name] ??= address
    }
    if (this.#watch !== undefined) this.#watch.start()
    else await this.#serve([], undefined)
  }

  /** The application hosts these types from now on. */
  #serve(types: readonly AppType[], channel: AppChannel | undefined): Promise<void> {
    return this.#hosting.serve(channel === undefined ? [] : types.map(type => this.#classOf(type, channel)))
  }

  #classOf({ name, idleMs, drainMs, drainRebalanced, reentrant, maxStackDepth }: AppType, channel: AppChannel): ActorClass {
    const { strict, app } = this.#options
    return appActorClass({
      type: name, channel, reentrant, maxStackDepth, idleMs, drainMs: drainRebalanced ? drainMs : 0, turnTimeoutMs: LONGEST_MS,
      tellsChain: reentrant || !strict, wantsList: app?.wantsList === true, mayCancel: !strict,
    })
  }

  async stop(): Promise<void> {
    const { blockShutdownMs, log } = this.#options
    if (blockShutdownMs > 0) {
      log.info({ ms: blockShutdownMs }, 'goes on for a while before it stops')
      await sleep(this.#clock, blockShutdownMs)
    }
    await this.end()
  }

  async end(): Promise<void> {
    const { log } = this.#options
    this.#watch?.stop()
    for (const door of this.#doors) door.drain()
    await this.#hosting.stop().catch((error: unknown) => log.error({ err: error }, 'the host did not stop cleanly'))
    this.#http?.close()
    this.#streams?.close()
    await Promise.all(this.#doors.map(door => door.stop(DOORS_STOP_MS)))
    this.#over()
  }
}
