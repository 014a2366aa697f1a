/**
 * Where a host looks for whoever leads placement: the leader row first, then what its own candidate says, then the addresses it was
 * given, round and round. Pure.
 */
import type { LeaderRow } from '../stores/cluster-store.ts'

export class LeaderSearch {
  readonly #given: readonly string[]
  #row: LeaderRow | undefined
  #hint: string | undefined
  #index = 0
  #failures = 0

  constructor(given: readonly string[]) {
    this.#given = given
  }

  /** Each address once, in the order in which they are tried. */
  get addresses(): readonly string[] {
    const first = [this.#row?.address, this.#hint].filter(address => address !== undefined)
    return [...new Set([...first, ...this.#given])]
  }

  /** The next to try; undefined when nothing is known. */
  get next(): string | undefined {
    const { addresses } = this
    return addresses[this.#index % addresses.length]
  }

  /** How often all of them have failed. */
  get rounds(): number {
    return Math.floor(this.#failures / Math.max(1, this.addresses.length))
  }

  failed(): void {
    this.#index++
    this.#failures++
  }

  succeeded(): void {
    this.#failures = 0
  }

  /** A renewal named `row`. True when that is news: terms only rise, and what an overtaken answer says is none. */
  saw(row: LeaderRow): boolean {
    if (this.#row !== undefined && row.term <= this.#row.term) return false
    this.#row = row
    this.#restart()
    return true
  }

  /** The candidate of this host takes the process at `address` for the leader; undefined: it knows of none. True when that is news. */
  heard(address: string | undefined): boolean {
    if (this.#hint === address) return false
    this.#hint = address
    if (address === undefined) return false
    // Between the row and the candidate, whoever spoke last is nearer to the truth; the row stays for its term.
    this.#index = this.addresses.indexOf(address)
    this.#failures = 0
    return true
  }

  /** A service that was asked takes the process at `address` for the leader. Two that point at each other are asked no faster for it. */
  pointedTo(address: string): void {
    this.#hint = address
    this.#index = this.addresses.indexOf(address)
  }

  #restart(): void {
    this.#index = 0
    this.#failures = 0
  }
}
