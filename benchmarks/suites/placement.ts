/** Measures the placement table itself: how long it takes to build, how even it is, and what a join moves. */
import type { Member } from '../../placement/membership.ts'
import { nextTable } from '../../placement/next-table.ts'
import { emptyTable, type Table } from '../../placement/table.ts'

export interface PlacementFigures {
  readonly hosts: number
  readonly shards: number
  /** Building the table from nothing; median of the rounds. */
  readonly buildMs: number
  /** Building the table after one more host joined. */
  readonly joinMs: number
  /** Most shards of a host, as a multiple of the fair share. */
  readonly imbalance: number
  /** Shards that a join moved, as a multiple of the newcomer's fair share. */
  readonly joinMoves: number
}

const TYPE = 'Account'

const member = (i: number): Member => ({
  id: `host-${i}`, incarnation: String(i).padStart(16, '0'), address: `host-${i}:50002`, http: '', types: [TYPE], weight: 1, leaving: false,
})

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

function timed<T>(run: () => T): { ms: number; result: T } {
  const start = performance.now()
  const result = run()
  return { ms: performance.now() - start, result }
}

function mostShards(table: Table): number {
  return Math.max(...table.shardCounts().values())
}

function movedShards(before: Table, after: Table): number {
  let moved = 0
  for (let shard = 0; shard < before.shards; shard++) {
    if (before.owner(TYPE, shard)!.member.id !== after.owner(TYPE, shard)!.member.id) moved++
  }
  return moved
}

/** One element a number of hosts; takes a few seconds. */
export function measurePlacement(hostCounts: readonly number[] = [3, 10, 100, 1_000], shards = 16_384, rounds = 5): PlacementFigures[] {
  return hostCounts.map(hosts => {
    const members = Array.from({ length: hosts }, (_, i) => member(i))
    const builds = Array.from({ length: rounds }, () => timed(() => nextTable(emptyTable(shards), members)))
    const before = builds[0]!.result
    const joins = Array.from({ length: rounds }, () => timed(() => nextTable(before, [...members, member(hosts)])))
    return {
      hosts, shards,
      buildMs: median(builds.map(build => build.ms)),
      joinMs: median(joins.map(join => join.ms)),
      imbalance: mostShards(before) / (shards / hosts),
      joinMoves: movedShards(before, joins[0]!.result) / (shards / (hosts + 1)),
    }
  })
}
