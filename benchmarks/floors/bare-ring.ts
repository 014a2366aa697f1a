/**
 * `hashring` alone, as its documentation has it: each shard on the host that the ring names. What it leaves out is what
 * the placement table adds: a bound on each host's load, epochs, and shards that stay where they are.
 */
import HashRing from 'hashring'

export interface RingFigures {
  readonly buildMs: number
  readonly joinMs: number
  readonly imbalance: number
  readonly joinMoves: number
}

const owners = (hosts: number, shards: number): string[] => {
  const servers = Object.fromEntries(Array.from({ length: hosts }, (_, index) => [`host-${index}`, { vnodes: 160 }]))
  const ring = new HashRing(servers, 'md5', { 'max cache size': 1 })
  return Array.from({ length: shards }, (_, shard) => ring.get(`shard-${shard}`))
}

function timed<T>(run: () => T): [ms: number, result: T] {
  const start = performance.now()
  const result = run()
  return [performance.now() - start, result]
}

/** The figures of `measurePlacement`, of the ring alone. */
export function measureBareRing(hosts: number, shards: number): RingFigures {
  const [buildMs, before] = timed(() => owners(hosts, shards))
  const [joinMs, after] = timed(() => owners(hosts + 1, shards))
  const load = new Map<string, number>()
  for (const owner of before) load.set(owner, (load.get(owner) ?? 0) + 1)
  return {
    buildMs,
    joinMs,
    imbalance: Math.max(...load.values()) / (shards / hosts),
    joinMoves: before.filter((owner, shard) => owner !== after[shard]).length / (shards / (hosts + 1)),
  }
}
