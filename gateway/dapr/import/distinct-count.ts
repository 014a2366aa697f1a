/**
 * How many different texts were seen, in bounded memory: exact up to the bound, beyond it an estimate (adaptive sampling: of all
 * hashes those are kept that end in so many zero bits as it takes to keep few enough; its error is about one part in the root of
 * the bound, half a per cent).
 */
import { hash32 } from '../../../core/ids.ts'

const BOUND = 65_536
/** Two hashes of 32 bits, of which doubles hold 53. */
const HALF = 2 ** 21

export class DistinctCount {
  readonly #bound: number
  #kept = new Set<number>()
  #bits = 0

  constructor(bound = BOUND) {
    this.#bound = bound
  }

  add(text: string): void {
    const low = hash32(text)
    if (!this.#keeps(low)) return
    this.#kept.add((hash32(text, 1) % HALF) * 2 ** 32 + low)
    while (this.#kept.size > this.#bound) {
      this.#bits++
      this.#kept = new Set([...this.#kept].filter(hash => this.#keeps(hash % 2 ** 32)))
    }
  }

  get count(): number {
    return this.#kept.size * 2 ** this.#bits
  }

  get exact(): boolean {
    return this.#bits === 0
  }

  #keeps(low: number): boolean {
    return this.#bits === 0 || low % 2 ** this.#bits === 0
  }
}
