/**
 * A process that holds a lease on a thread and does as it is told on its standard input: `busy MS` (a loop that gives nothing back), `watch
 * MS` (the same, telling what it saw when time jumped), `close`, `idle`. argv: URL of the cluster store, id, times, folder of the code.
 */
import { createInterface } from 'node:readline'
import type { LeaseThread } from '../../placement/lease-thread.ts'

const [url = '', id = '', times = '{}', extension = 'ts'] = process.argv.slice(2)
const root = extension === 'ts' ? '../..' : '../../dist'
const load = (path: string): Promise<unknown> => import(new URL(`${root}/${path}.${extension}`, import.meta.url).href)
const { LeaseThread: Thread } = await load('placement/lease-thread') as { LeaseThread: typeof LeaseThread }
const { SystemClock } = await load('core/clock') as typeof import('../../core/clock.ts')
const { silentLogger } = await load('core/logger') as typeof import('../../core/logger.ts')

const clock = new SystemClock()
const say = (fact: object): void => void process.stdout.write(`${JSON.stringify(fact)}\n`)
const lease = new Thread({ clusterStore: url, namespace: '', clock, log: silentLogger, times: JSON.parse(times) })
lease.onRevoked(() => say({ said: 'revoked', valid: lease.valid() }))

function busy(ms: number): void {
  const untilMs = clock.monotonicMs() + ms
  while (clock.monotonicMs() < untilMs);
  say({ said: 'busy', valid: lease.valid() })
}

/** Looks without a pause; the first look after this process was frozen is what counts. */
function watch(ms: number): void {
  const untilMs = clock.monotonicMs() + ms
  let lastMs = clock.monotonicMs()
  while (lastMs < untilMs) {
    const nowMs = clock.monotonicMs()
    const valid = lease.valid()
    if (nowMs - lastMs > 1_000) return say({ said: 'jumped', ms: nowMs - lastMs, valid })
    lastMs = nowMs
  }
  say({ said: 'saw nothing' })
}

await lease.open(id)
const input = createInterface(process.stdin)
input.on('line', line => {
  const [word, ms] = line.split(' ')
  if (word === 'busy') busy(Number(ms))
  else if (word === 'watch') { say({ said: 'watching' }); watch(Number(ms)) }
  else if (word === 'valid') say({ said: 'valid', valid: lease.valid() })
  else if (word === 'close') void lease.close(true).then(() => say({ said: 'closed' }))
  else if (word === 'exit') process.exit(0)
  else if (word === 'idle') { input.close(); process.stdin.destroy() }
})
say({ said: 'ready' })
