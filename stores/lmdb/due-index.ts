/**
 * Due entries in order of time, on LMDB: empty rows under due keys (keys.ts).
 *
 * The obvious order, (shard, due), makes each flush write as many pages as it has reminders: they lie in as many shards,
 * whose rows are far apart (measured: 64 reminders cost 5 times as much as 64 in one shard). Most are set for a time about
 * as far ahead as the last ones, and all fire in order of time; so rows are in order of time, in 16 groups of shards.
 *
 * The price is paid by reads: a page of one shard passes the rows of the other shards of its group. So the queries of one
 * call share one pass over their group; and a pass ends some way after the last time that was asked for, even though it
 * has not met the next row of each shard: `next` is then the time up to which it has looked.
 */
import type { ActorAddress, DuePlace, DueQuery } from '../actor-store.ts'
import type { LmdbEnvironment, Rows } from './environment.ts'
import { afterKey, dueGroupEnd, dueGroupKey, dueKey, placeOfDueKey, shardOfDueKey, timeOfDueKey } from './keys.ts'

/** Rows passed beyond what was asked for, in search of `next`: about a millisecond. */
const LOOK_AHEAD = 2_048

export interface DuePlaces {
  readonly places: readonly DuePlace[]
  /** As in DuePage. */
  readonly next: number | undefined
}

interface Search {
  readonly query: DueQuery
  /** The least key that may be in its page. */
  readonly from: Buffer
  readonly places: DuePlace[]
  next: number | undefined
}

export class LmdbDueIndex {
  readonly rows: Rows
  readonly #lookAhead: number

  constructor(env: LmdbEnvironment, lookAhead = LOOK_AHEAD) {
    this.rows = env.rows('due', false)
    this.#lookAhead = lookAhead
  }

  key(actor: ActorAddress, due: number, name: string): Buffer {
    return dueKey(dueGroupKey(actor), actor.shard, { due, id: actor.id, name })
  }

  /** One a query, in order, all of one group (`byGroup`). */
  find(queries: readonly DueQuery[]): readonly DuePlaces[] {
    if (queries.length === 0) return []
    const prefix = dueGroupKey(queries[0]!)
    const searches = queries.map((query): Search => {
      const from = query.after === undefined ? prefix : afterKey(dueKey(prefix, query.shard, query.after))
      return { query, from, places: [], next: undefined }
    })
    this.#pass(prefix, searches)
    return searches
  }

  #pass(prefix: Buffer, searches: readonly Search[]): void {
    const start = searches.map(({ from }) => from).reduce((least, from) => Buffer.compare(from, least) < 0 ? from : least)
    const until = Math.max(...searches.map(({ query }) => query.until))
    const byShard = Map.groupBy(searches, ({ query }) => query.shard)
    let open = searches.length
    let beyond = 0
    for (const key of this.rows.getKeys({ start, end: dueGroupEnd(prefix) })) {
      const found = byShard.get(shardOfDueKey(key, prefix.length))
      if (found !== undefined) {
        for (const search of found) if (search.next === undefined && endsAt(search, key, prefix.length)) open--
        if (open === 0) return
      }
      const due = timeOfDueKey(key, prefix.length)
      if (due > until && ++beyond >= this.#lookAhead) {
        for (const search of searches) search.next ??= Math.max(due, search.query.after?.due ?? 0)
        return
      }
    }
  }
}

/** Places of queries in their list, those of one group of shards together. */
export function byGroup(queries: readonly DueQuery[]): number[][] {
  const places = Array.from(queries, (_, place) => place)
  return [...Map.groupBy(places, place => dueGroupKey(queries[place]!).toString('latin1')).values()]
}

/** A row of its shard for a search: into the page, or it is the one that follows the page (true). */
function endsAt(search: Search, key: Buffer, prefixLength: number): boolean {
  const { query: { after, until, limit }, from, places } = search
  if (after !== undefined && Buffer.compare(key, from) < 0) return false
  const place = placeOfDueKey(key, prefixLength)
  if (places.length < limit && place.due <= until) {
    places.push(place)
    return false
  }
  search.next = place.due
  return true
}
