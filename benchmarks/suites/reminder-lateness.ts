/**
 * How late reminders come: each is set for an instant of its own, from 1 s to 3 s ahead, and the application, which is ours, notes
 * when it came. Both read the same wall clock. The sample has lateness where others have latency, and counts as errors what was
 * refused, came before its time, or never came.
 */
import { withCpuOf } from '../harness/cpu.ts'
import type { Child } from '../harness/child.ts'
import { LatencyHistogram } from '../harness/latency.ts'
import type { Measure } from '../harness/sample.ts'
import type { DaprAppApi } from '../subjects/dapr-app.ts'
import type { OpenTarget } from './dapr-api.ts'

/** After the last due time. */
const WAIT_MS = 15_000
const POLL_MS = 50

/** `seconds` is not asked: the due times say how long it lasts. */
export function measureLateness({ sidecar, load, cpu }: OpenTarget, app: Child<DaprAppApi>, inFlight: number, count: number): Measure {
  let rounds = 0
  return () => withCpuOf(cpu, async () => {
    const round = `${sidecar.run}r${rounds++}`
    const { lastDueMs, errors, problem } = await load.ask('setLateReminders', { target: sidecar, inFlight, seconds: 0 }, round, count)
    const expected = count - errors
    while (await app.ask('arrived', round) < expected && Date.now() < lastDueMs + WAIT_MS) await new Promise(resolve => { setTimeout(resolve, POLL_MS) })
    const lateness = await app.ask('latenessMs', round)
    const missing = Math.max(0, expected - lateness.length)
    const early = lateness.filter(ms => ms < 0)
    const said = [
      ...problem === undefined ? [] : [`${errors} were refused: ${problem}`],
      ...missing === 0 ? [] : [`${missing} did not come within ${WAIT_MS / 1000} s`],
      ...early.length === 0 ? [] : [`${early.length} came early, by up to ${Math.ceil(-Math.min(...early))} ms`],
    ]
    return { ...percentiles(lateness), operations: lateness.length - early.length, seconds: NaN, cpu: {}, errors: errors + missing + early.length, ...said.length > 0 && { problem: said.join('; ') } }
  })
}

function percentiles(latenessMs: readonly number[]): { p50Us: number; p99Us: number } {
  const histogram = new LatencyHistogram()
  for (const ms of latenessMs) histogram.record(Math.max(0, ms))
  return { p50Us: histogram.percentileUs(50), p99Us: histogram.percentileUs(99) }
}
