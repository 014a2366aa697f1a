/** What an import has read and written, and what it has passed over and why: counted as it goes, in bounded memory. */
import { DistinctCount } from './distinct-count.ts'

export interface ImportReport {
  readonly actors: number
  /** False: `actors` is an estimate. */
  readonly actorsExact: boolean
  readonly keys: number
  readonly bytes: number
  readonly reminders: number
  readonly skipped: readonly { readonly reason: string; readonly count: number; readonly example: string }[]
}

/** Different reasons that are told apart; prefixes of foreign keys are reasons of their own. */
const MOST_REASONS = 200
const OTHERS = 'for other reasons'

export class ImportCounter {
  readonly #actors = new DistinctCount()
  readonly #skipped = new Map<string, { count: number; example: string }>()
  #keys = 0
  #bytes = 0
  #reminders = 0

  state(type: string, id: string, bytes: number): void {
    this.#actors.add(`${type}/${id}`)
    this.#keys++
    this.#bytes += bytes
  }

  reminder(type: string, id: string): void {
    this.#actors.add(`${type}/${id}`)
    this.#reminders++
  }

  /** `example`: what was passed over; the first one is shown. */
  skipped(reason: string, example: string): void {
    const known = this.#skipped.has(reason) || this.#skipped.size < MOST_REASONS ? reason : OTHERS
    const entry = this.#skipped.get(known)
    if (entry === undefined) this.#skipped.set(known, { count: 1, example })
    else entry.count++
  }

  report(): ImportReport {
    return {
      actors: this.#actors.count, actorsExact: this.#actors.exact, keys: this.#keys, bytes: this.#bytes, reminders: this.#reminders,
      skipped: [...this.#skipped].map(([reason, { count, example }]) => ({ reason, count, example })).sort((a, b) => b.count - a.count),
    }
  }
}
