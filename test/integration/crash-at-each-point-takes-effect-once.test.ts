/**
 * Hosts that kill themselves (-9) at each point of (fire → run → commit → advance) and (commit → deliver → acknowledge →
 * remove): every occurrence and every send takes effect exactly once, in order, and never early.
 */
import { describe, expect, it } from 'vitest'
import type { SeamPoint } from '../../core/seams.ts'
import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'
import { CrashLedger } from './crash-ledger.ts'
import { TestProcesses, type RunningHost } from './processes.ts'

const points: readonly SeamPoint[] = [
  'reminder.fire', 'reminder.run', 'reminder.ran', 'commit.begin', 'commit.durable', 'send.deliver', 'send.applied', 'send.acknowledged', 'send.removed',
]

interface Store {
  readonly url: string
  stop(): Promise<void>
}

const dies = (host: RunningHost): Promise<unknown> => host.process.ended().then(exit => expect(exit).toEqual({ code: null, signal: 'SIGKILL' }))

it('one host alone, started again after each crash', async () => {
  await using processes = new TestProcesses()
  const ledger = new CrashLedger(processes, 4, 40)
  let host = await processes.host('a', { apps: [ledger.app], env: ledger.dyingAt(points[0]!, 20) })
  await ledger.start(host)
  for (const point of points.slice(1)) {
    await dies(host)
    // What is near one death after the other is quarantined, and all that is under way here is near each of them: first it comes to rest.
    const calm = await processes.host('a', { apps: [ledger.app] })
    await ledger.caughtUp(calm)
    await ledger.delivered(calm)
    await calm.process.stop('SIGTERM')
    host = await processes.host('a', { apps: [ledger.app], env: ledger.dyingAt(point, 5) })
  }
  await dies(host)
  host = await processes.host('a', { apps: [ledger.app] })
  await ledger.caughtUp(host)
  await ledger.check(host)
}, 120_000)

const stores: readonly [string, () => Promise<Store>, readonly SeamPoint[]][] = [
  ['redis', () => startRedis(), points],
  ['postgres', () => startPostgres(), ['reminder.ran', 'commit.durable', 'send.applied', 'send.acknowledged']],
]

describe.each(stores)('a cluster on %s', (_name, open, crashes) => {
  it('whose second host dies and is replaced: the first one takes over, and gives back', async () => {
    await using store = new Closing(await open())
    await using processes = new TestProcesses()
    const { address: placement } = await processes.placement({ store: store.url })
    const ledger = new CrashLedger(processes, 12, 50)
    const settings = { apps: [ledger.app], placement, store: store.url }
    const a = await processes.host('a', settings)
    await ledger.start(a)
    for (const [i, point] of crashes.entries()) {
      // Under another name each time: one that dies again and again has to rest before it gets shards.
      const b = await processes.host(`b${i}`, { ...settings, env: ledger.dyingAt(point, 5) })
      await dies(b)
      // Asks for actors whose owner is gone, so that calls wait for the table that gives them to this host.
      await ledger.caughtUp(a)
    }
    await ledger.check(a)
  })
})

class Closing {
  readonly url: string
  readonly #store: Store
  constructor(store: Store) {
    this.url = store.url
    this.#store = store
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store.stop()
  }
}
