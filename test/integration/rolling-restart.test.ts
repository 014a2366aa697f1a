/** Hosts that are all the cluster, placement included, restarted one after another under a steady load: no call fails, nothing is lost (P9). */
import { expect, onTestFinished, test } from 'vitest'
import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'
import { TestProcesses } from './processes.ts'
import { SteadyLoad } from './steady-load.ts'

async function servedBy(server: { readonly url: string; stop(): Promise<void> }): Promise<string> {
  onTestFinished(() => server.stop())
  return server.url
}

const stores = {
  lmdb: async (processes: TestProcesses) => processes.store,
  redis: async () => servedBy(await startRedis()),
  postgres: async () => servedBy(await startPostgres()),
}

test.each(Object.entries(stores))('on %s', async (_name, open) => {
  await using processes = new TestProcesses()
  const store = await open(processes)
  const names = ['a', 'b', 'c']
  const hosts = await Promise.all(names.map(name => processes.host(name, { store })))
  await using load = new SteadyLoad(hosts.map(({ http }) => http), { lanes: 4, pauseMs: 5 })
  await load.more(200)
  for (const [i, host] of hosts.entries()) {
    expect(await host.process.stop('SIGTERM')).toEqual({ code: 0, signal: null })
    await load.more(100)
    const again = await processes.host(names[i]!, { store })
    load.hosts.add(again.http)
    await load.more(200)
  }
  await load.stop()
  expect(load.failures.map(String)).toEqual([])
  expect(await load.wrong()).toEqual([])
  expect([...load.answeredBy.keys()].sort()).toEqual(names)
}, 120_000)
