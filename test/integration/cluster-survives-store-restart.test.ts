/** The store of a running cluster goes away and comes back: calls fail with what is proved, nothing acknowledged is lost. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startRedis, type RedisServer } from '../servers/redis.ts'
import { callHttp, TestProcesses } from './processes.ts'
import { SteadyLoad } from './steady-load.ts'

let redis: RedisServer
beforeAll(async () => { redis = await startRedis() })
afterAll(() => redis.stop())

describe('a cluster on Redis', () => {
  it('keeps its promises over a killed and restarted server', async () => {
    await using processes = new TestProcesses()
    const { address } = await processes.placement({ store: redis.url })
    const [a, b] = await Promise.all(['a', 'b'].map(name => processes.host(name, { placement: address, store: redis.url })))
    await using load = new SteadyLoad([a!.http, b!.http])
    await load.more(500)
    expect(load.failures).toEqual([])

    await redis.kill()
    await load.more(20)
    expect(load.failures.length).toBeGreaterThan(0)
    expect(load.failures.filter(f => !f.retryable).map(String)).toEqual([])
    await redis.restart()
    await answers(a!.http)
    await answers(b!.http)
    await load.more(500)

    await load.stop()
    expect(await load.wrong()).toEqual([])
    expect([a!.process.running, b!.process.running]).toEqual([true, true])
  }, 60_000)
})

/** Resolves when a write succeeds through this host; every failure until then must allow a repeat. */
async function answers(url: string): Promise<void> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const reply = await callHttp(url, 'Account', 'probe', 'deposit', 1)
    if (reply.status === 200) return
    expect(reply.body).toMatchObject({ retryable: true })
    if (performance.now() > deadline) throw new Error(`no write succeeds: ${JSON.stringify(reply.body)}`)
  }
}
