/**
 * Which host gets which shard: consistent hashing with bounded loads. Pure; the only importer of hashring.
 *
 * The ring alone is uneven (160 points a host: ±8 %) and moves shards by luck. So it is asked only for *preference*,
 * and arithmetic decides *how many*:
 * 1. Every host has a fair share by weight, a floor (the share rounded down) and a cap (1.1 × the share, or the share
 *    rounded up where numbers are tiny). Its quota is what it holds now, brought into that range; what is then missing
 *    or too much goes where the quota is furthest from the share, one shard at a time.
 * 2. Hosts above their quota give shards up, first those that the ring gives to a host that is short.
 * 3. Shards without a host go along the ring from their point to the first host below its quota.
 *
 * Promises: no host above its cap; a join moves about the new host's share, and nothing between old hosts unless a cap
 * forces it; a leave moves only what the leaver had; the same (previous, hosts) give the same result on every
 * machine, and giving the result back changes nothing.
 */
import HashRing from 'hashring'
import { hash32 } from '../core/ids.ts'

export const VNODES = 160
const BOUND = 1.1

export interface RingHost {
  readonly id: string
  /** Relative capacity; positive. */
  readonly weight: number
}

/** Host id of each shard; undefined where there is none. */
export type Assignment = readonly (string | undefined)[]

/** The most shards that a host may have whose fair share is `fair`. */
export const capOf = (fair: number): number => Math.max(Math.ceil(fair), Math.floor(BOUND * fair))

interface Points {
  /** Positions on the circle, rising. */
  readonly at: Uint32Array
  /** Host index of each position. */
  readonly host: Int32Array
}

const byId = (hosts: readonly RingHost[]): RingHost[] => [...hosts].sort((a, b) => (a.id < b.id ? -1 : 1))

/** The points of all hosts of a cluster: the costly part, made once and shared by the rings of its groups of types. */
export class Circle {
  readonly hosts: readonly RingHost[]
  #points: Points | undefined

  /** `hosts` have distinct ids; their order does not matter. */
  constructor(hosts: readonly RingHost[]) {
    this.hosts = byId(hosts)
  }

  /** Built when first needed: most steps of a table (a release, a restart) place nothing. */
  get points(): Points {
    return this.#points ??= buildPoints(this.hosts)
  }
}

export class ShardRing {
  readonly #hosts: readonly RingHost[]
  readonly #indexOf = new Map<string, number>()
  readonly #circle: Circle
  #points: Points | undefined

  /** `hosts` have distinct ids, all of them in `circle`; their order does not matter. */
  constructor(hosts: readonly RingHost[], circle = new Circle(hosts)) {
    this.#hosts = byId(hosts)
    this.#hosts.forEach((host, i) => this.#indexOf.set(host.id, i))
    this.#circle = circle
  }

  /** The next assignment after `previous`, one element a shard (undefined, or a host that is gone: needs one). */
  assign(previous: Assignment): Assignment {
    if (this.#hosts.length === 0) return previous.map(() => undefined)
    const owner = Int32Array.from(previous, id => (id === undefined ? -1 : this.#indexOf.get(id) ?? -1))
    const load = new Int32Array(this.#hosts.length)
    for (const host of owner) if (host >= 0) load[host]!++
    const quota = quotas(previous.length, this.#hosts.map(host => host.weight), load)
    if (quota.some((most, host) => most < load[host]!)) this.#giveUp(owner, load, quota)
    if (owner.includes(-1)) this.#place(owner, load, quota)
    return Array.from(owner, host => this.#hosts[host]!.id)
  }

  #giveUp(owner: Int32Array, load: Int32Array, quota: Int32Array): void {
    const short = quota.map((most, host) => (load[host]! < most ? 1 : 0))
    const kinder = (shard: number): number => {
      const preferred = this.#ring.host[this.#find(shard)]!
      return short[preferred] === 1 ? 0 : preferred !== owner[shard] ? 1 : 2
    }
    const offers: number[][] = [[], [], []]
    for (let shard = 0; shard < owner.length; shard++) {
      const host = owner[shard]!
      if (host >= 0 && load[host]! > quota[host]!) offers[kinder(shard)]!.push(shard)
    }
    for (const shard of offers.flat()) {
      const host = owner[shard]!
      if (load[host]! <= quota[host]!) continue
      load[host]!--
      owner[shard] = -1
    }
  }

  #place(owner: Int32Array, load: Int32Array, quota: Int32Array): void {
    const { host: hostAt } = this.#ring
    for (let shard = 0; shard < owner.length; shard++) {
      if (owner[shard]! >= 0) continue
      let at = this.#find(shard)
      // Ends: the quotas add up to the number of shards.
      while (load[hostAt[at]!]! >= quota[hostAt[at]!]!) at = at + 1 === hostAt.length ? 0 : at + 1
      owner[shard] = hostAt[at]!
      load[hostAt[at]!]!++
    }
  }

  /** Position of the first ring point at or after the shard's own. */
  #find(shard: number): number {
    const { at } = this.#ring
    const point = hash32(`shard-${shard}`)
    let low = 0
    let high = at.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (at[middle]! < point) low = middle + 1
      else high = middle
    }
    return low === at.length ? 0 : low
  }

  /** The circle's points of these hosts. */
  get #ring(): Points {
    return this.#points ??= pointsOf(this.#circle, this.#indexOf)
  }
}

function pointsOf(circle: Circle, indexOf: ReadonlyMap<string, number>): Points {
  const { at, host } = circle.points
  const here = circle.hosts.map(({ id }) => indexOf.get(id) ?? -1)
  const mine = new Int32Array(at.length)
  let count = 0
  for (let i = 0; i < at.length; i++) if (here[host[i]!]! >= 0) mine[count++] = i
  const kept = mine.subarray(0, count)
  return { at: Uint32Array.from(kept, i => at[i]!), host: kept.map(i => here[host[i]!]!) }
}

function buildPoints(hosts: readonly RingHost[]): Points {
  // hashring keeps names in plain objects: a prefix keeps `__proto__` and `1` ordinary names in insertion order.
  const servers: Record<string, { vnodes: number }> = {}
  // By mean weight, so that the circle has 160 points a host on average whatever scale the weights are in.
  const mean = hosts.reduce((sum, host) => sum + host.weight, 0) / hosts.length
  for (const { id, weight } of hosts) servers[`=${id}`] = { vnodes: Math.max(1, Math.round((VNODES * weight) / mean)) }
  // A vnode count equal to hashring's own default would be taken as "none given" and be rescaled: -1 equals no count.
  const ring = new HashRing(servers, hashBytes, { 'vnode count': -1, replicas: 1, 'max cache size': 1 })
  // `ring` is the sorted circle, which the package's type declarations leave out.
  const nodes = (ring as unknown as { ring: readonly { value: number; server: string }[] }).ring
  const indexOf = new Map(hosts.map(({ id }, i) => [`=${id}`, i]))
  return { at: Uint32Array.from(nodes, node => node.value), host: Int32Array.from(nodes, node => indexOf.get(node.server)!) }
}

/** hashring reads the first four bytes, little end first; a cryptographic digest would only cost time. */
const hashBytes = (key: string): Buffer => {
  const hash = hash32(key)
  return [hash & 255, (hash >>> 8) & 255, (hash >>> 16) & 255, hash >>> 24] as unknown as Buffer
}

/** How many shards each host shall have: in [floor, cap] of its share, adding up to `shards`, near to what it has. */
function quotas(shards: number, weights: readonly number[], load: Int32Array): Int32Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const fair = weights.map(weight => (shards * weight) / total)
  const quota = load.map((has, host) => Math.min(Math.max(has, Math.floor(fair[host]!)), capOf(fair[host]!)))
  let missing = shards - quota.reduce((sum, most) => sum + most, 0)
  const step = missing > 0 ? 1 : -1
  // Every single shard that a quota could be raised or lowered by, with how far the quota is from the share then.
  const units: { off: number; host: number }[] = []
  quota.forEach((has, host) => {
    const limit = step > 0 ? capOf(fair[host]!) : Math.floor(fair[host]!)
    for (let next = has; next !== limit; next += step) units.push({ off: step * (fair[host]! - next), host })
  })
  units.sort((a, b) => b.off - a.off || a.host - b.host)
  for (const { host } of units) {
    if (missing === 0) break
    quota[host]! += step
    missing -= step
  }
  return quota
}
