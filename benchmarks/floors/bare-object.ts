/** The floor under a call: the same counter as a plain object. */

export class BareCounter {
  count: number

  constructor(count = 0) {
    this.count = count
  }
  increment(): number {
    this.count += 1
    return this.count
  }
  total(): number {
    return this.count
  }
}
