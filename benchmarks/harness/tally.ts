/** Counts the operations of a contender over all its measurements, the uncounted first one too: for checks of what they did. */
import type { Measure } from './sample.ts'

export class Tally {
  #operations = 0

  get operations(): number {
    return this.#operations
  }
  /** `measure`, its operations counted. */
  of(measure: Measure): Measure {
    return async seconds => {
      const sample = await measure(seconds)
      this.#operations += sample.operations
      return sample
    }
  }
}
