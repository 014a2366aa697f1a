/** Reminders and the sends of their runs go on exactly once: while hosts join, leave and restart, while the store restarts, and over a time when nothing was up. */
import { expect, it } from 'vitest'
import { startRedis } from '../servers/redis.ts'
import { call, CrashLedger, repeat } from './crash-ledger.ts'
import { TestProcesses } from './processes.ts'

it('a host joins, one leaves, all are restarted one by one', async () => {
  await using processes = new TestProcesses()
  const { address: placement } = await processes.placement()
  const ledger = new CrashLedger(processes, 12, 50)
  const settings = { apps: [ledger.app], placement }
  const hosts = await Promise.all(['a', 'b'].map(name => processes.host(name, settings)))
  await ledger.start(hosts[0]!)
  hosts.push(await processes.host('c', settings))
  await ledger.caughtUp(hosts[2]!)
  for (const [i, name] of ['a', 'b', 'c'].entries()) {
    expect(await hosts[i]!.process.stop('SIGTERM')).toEqual({ code: 0, signal: null })
    await ledger.caughtUp(hosts[(i + 1) % 3]!)
    hosts[i] = await processes.host(name, settings)
    await ledger.caughtUp(hosts[i]!)
  }
  await ledger.check(hosts[0]!)
})

it('the store is killed and comes back', async () => {
  const redis = await startRedis()
  try {
    await using processes = new TestProcesses()
    const { address: placement } = await processes.placement({ store: redis.url })
    const ledger = new CrashLedger(processes, 8, 50)
    const settings = { apps: [ledger.app], placement, store: redis.url }
    const [a] = await Promise.all(['a', 'b'].map(name => processes.host(name, settings)))
    await ledger.start(a!)
    for (let i = 0; i < 2; i++) {
      await ledger.caughtUp(a!)
      await redis.restart()
    }
    await ledger.caughtUp(a!)
    await ledger.check(a!)
  } finally {
    await redis.stop()
  }
})

const missedApp = `
import { Actor } from 'troupe'

export class Missed extends Actor {
  runs = []
  async start() {
    for (const missed of ['once', 'all', 'skip']) await this.ctx.reminders.set(missed, { every: 50, missed }, this._run)
    await this.ctx.reminders.set('at', { in: 400 }, this._run)
    await this.ctx.reminders.set('never', { at: '9999-01-01T00:00:00Z' }, this._run)
  }
  _run({ reminder, due, missed }) { this.runs.push([reminder, due.getTime(), Date.now(), missed]) }
  read() { return this.runs }
}
`

type Missed = readonly [reminder: string, due: number, at: number, missed: number]

it('what fell due while nothing was up runs by its policy when a host is', async () => {
  await using processes = new TestProcesses()
  const apps = [processes.write('missed.js', missedApp)]
  let host = await processes.host('a', { apps })
  await call(host.http, 'Missed', 'm', 'start')
  await repeat('some ran', async () => (await call<Missed[]>(host.http, 'Missed', 'm', 'read')).length >= 6)
  await host.process.stop('SIGKILL')
  const down = Date.now()
  await repeat('the time of the one that is due once is over', async () => Date.now() > down + 500)
  const up = Date.now()
  host = await processes.host('a', { apps })
  const runs = await repeat('all have caught up', async () => {
    const all = await call<Missed[]>(host.http, 'Missed', 'm', 'read')
    return ['once', 'all', 'skip'].every(name => all.some(([reminder, due]) => reminder === name && due > up + 1_000)) && all
  })
  for (const [, due, at] of runs) expect(at).toBeGreaterThanOrEqual(due)
  const of = (name: string): Missed[] => runs.filter(([reminder]) => reminder === name)
  // Each occurrence has run, alone or as one of those that a later run stands for. What is not a minute late is not skipped.
  for (const name of ['once', 'all', 'skip']) {
    const mine = of(name)
    mine.forEach(([, due, , missed], i) => {
      if (i > 0) expect([name, due - mine[i - 1]![1]]).toEqual([name, 50 * (missed + 1)])
    })
  }
  expect(Math.max(...of('once').map(([, , , missed]) => missed))).toBeGreaterThanOrEqual(5)
  expect(of('all').every(([, , , missed]) => missed === 0)).toBe(true)
  expect(of('at').length).toBe(1)
  expect(of('at')[0]![2]).toBeGreaterThanOrEqual(up)
  expect(of('never')).toEqual([])
})
