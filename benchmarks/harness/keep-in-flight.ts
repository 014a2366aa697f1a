/**
 * The one load loop, used for floors and subjects alike: a fixed number of slots, each of which starts its next
 * operation when its last one has settled (a closed loop).
 *
 * A clock read costs about as much as the cheapest floors, so operations that take less than a microsecond are timed one
 * in `timedEvery`; the others run in the same loop untimed. The stop is checked with the timed ones. Every operation
 * that was started is awaited and counted, and the measured time lasts until the last one has settled.
 */
import { LatencyHistogram } from './latency.ts'
import { cpuSecondsOfProcess, type Sample } from './sample.ts'

export interface Load {
  readonly inFlight: number
  /** Slots start nothing new after this long. */
  readonly seconds: number
  /** Stop after this many operations if that comes first: for contenders whose supply is limited. */
  readonly operations?: number
  /** One operation in this many is timed; 1 by default. */
  readonly timedEvery?: number
  /** Name of this process in the sample's CPU account; `bench` by default. */
  readonly process?: string
}

/** @throws what an operation threw, after all slots have stopped. */
export async function keepInFlight(load: Load, operation: (slot: number) => unknown): Promise<Sample> {
  const { inFlight, timedEvery = 1 } = load
  const latency = new LatencyHistogram()
  let left = load.operations ?? Number.MAX_SAFE_INTEGER
  let done = 0
  const cpuBefore = cpuSecondsOfProcess()
  const start = performance.now()
  let end = start + load.seconds * 1000

  const slot = async (index: number): Promise<void> => {
    try {
      for (let before = performance.now(); before < end && left > 0; before = performance.now()) {
        const batch = Math.min(timedEvery, left)
        left -= batch
        await operation(index)
        latency.record(performance.now() - before)
        for (let i = 1; i < batch; i++) await operation(index)
        done += batch
      }
    } catch (error) {
      end = 0
      throw error
    }
  }
  const slots = await Promise.allSettled(Array.from({ length: inFlight }, (_, index) => slot(index)))
  const seconds = (performance.now() - start) / 1000
  for (const outcome of slots) if (outcome.status === 'rejected') throw outcome.reason
  return {
    operations: done,
    seconds,
    p50Us: latency.percentileUs(50),
    p99Us: latency.percentileUs(99),
    cpu: { [load.process ?? 'bench']: cpuSecondsOfProcess() - cpuBefore },
  }
}
