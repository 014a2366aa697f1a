/** A child process: the calling side of the bare stream (stream.ts), which starts the answering side itself. */
import type { Sample } from '../harness/sample.ts'
import { serveParent } from '../harness/serve-parent.ts'
import { measureBareStream } from './stream.ts'

const api = {
  measure: async (inFlight: number, seconds: number): Promise<Sample> =>
    // It counts answers and nothing else: latencies and CPU are not known.
    ({ operations: await measureBareStream(inFlight, seconds) * seconds, seconds, p50Us: NaN, p99Us: NaN, cpu: {} }),
}
export type StreamClientApi = typeof api

serveParent(api)
