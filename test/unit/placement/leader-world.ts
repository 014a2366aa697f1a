/** A leader on a clock moved by hand, with hosts that are a stream and a lease: no sockets, no gRPC. */
import { ManualClock } from '../../../core/clock.ts'
import { silentLogger } from '../../../core/logger.ts'
import { SeededRandom } from '../../../core/random.ts'
import type { HostSession } from '../../../placement/host-sessions.ts'
import { Leader, type LeaderTimes } from '../../../placement/leader.ts'
import type { HostMessage, PlacementMessage } from '../../../placement/messages.ts'
import { defaultLeaderTimes } from '../../../placement/placement-server.ts'
import type { Probe } from '../../../placement/prober.ts'
import { applyDelta, decodeTable } from '../../../placement/table-codec.ts'
import { emptyTable, type Table } from '../../../placement/table.ts'
import { TroupeError } from '../../../core/errors.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'

export const SHARDS = 16
export const LEASE_MS = 2_000

/** A host's end of the stream: keeps the table as a client would. */
export class FakeHost implements HostSession {
  readonly id: string
  readonly incarnation: string
  table: Table
  readonly heard: PlacementMessage[] = []
  ended = false
  full = false

  constructor(id: string, incarnation: string, shards: number) {
    this.id = id
    this.incarnation = incarnation
    this.table = emptyTable(shards)
  }
  send(message: PlacementMessage): boolean {
    this.heard.push(message)
    if (message.kind === 'full') this.table = decodeTable(message.full, this.table.shards)
    if (message.kind === 'delta') this.table = applyDelta(this.table, message.delta)
    return !this.full
  }
  end(): void {
    this.ended = true
  }
  last(): PlacementMessage | undefined {
    return this.heard.at(-1)
  }
  owned(id: string): number {
    return this.shardsWhere(owner => owner?.member.id === id).length
  }
  shardsWhere(holds: (owner: ReturnType<Table['owner']>) => boolean): number[] {
    return Array.from({ length: this.table.shards }, (_, shard) => shard).filter(shard => holds(this.table.owner('A', shard)))
  }
}

export interface JoinDetails {
  readonly address?: string
  readonly leaving?: boolean
  readonly version?: number
  readonly types?: readonly string[]
  /** Opens its lease, as every host does before it joins; true by default. */
  readonly lease?: boolean
}

export class World {
  readonly clock = new ManualClock()
  readonly store: MemoryClusterStore = new MemoryClusterStore(this.clock)
  readonly refused = new Set<string>()
  readonly shards: number
  readonly #times: Partial<LeaderTimes>
  readonly #maxMoves: number
  probes = 0
  deposed = 0
  leads = true
  readonly probe: Probe = async address => {
    this.probes++
    return this.refused.has(address) ? 'refused' : 'reached'
  }
  leader: Leader

  constructor(options: { shards?: number; maxMoves?: number; times?: Partial<LeaderTimes> } = {}) {
    this.shards = options.shards ?? SHARDS
    this.#times = options.times ?? {}
    this.#maxMoves = options.maxMoves ?? 256
    this.leader = this.lead(1, emptyTable(this.shards))
  }

  lead(term: number, table: Table, more: { troubleMs?: number; aboveVersion?: number } = {}): Leader {
    this.leader = new Leader({
      clock: this.clock, random: new SeededRandom(1), log: silentLogger, store: this.store, probe: this.probe, maxMoves: this.#maxMoves,
      times: { ...defaultLeaderTimes, ...this.#times }, term, table, fingerprint: {}, leads: () => this.leads, deposed: () => { this.deposed++ },
      ...more,
    })
    this.leader.start()
    return this.leader
  }

  join(id: string, incarnation = `${id}1`, more: JoinDetails = {}): FakeHost {
    const host = new FakeHost(id, incarnation, this.shards)
    if (more.lease !== false) void this.store.openLease({ id: incarnation, ttlMs: LEASE_MS })
    this.leader.receive(host, { version: more.version ?? 0, kind: 'join', join: {
      id, incarnation, address: more.address ?? `${incarnation}:1`, http: '', types: more.types ?? ['A'], weight: 1, fingerprint: {}, leaving: more.leaving ?? false,
    } })
    return host
  }

  say(host: FakeHost, message: Omit<Extract<HostMessage, { kind: 'heartbeat' }>, 'version'> | { kind: 'leave'; leave: object }): void {
    this.leader.receive(host, { version: host.table.version, ...message })
  }

  /** Says that all that moves away from this host is drained. Gives how many shards that were. */
  release(host: FakeHost): number {
    const shards = host.shardsWhere(owner => owner?.from === host.id)
    if (shards.length > 0) this.leader.receive(host, { version: host.table.version, kind: 'released', released: { sets: [{ type: 'A', shards }] } })
    return shards.length
  }

  /** The store answers nobody. */
  storeFails(): () => void {
    const names = ['leases', 'revokeLease', 'endLease', 'saveTable', 'loadTable', 'renewLease'] as const
    const down = async (): Promise<never> => {
      throw new TroupeError('STORE_UNAVAILABLE', 'down')
    }
    for (const name of names) Object.defineProperty(this.store, name, { value: down, configurable: true })
    return () => { for (const name of names) Reflect.deleteProperty(this.store, name) }
  }

  /** Time passes; `beating` send heartbeats and renew their leases, `renewing` only renew. */
  async pass(ms: number, beating: readonly FakeHost[] = [], renewing: readonly FakeHost[] = []): Promise<void> {
    for (let left = ms; left > 0; left -= 250) {
      for (const host of beating) if (!host.ended) this.say(host, { kind: 'heartbeat', heartbeat: {} })
      for (const { incarnation } of [...beating, ...renewing]) this.store.renewLease({ id: incarnation, ttlMs: LEASE_MS }).catch(() => undefined)
      await this.clock.advance(Math.min(250, left))
    }
  }
}
