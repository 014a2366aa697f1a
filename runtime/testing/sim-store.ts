/**
 * The stores of a simulation: the memory adapters on a machine of their own, and what one process sees of them.
 *
 * A request travels, is carried out at one instant, and its answer travels. Either way may be cut, slow, or lose a message:
 * so an error after the write and an error before it look the same to the process, and a request that the process has given
 * up may be carried out later, as on real networks. Requests overtake each other. What a dead process had sent arrives.
 */
import { TroupeError } from '../../core/errors.ts'
import type { ActorStore, ActorWrite, Claim, ClaimResult, CommitResult, EntryRead, EntryValues, Regress, ShardKey } from '../../stores/actor-store.ts'
import type { ClusterStore, LeaderRow, SavedTable } from '../../stores/cluster-store.ts'
import { MemoryActorStore } from '../../stores/memory/actor-store.ts'
import { MemoryClusterStore } from '../../stores/memory/cluster-store.ts'
import type { SimKernel } from './sim-kernel.ts'
import type { SimNetwork } from './sim-network.ts'
import type { SimProcess } from './sim-process.ts'

/** Faults of the store's machine; the network has its own. */
export interface SimStoreFaults {
  /** Requests that are never carried out, and answers that are lost, 0 to 1. */
  loseRequest: number
  loseAnswer: number
  /** Requests and answers take up to so much longer. */
  slowMs: number
  /** Nothing is carried out: what comes waits. */
  stalled: boolean
  /** Requests for actors that are carried out a second time, some time later, as by a driver that sends again what it has no answer to; 0 to 1. */
  repeat: number
}

/** Told of every write that the store carried out, and of every claim. */
export interface SimStoreObserver {
  committed?(write: ActorWrite, result: CommitResult, by: SimProcess): void
  saved?(table: SavedTable, result: 'ok' | 'stale', by: SimProcess): void
}

interface Connection {
  readonly process: SimProcess
  readonly shards: () => readonly ShardKey[]
  readonly told: (regress: Regress) => void
}

/** How long processes take to connect to a store that has changed machines, at most. */
const RECONNECT_MS = 300
/** A repeated request comes so much later, at most. */
const REPEAT_MS = 4_000

export class SimStoreServer {
  readonly name: string
  readonly faults: SimStoreFaults = { loseRequest: 0, loseAnswer: 0, slowMs: 0, stalled: false, repeat: 0 }
  readonly observer: SimStoreObserver = {}
  readonly kernel: SimKernel
  readonly network: SimNetwork
  actors = new MemoryActorStore()
  /** Every claim and commit, for `rollBack`. */
  #journal: { readonly atMs: number; readonly again: (actors: MemoryActorStore) => Promise<unknown> }[] = []
  readonly #connections = new Set<Connection>()
  readonly cluster: MemoryClusterStore
  /** Of the leader row, as it was last asked for. */
  leaderAddress: string | undefined
  readonly #timeoutMs: number
  #waiting: (() => void)[] = []

  /** `timeoutMs`: how long processes wait for an answer, as commands of real adapters do. */
  constructor(network: SimNetwork, timeoutMs: number, name = 'store') {
    this.#timeoutMs = timeoutMs
    this.name = name
    this.network = network
    this.kernel = network.kernel
    this.cluster = new MemoryClusterStore(this.kernel.process(name))
  }

  /** For the stores of processes: something that changes the actors' rows. */
  change<Answer>(change: (actors: MemoryActorStore) => Promise<Answer>): Promise<Answer> {
    this.#journal.push({ atMs: this.kernel.nowMs, again: change })
    return change(this.actors)
  }

  /** A process that wants to hear of losses. @returns ends that */
  connect(connection: Connection): () => void {
    this.#connections.add(connection)
    return () => { this.#connections.delete(connection) }
  }

  /**
   * The claims and writes of actors of the last `lostMs` are gone, acknowledged or not: a replica took over that had not got them.
   * Every process is told when it is connected again.
   */
  rollBack(lostMs: number): void {
    const kept = this.#journal.filter(({ atMs }) => atMs < this.kernel.nowMs - lostMs)
    const lostWrites = this.#journal.length - kept.length
    this.#journal = kept
    // Carried out at once, each of them: the memory adapter awaits nothing.
    this.actors = new MemoryActorStore()
    for (const { again } of kept) void again(this.actors)
    for (const { process, shards, told } of this.#connections) {
      this.kernel.after(this.#travelMs(this.name, process.name) + this.kernel.random.float() * RECONNECT_MS, () => told({ shards: shards(), lostWrites, reason: 'a replica took over' }), process)
    }
  }

  /** Ends all faults of this machine. */
  heal(): void {
    Object.assign(this.faults, { loseRequest: 0, loseAnswer: 0, slowMs: 0, repeat: 0 })
    this.resume()
  }

  /** No longer stalled: what waited is carried out, in any order. */
  resume(): void {
    this.faults.stalled = false
    for (const run of this.#waiting.splice(0)) this.kernel.after(this.#travelMs('', this.name), run)
  }

  /** `carryOut` runs at the store; rejects with STORE_UNAVAILABLE when no answer has come in time. */
  request<Answer>(process: SimProcess, carryOut: () => Promise<Answer>): Promise<Answer> {
    const timeoutMs = this.#timeoutMs
    return new Promise((resolve, reject) => {
      const timer = process.after(timeoutMs, () => reject(new TroupeError('STORE_UNAVAILABLE', `the store did not answer within ${timeoutMs} ms`)))
      if (process.phase === 'dead') return
      const { random } = this.kernel
      const answer = (settle: () => void): void => {
        if (random.float() < this.faults.loseAnswer) return
        this.#cross(this.name, process.name, () => this.kernel.act(process, () => {
          timer.cancel()
          settle()
        }))
      }
      const serve = (): void => {
        if (this.faults.stalled) return void this.#waiting.push(serve)
        carryOut().then(value => answer(() => resolve(value)), (error: unknown) => answer(() => reject(error as Error)))
      }
      if (random.float() < this.faults.loseRequest) return
      this.#cross(process.name, this.name, serve)
    })
  }

  /** The same request once more; nobody waits for what it comes to. */
  repeatLater(carryOut: () => Promise<unknown>): void {
    this.kernel.after(this.kernel.random.float() ** 3 * REPEAT_MS, () => void carryOut().catch(() => undefined))
  }

  #cross(from: string, to: string, arrive: () => void): void {
    this.kernel.after(this.#travelMs(from, to), () => {
      if (this.network.isCut(from, to)) this.kernel.after(100, () => this.#cross(from, to, arrive))
      else arrive()
    })
  }

  #travelMs(from: string, to: string): number {
    return this.network.latency(from, to) + this.faults.slowMs * this.kernel.random.float()
  }
}

export class SimActorStore implements ActorStore {
  readonly name = 'simulated:'
  readonly shared = true
  readonly flushAt = 'tick'
  readonly readsAtOnce = false
  readonly #server: SimStoreServer
  readonly #process: SimProcess
  readonly #claimed = new Map<string, ShardKey>()
  readonly #ask: <Answer>(carryOut: () => Promise<Answer>) => Promise<Answer>

  constructor(server: SimStoreServer, process: SimProcess) {
    this.#server = server
    this.#process = process
    this.#ask = carryOut => {
      if (server.kernel.random.float() < server.faults.repeat) server.repeatLater(carryOut)
      return server.request(process, carryOut)
    }
  }

  async open(): Promise<void> {}
  async close(): Promise<void> {}

  onRegress(told: (regress: Regress) => void): () => void {
    return this.#server.connect({ process: this.#process, told, shards: () => [...this.#claimed.values()] })
  }

  claim(claims: readonly Claim[]): Promise<readonly ClaimResult[]> {
    for (const { type, shard } of claims) this.#claimed.set(`${type}#${shard}`, { type, shard })
    return this.#ask(() => this.#server.change(actors => actors.claim(claims)))
  }
  load(...args: Parameters<ActorStore['load']>): ReturnType<ActorStore['load']> {
    return this.#ask(() => this.#server.actors.load(...args))
  }
  loadEntries(reads: readonly EntryRead[]): readonly Promise<EntryValues>[] {
    return reads.map(read => this.#ask(() => this.#server.actors.loadEntries([read])[0]!))
  }
  listEntries(...args: Parameters<ActorStore['listEntries']>): ReturnType<ActorStore['listEntries']> {
    return this.#ask(() => this.#server.actors.listEntries(...args))
  }
  due(...args: Parameters<ActorStore['due']>): ReturnType<ActorStore['due']> {
    return this.#ask(() => this.#server.actors.due(...args))
  }
  list(...args: Parameters<ActorStore['list']>): ReturnType<ActorStore['list']> {
    return this.#ask(() => this.#server.actors.list(...args))
  }

  async commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    try {
      return await this.#ask(async () => {
        const results = await this.#server.change(actors => actors.commit(writes))
        writes.forEach((write, i) => this.#server.observer.committed?.(write, results[i]!, this.#process))
        return results
      })
    } catch {
      return writes.map(() => 'unknown')
    }
  }
}

/** The cluster's rows as a process sees them: every call of the memory adapter is a request. */
export function simClusterStore(server: SimStoreServer, process: SimProcess): ClusterStore {
  return new Proxy(server.cluster as ClusterStore, {
    get: (target, key) => {
      if (key === 'name') return 'simulated:'
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => server.request(process, async () => {
        const result: unknown = await value.apply(target, args)
        if (key === 'campaign') server.leaderAddress = (result as LeaderRow).address
        if (key === 'saveTable') server.observer.saved?.(args[0] as SavedTable, result as 'ok' | 'stale', process)
        return result
      })
    },
  })
}
