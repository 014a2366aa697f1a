/**
 * Entries of actors on LMDB, in three tables:
 *
 *     entries   entry key → value                          entries without a due time
 *     dated     entry key → value, stamped with due time   entries with one
 *     due       due key → nothing                          the dated entries in order of time (due-index.ts)
 *
 * A dated entry is in a table of its own so that plain ones cost nothing more: only for a change that says something of
 * due times is the old due time read, to remove its row. It is as good as read inside the write (claims.ts says why),
 * and no two changes of a batch are for the same entry, so what the store holds is what there will be to replace. A change
 * that says what it replaces (`was`) is believed.
 */
import type { ActorAddress, ActorWrite, DuePage, DueQuery, EntryPage, EntryRead, EntryValues } from '../actor-store.ts'
import { LmdbDueIndex } from './due-index.ts'
import type { LmdbEnvironment, Put, Rows } from './environment.ts'
import { afterKey, afterPrefix, entryKey, entryPrefix } from './keys.ts'

const NOTHING = Buffer.alloc(0)

export class LmdbEntries {
  readonly #plain: Rows
  readonly #dated: Rows
  readonly #due: LmdbDueIndex

  constructor(env: LmdbEnvironment) {
    this.#plain = env.rows('entries', false)
    this.#dated = env.rows('dated', true)
    this.#due = new LmdbDueIndex(env)
  }

  load({ actor, names, dated }: EntryRead): EntryValues {
    const prefix = entryPrefix(actor)
    return names.map(name => {
      const key = entryKey(prefix, name)
      return (dated === true ? undefined : this.#plain.getBinary(key)) ?? (dated === false ? undefined : this.#dated.getBinary(key))
    })
  }

  list(actor: ActorAddress, prefix: string, after: string | undefined, limit: number): EntryPage {
    const base = entryPrefix(actor)
    const first = entryKey(base, prefix)
    const next = after === undefined ? first : afterKey(entryKey(base, after))
    const start = Buffer.compare(next, first) > 0 ? next : first
    const range = { start, end: afterPrefix(first), limit: limit + 1 }
    const found = [...this.#plain.getRange(range), ...this.#dated.getRange(range)]
      .map(({ key, value }) => ({ key: Buffer.from(key), value }))
      .sort((a, b) => Buffer.compare(a.key, b.key))
    return {
      entries: found.slice(0, limit).map(({ key, value }) => [key.toString('utf8', base.length), value] as const),
      more: found.length > limit,
    }
  }

  /** All queries are of one group (`byGroup`). */
  due(queries: readonly DueQuery[]): DuePage[] {
    return this.#due.find(queries).map(({ places, next }, index) => ({
      rows: places.map(place => {
        const key = entryKey(entryPrefix({ ...queries[index]!, id: place.id }), place.name)
        return { ...place, value: this.#dated.getBinary(key)! }
      }),
      next,
    }))
  }

  /** Adds what is to be put for the entries of `write`. */
  change(write: ActorWrite, puts: Put[]): void {
    const prefix = entryPrefix(write)
    for (const [name, bytes, due, was] of write.entries!) {
      const key = entryKey(prefix, name)
      const value = bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      if (due === undefined) puts.push({ rows: this.#plain, key, value })
      else this.#changeDated(write, name, key, value, value === null ? null : due, was, puts)
    }
  }

  #changeDated(
    write: ActorWrite, name: string, key: Buffer, value: Buffer | null, due: number | null, was: number | null | undefined, puts: Put[],
  ): void {
    const old = was === undefined ? this.#dated.getEntry(key)?.version : was ?? undefined
    if (old !== undefined && old !== due) puts.push({ rows: this.#due.rows, key: this.#due.key(write, old, name), value: null })
    if (due === null) {
      if (old !== undefined) puts.push({ rows: this.#dated, key, value: null })
      // An entry is in one of the two tables.
      if (old === undefined || value !== null) puts.push({ rows: this.#plain, key, value })
      return
    }
    if (was === undefined && old === undefined && this.#plain.doesExist(key)) puts.push({ rows: this.#plain, key, value: null })
    if (old !== due) puts.push({ rows: this.#due.rows, key: this.#due.key(write, due, name), value: NOTHING })
    puts.push({ rows: this.#dated, key, value, stamp: due })
  }
}
