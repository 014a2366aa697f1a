/** The newest so many names of a kind: older ones are forgotten, so that it stays bounded (P7). */
export class Remembered {
  readonly #most: number
  readonly #names = new Set<string>()

  constructor(most: number) {
    this.#most = most
  }

  add(name: string): void {
    this.#names.delete(name)
    this.#names.add(name)
    if (this.#names.size > this.#most) this.#names.delete(this.#names.values().next().value!)
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }
}
