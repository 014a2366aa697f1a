/**
 * A whole cluster in one process, on virtual time: the production hosts and placement service over simulated links and stores.
 *
 * Machines are `h1` …, `p1` … and `store`; each host and placement service is a process under a supervisor. What a caller
 * outside sees of a call is what a client would: an answer, an error, or nothing any more because the host died.
 */
import type { ActorClass } from '../../actors/actor-type.ts'
import { isActorError } from '../../actors/errors.ts'
import type { Timer } from '../../core/clock.ts'
import { messageOf, TroupeError, type Executed } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import { SeededRandom } from '../../core/random.ts'
import { startPlacement, type PlacementCandidate } from '../../placement/placement-server.ts'
import { Host } from '../host.ts'
import type { HostOptions } from '../host-options.ts'
import type { CallReply, CallRequest, ManageRequest } from '../dispatch/dispatcher.ts'
import { MemoryTransport } from '../transport/memory-transport.ts'
import { SimGateway } from './sim-gateway.ts'
import { SimKernel } from './sim-kernel.ts'
import { peerNetwork, placementDial, placementServe } from './sim-links.ts'
import { SimNetwork } from './sim-network.ts'
import type { SimProcess } from './sim-process.ts'
import { SimService } from './sim-service.ts'
import { nameOf } from './sim-socket.ts'
import { SimActorStore, SimStoreServer, simClusterStore } from './sim-store.ts'

export interface SimClusterOptions {
  readonly seed: number
  readonly actors: readonly ActorClass[]
  /** 5 by default. */
  readonly hosts?: number
  /** Placement services; 1 by default. 0: each host carries a candidate. */
  readonly placements?: number
  /** How long processes wait for an answer of the store; 2 s by default. */
  readonly storeTimeoutMs?: number
  /** Port of every host; 0, the default: another one in each life. */
  readonly hostPort?: number
  /** log2 of the shards a type has; 3 by default. */
  readonly shardBits?: number
  /** Lines of the trace that are kept; 200 by default. */
  readonly keptLines?: number
  /** For every host. */
  readonly options?: Partial<Pick<HostOptions, 'callTimeout' | 'commitTimeout' | 'drainTimeout' | 'maxParked'>>
}

/** What a caller sees. `lost`: the host died. `silent`: it lives, and did not answer in time. */
export type SimOutcome =
  | { readonly kind: 'ok'; readonly value: unknown; readonly host: string; readonly epoch: number }
  | { readonly kind: 'error'; readonly code: string; readonly executed: Executed; readonly message: string }
  | { readonly kind: 'lost' }
  | { readonly kind: 'silent' }

/** A host, and the door through which it is called from outside. */
export interface SimHost {
  readonly host: Host
  readonly door: SimGateway
}

const PLACEMENT_PORT = 7000
const PROBE_MS = 1_000
/** What a process that was frozen needs to catch up with its deadlines. */
const SETTLED_MS = 500

export class SimCluster {
  readonly kernel: SimKernel
  readonly network: SimNetwork
  readonly store: SimStoreServer
  readonly hosts: readonly SimService<SimHost>[]
  readonly placements: readonly SimService<PlacementCandidate>[]
  readonly #options: SimClusterOptions
  readonly #log: Logger
  /** Calls that wait for an answer, of each process. */
  readonly #open = new Map<SimProcess, Set<() => void>>()

  constructor(options: SimClusterOptions) {
    this.#options = options
    this.kernel = new SimKernel({ seed: options.seed, timerLateMs: 1, keptLines: options.keptLines ?? 200 })
    this.network = new SimNetwork(this.kernel)
    this.store = new SimStoreServer(this.network, options.storeTimeoutMs ?? 2_000)
    this.#log = traceLogger(this.kernel)
    this.placements = names('p', options.placements ?? 1).map(name => this.#placement(name))
    this.hosts = names('h', options.hosts ?? 5).map(name => this.#host(name))
  }

  start(): void {
    for (const service of [...this.placements, ...this.hosts]) service.start()
  }

  /** The machine whose process leads placement, as the store's row says. */
  get leader(): string | undefined {
    const { leaderAddress } = this.store
    return leaderAddress === undefined ? undefined : nameOf(leaderAddress)
  }

  /** Names of all machines. */
  get machines(): string[] {
    return [...this.placements.map(p => p.name), ...this.hosts.map(h => h.name), this.store.name]
  }

  #placement(name: string): SimService<PlacementCandidate> {
    const { kernel, network, store } = this
    const { shardBits = 3 } = this.#options
    return new SimService(kernel, name, {
      boot: process => startPlacement({
        host: name, port: PLACEMENT_PORT, clusterStore: simClusterStore(store, process), clock: process, random: this.#random(), log: this.#log, shardBits,
        probe: address => network.probe(process, address, PROBE_MS), serve: placementServe(network, process),
      }),
      shut: service => service.stop(),
    })
  }

  #host(name: string): SimService<SimHost> {
    const { kernel, network, store } = this
    const { actors, shardBits = 3, hostPort = 0, options } = this.#options
    return new SimService(kernel, name, {
      boot: async process => {
        const door = new SimGateway(process)
        const host = new Host({
          ...options, actors, shardBits, hostId: name, listen: { host: name, port: hostPort },
          placement: this.placements.map(p => `${p.name}:${PLACEMENT_PORT}`), placementPort: hostPort === 0 ? 0 : PLACEMENT_PORT,
          store: { actors: new SimActorStore(store, process), cluster: simClusterStore(store, process) },
          clock: process, random: this.#random(), log: this.#log, gateways: [door],
        }, {
          transport: peers => new MemoryTransport({ ...peers, network: peerNetwork(network, process) }),
          dial: placementDial(network, process),
          serve: placementServe(network, process),
          probe: address => network.probe(process, address, PROBE_MS),
        })
        await host.start()
        return { host, door }
      },
      shut: ({ host }) => host.stop(),
      ended: ({ host }) => host.stopped,
    })
  }

  /** Each life has a sequence of its own: what one process draws does not shift what another gets. */
  #random(): SeededRandom {
    return new SeededRandom(Math.floor(this.kernel.random.float() * 2 ** 32))
  }

  /** A call from outside through the host at `index`; `answerMs`: how long its caller waits from its arrival on, by the clock of that host, which may be frozen meanwhile. */
  call(index: number, request: CallRequest, answerMs: number): Promise<SimOutcome> {
    return this.#ask(index, door => door.call(request), answerMs)
  }

  /** As `call`, for what is done to actors besides calling them. */
  manage(index: number, request: ManageRequest, answerMs: number): Promise<SimOutcome> {
    return this.#ask(index, door => door.manage(request), answerMs)
  }

  #ask(index: number, ask: (door: SimGateway) => Promise<CallReply>, answerMs: number): Promise<SimOutcome> {
    const service = this.hosts[index]!
    const { process, running } = service
    if (process === undefined || running === undefined) {
      return Promise.resolve(down(service.name))
    }
    return new Promise(resolve => {
      const open = this.#openOf(process)
      const settle = (outcome: SimOutcome): void => {
        if (!open.delete(lose)) return
        timer?.cancel()
        resolve(outcome)
      }
      const lose = (): void => settle({ kind: 'lost' })
      open.add(lose)
      let timer: Timer | undefined
      const answer = (outcome: SimOutcome): void => {
        if (process.phase !== 'dead') this.kernel.after(this.network.latency('client', service.name), () => settle(outcome))
      }
      this.kernel.after(this.network.latency('client', service.name), () => {
        // Nobody listens there any more.
        if (process.phase === 'dead') return settle(down(service.name))
        this.kernel.act(process, () => {
          // One that was frozen when its time was over answers before anything else, if it does.
          timer = process.after(answerMs, () => void this.kernel.after(SETTLED_MS, () => settle({ kind: 'silent' }), process))
          ask(running.door).then(reply => answer({ kind: 'ok', value: reply.value, host: reply.host, epoch: reply.epoch }), (error: unknown) => answer(asOutcome(error)))
        })
      })
    })
  }

  #openOf(process: SimProcess): Set<() => void> {
    let open = this.#open.get(process)
    if (open === undefined) {
      const made = open = new Set<() => void>()
      this.#open.set(process, made)
      process.onDeath(() => {
        this.#open.delete(process)
        // What it had answered may still be on its way: those are settled by then.
        this.kernel.after(5, () => { for (const lose of [...made]) lose() })
      })
    }
    return open
  }
}

const names = (letter: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${letter}${i + 1}`)

const down = (name: string): SimOutcome => ({ kind: 'error', code: 'DOWN', executed: 'no', message: `${name} is down` })

function asOutcome(error: unknown): SimOutcome {
  const message = messageOf(error)
  if (TroupeError.is(error)) return { kind: 'error', code: error.code, executed: error.executed, message }
  if (isActorError(error)) return { kind: 'error', code: (error as { code?: string }).code ?? 'ACTOR_ERROR', executed: 'yes', message }
  return { kind: 'error', code: 'THROWN', executed: 'unknown', message }
}

/** What hosts log from `info` on becomes lines of the trace. */
function traceLogger(kernel: SimKernel, base: object = {}): Logger {
  const line = (level: string) => (fields: object, message: string): void => {
    const facts = Object.entries({ ...base, ...fields }).map(([name, value]) => `${name}=${value instanceof Error ? messageOf(value).slice(0, 80) : JSON.stringify(value)}`)
    kernel.note(`${level} ${message} ${facts.join(' ')}`)
  }
  return { debug: () => undefined, info: line('info'), warn: line('warn'), error: line('error'), child: fields => traceLogger(kernel, { ...base, ...fields }) }
}
