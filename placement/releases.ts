/** The shards that a host has released and whose release no table shows yet: said again after each reconnection. Bounded by the table. */
import type { ShardSet } from './messages.ts'
import type { Table } from './table.ts'

export class Releases {
  readonly #shards = new Map<string, Set<number>>()

  add(shards: readonly { type: string; shard: number }[]): void {
    for (const { type, shard } of shards) {
      const set = this.#shards.get(type)
      if (set === undefined) this.#shards.set(type, new Set([shard]))
      else set.add(shard)
    }
  }

  /** Drops what `table` does not show as held by `holder`: its release is known, or not asked for any more. */
  forget(table: Table, holder: string): void {
    for (const [type, set] of this.#shards) {
      const owners = table.ownersOf(type)
      for (const shard of set) if (owners?.[shard]?.from !== holder) set.delete(shard)
      if (set.size === 0) this.#shards.delete(type)
    }
  }

  sets(): ShardSet[] {
    return [...this.#shards].map(([type, shards]) => ({ type, shards: [...shards] }))
  }
}
