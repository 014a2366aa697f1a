/** What happened, as a hash over everything and the last lines as text: two runs of one seed have the same hash. */
export class SimTrace {
  readonly #kept: number
  #lines: string[] = []
  #high = 0x811c9dc5
  #low = 0x9e3779b9

  constructor(kept: number) {
    this.#kept = kept
  }

  /** 16 hex digits. */
  get hash(): string {
    return (this.#high >>> 0).toString(16).padStart(8, '0') + (this.#low >>> 0).toString(16).padStart(8, '0')
  }

  /** The last lines, oldest first. */
  get lines(): readonly string[] {
    return this.#lines.slice(-this.#kept)
  }

  /** An event that has no line. */
  count(at: number, order: number): void {
    this.#mix((at * 1024) | 0)
    this.#mix(order)
  }

  add(line: string): void {
    for (let i = 0; i < line.length; i++) this.#mix(line.charCodeAt(i))
    this.#lines.push(line)
    if (this.#lines.length >= 2 * this.#kept) this.#lines = this.#lines.slice(-this.#kept)
  }

  #mix(value: number): void {
    this.#high = Math.imul(this.#high ^ value, 0x01000193)
    this.#low = Math.imul((this.#low << 13 | this.#low >>> 19) ^ value, 0x85ebca6b)
  }
}
