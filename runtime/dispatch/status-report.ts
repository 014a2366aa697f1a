/** What a host knows of itself, of its cluster and of where an actor belongs: for people, gateways and `troupe status`. */
import type { ActorType } from '../../actors/actor-type.ts'
import { decode } from '../../core/codec.ts'
import type { Clock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import type { Member, Membership } from '../../placement/membership.ts'
import type { StoreHealth } from '../../stores/actor-store.ts'
import type { Catalog } from '../activation/catalog.ts'
import type { Transport } from '../transport/transport.ts'
import type { ActorLocation, ClusterStatus, HostStatus } from './dispatcher.ts'
import type { Outgoing } from './outgoing.ts'
import type { Router } from './router.ts'

export type HostPhase = 'starting' | 'serving' | 'draining' | 'stopped'

interface Sources {
  readonly self: () => { id: string; incarnation: string; addresses: Readonly<Record<string, string>>; phase: HostPhase }
  readonly types: ReadonlyMap<string, ActorType>
  readonly weight: number
  readonly shardBits: number
  readonly storeName: string
  /** The cluster is this host. */
  readonly alone: boolean
  readonly leaseLeftMs: () => number | undefined
  readonly storeHealth: () => StoreHealth | undefined
  /** Its own candidate leads placement. */
  readonly leads: () => boolean
  /** Who leads placement. */
  readonly leader: () => string | undefined
  readonly membership: Membership
  readonly catalog: Catalog
  readonly router: Router
  readonly transport: Transport | undefined
  readonly outgoing: Outgoing
  readonly clock: Clock
}

export class StatusReport {
  readonly #sources: Sources

  constructor(sources: Sources) {
    this.#sources = sources
  }

  host(): HostStatus {
    const { types, membership, weight, shardBits, catalog } = this.#sources
    const { id, incarnation, addresses, phase } = this.#sources.self()
    const { table } = membership
    const leaseLeftMs = this.#sources.leaseLeftMs()
    const storeHealth = this.#sources.storeHealth()
    const shards: Record<string, number> = {}
    for (const type of types.keys()) {
      shards[type] = 0
      for (let shard = 0; shard < 2 ** shardBits; shard++) if (table.owner(type, shard)?.member.id === id) shards[type]++
    }
    return {
      id, incarnation, address: addresses.peer ?? '', http: addresses.http ?? '', types: [...types.keys()], weight, phase,
      tableVersion: table.version, shards, activations: catalog.counts(), placement: this.#placement(),
      ...(leaseLeftMs === undefined ? {} : { leaseLeftMs: Math.round(leaseLeftMs) }),
      ...(storeHealth === undefined ? {} : { storeHealth }),
      ...(this.#sources.leads() ? { leads: true } : {}),
    }
  }

  async cluster(timeoutMs: number): Promise<ClusterStatus> {
    const { table } = this.#sources.membership
    const leader = this.#sources.leader()
    const hosts = await Promise.all([...table.members.values()].map(member => this.#ask(member, timeoutMs)))
    return {
      tableVersion: table.version, placement: this.#placement(), ...(leader === undefined ? {} : { leader }), store: this.#sources.storeName, hosts: hosts.sort((a, b) => (a.id < b.id ? -1 : 1)),
    }
  }

  /** @throws UNKNOWN_TYPE */
  locate(type: string, id: string): ActorLocation {
    const { membership, router, types } = this.#sources
    if (membership.table.version > 0 && !membership.table.types.has(type)) throw new TroupeError('UNKNOWN_TYPE', `no host of this cluster runs the type ${type}`)
    const shard = router.shardOf(types.get(type), type, id)
    const owner = membership.table.owner(type, shard)
    return { shard, member: owner?.member, epoch: owner?.epoch }
  }

  #placement(): ClusterStatus['placement'] {
    if (this.#sources.alone) return 'standalone'
    return this.#sources.membership.connected ? 'connected' : 'disconnected'
  }

  async #ask(member: Member, timeoutMs: number): Promise<HostStatus> {
    if (member.id === this.#sources.self().id) return this.host()
    const silent: HostStatus = {
      id: member.id, incarnation: member.incarnation, address: member.address, http: member.http, types: member.types, weight: member.weight,
      phase: 'unreachable', tableVersion: 0, shards: {}, activations: {},
    }
    const { transport, outgoing, clock } = this.#sources
    if (transport === undefined) return silent
    try {
      const link = transport.link(member.id) ?? await transport.connect(member.id, member.address, timeoutMs)
      const late = new Promise<undefined>(resolve => { clock.after(timeoutMs, () => resolve(undefined)) })
      const bytes = await Promise.race([outgoing.ask(link), late])
      return bytes === undefined ? silent : decode(bytes, 'status') as HostStatus
    } catch {
      return silent
    }
  }
}
