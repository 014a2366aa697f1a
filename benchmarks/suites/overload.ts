/**
 * `overload`: what a host still serves when three times as much is asked of it as it can do, over HTTP. One run gives all
 * figures: its peak, by a closed load; then three times that, by an open load, for `seconds`; then half of the peak, to see
 * how long it takes to recover. Host and generators are processes of their own; a call is about a millisecond of work.
 *
 * Calls whose work is next to nothing are no subject here: a server cannot refuse a request for less than reading it costs, and
 * reading is most of such a call.
 */
import { Scope } from '../harness/scope.ts'
import type { FigureCase, Suite } from '../harness/suite.ts'
import type { HttpLoadApi } from '../load/http-load.ts'
import type { OpenHttpLoadApi, OpenResult } from '../load/open-http-load.ts'
import type { OverloadHostApi } from '../subjects/overload-host.ts'

const module = (path: string) => new URL(path, import.meta.url)
const path = '/v1.0/actors/Worker/{id}/method/work'
const ids = 1_000
const FACTOR = 3
const DEADLINE_MS = 1_000
const PEAK_SECONDS = 2
const RECOVERY_SECONDS = 6
const MEMORY_EVERY_MS = 250

interface Measured {
  readonly peak: number
  readonly over: OpenResult
  readonly after: OpenResult
  readonly growthBytes: number
}

async function measure(seconds: number): Promise<Measured> {
  await using scope = new Scope()
  const host = await scope.child<OverloadHostApi>(module('../subjects/overload-host.ts'))
  const port = await host.ask('start')
  const closed = await scope.child<HttpLoadApi>(module('../load/http-load.ts'))
  const open = await scope.child<OpenHttpLoadApi>(module('../load/open-http-load.ts'))
  const closedLoad = { port, connections: 16, ids, path, body: '1' }
  await closed.ask('measure', { ...closedLoad, seconds: 1 })
  const { operations, seconds: took } = await closed.ask('measure', { ...closedLoad, seconds: PEAK_SECONDS })
  const peak = operations / took

  const before = await host.ask('memoryBytes')
  let most = before
  const watch = setInterval(() => void host.ask('memoryBytes').then(bytes => { most = Math.max(most, bytes) }, () => undefined), MEMORY_EVERY_MS)
  const load = { port, deadlineMs: DEADLINE_MS, connections: 500, path, ids }
  try {
    const over = await open.ask('measure', { ...load, rate: peak * FACTOR, seconds })
    const after = await open.ask('measure', { ...load, rate: peak / 2, seconds: RECOVERY_SECONDS })
    return { peak, over, after, growthBytes: most - before }
  } finally {
    clearInterval(watch)
  }
}

/** `seconds` of overload. */
export function overloadSuite(seconds: number): Suite {
  let measured: Promise<Measured> | undefined
  const figure = (name: string, unit: string, of: (run: Measured) => number, atMost?: number): FigureCase => ({
    kind: 'figure', name, unit, exact: true, ...atMost !== undefined && { atMost },
    open: async () => ({ subject: async () => of(await (measured ??= measure(seconds))) }),
  })
  const share = ({ over, peak }: Measured): number => over.good / over.seconds / peak
  return {
    name: 'overload',
    title: `${FACTOR} times as many calls as a host can do, for ${seconds} s over HTTP`,
    cases: [
      figure('peak, calls a second', 'calls/s', run => run.peak),
      figure('calls that are answered well within a second, missing to the peak', '% of peak', run => Math.max(0, 100 - 100 * share(run)), 20),
      figure('time to be refused, 50th percentile', 'ms', run => run.over.refusedP50Ms),
      figure('time to be refused, 99th percentile', 'ms', run => run.over.refusedP99Ms, 50),
      figure('time to be answered, 99th percentile', 'ms', run => run.over.goodP99Ms),
      figure('calls neither answered nor refused', '% of calls', run => 100 * (run.over.late + run.over.failed) / run.over.due, 1),
      figure('until all calls are answered again', 'ms', run => run.after.badUntilMs, 5_000),
      figure('growth of the process', 'MiB', run => run.growthBytes / 2 ** 20, 256),
    ],
  }
}
