/** One measurement of one contender, as plain data that survives IPC and JSON. */

export interface Sample {
  readonly operations: number
  readonly seconds: number
  /** Latencies are NaN where a floor does not measure them. */
  readonly p50Us: number
  readonly p99Us: number
  /** CPU seconds (user and system, all threads) by process: the caller's side, the server, …; empty where a floor does not know it. */
  readonly cpu: Readonly<Record<string, number>>
  /** Operations that failed, where the measurement goes on all the same: not among `operations`, but among the latencies. */
  readonly errors?: number
  /** What the first of them said. */
  readonly problem?: string
}

/** Measures one contender for about `seconds`. */
export type Measure = (seconds: number) => Promise<Sample>

export const perSecond = (sample: Sample): number => sample.operations / sample.seconds

/** CPU seconds of all processes together, per 1,000 operations; NaN where it is not known. */
export function cpuPerThousand(sample: Sample): number {
  const processes = Object.values(sample.cpu)
  return processes.length === 0 ? NaN : processes.reduce((sum, seconds) => sum + seconds, 0) / sample.operations * 1000
}

/** CPU seconds that this process has used since it started. */
export function cpuSecondsOfProcess(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
