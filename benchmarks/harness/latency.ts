/** Latencies of one measurement: Node's own recordable histogram (3 significant digits), fed milliseconds, read in microseconds. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

export class LatencyHistogram {
  readonly #histogram: RecordableHistogram = createHistogram()

  record(ms: number): void {
    // Nanoseconds; the histogram starts at 1, and a clock of coarse steps may say 0.
    this.#histogram.record(Math.max(1, Math.round(ms * 1e6)))
  }
  /** Latency in microseconds that `percent` of the recorded ones do not exceed; 0 when nothing was recorded. */
  percentileUs(percent: number): number {
    return this.#histogram.count === 0 ? 0 : this.#histogram.percentile(percent) / 1000
  }
}
