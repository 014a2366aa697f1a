/**
 * The due entries of one shard, in the order of `ActorStore.due`: a sorted array, searched by halves. Rows are mostly
 * added near its end and taken from its start, and in between only pointers move.
 */
import type { DuePage, DuePlace, DueQuery, DueRow } from '../actor-store.ts'

export class DueIndex {
  readonly #rows: DueRow[] = []

  add(row: DueRow): void {
    this.#rows.splice(this.#firstNotBefore(row), 0, row)
  }

  /** The row must be there. */
  remove(place: DuePlace): void {
    this.#rows.splice(this.#firstNotBefore(place), 1)
  }

  page({ after, until, limit }: DueQuery): DuePage {
    let start = after === undefined ? 0 : this.#firstNotBefore(after)
    if (after !== undefined && start < this.#rows.length && comparePlaces(this.#rows[start]!, after) === 0) start++
    let end = start
    while (end < this.#rows.length && end - start < limit && this.#rows[end]!.due <= until) end++
    return { rows: this.#rows.slice(start, end), next: this.#rows[end]?.due }
  }

  #firstNotBefore(place: DuePlace): number {
    let low = 0
    let high = this.#rows.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (comparePlaces(this.#rows[middle]!, place) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

const comparePlaces = (a: DuePlace, b: DuePlace): number =>
  a.due - b.due || compareUtf8(a.id, b.id) || compareUtf8(a.name, b.name)

/** Order of the UTF-8 bytes. It is that of JavaScript's code units, but for surrogates, which come after all others. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    const pairs = Number(isSurrogate(x)) - Number(isSurrogate(y))
    return pairs !== 0 ? pairs : x - y
  }
  return a.length - b.length
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff
