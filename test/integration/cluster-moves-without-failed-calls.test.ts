/** A host joins, one leaves, all are restarted one by one, under a steady load from outside: no call fails, nothing is lost (P9). */
import { describe, expect, it } from 'vitest'
import { callHttp, TestProcesses } from './processes.ts'
import { SteadyLoad } from './steady-load.ts'

interface Status {
  readonly hosts: readonly { readonly id: string; readonly shards: Readonly<Record<string, number>> }[]
}

const statusOf = async (url: string): Promise<Status> => await (await fetch(`${url}/troupe/v1/status`)).json() as Status
const sharesOf = async (url: string): Promise<Record<string, number>> =>
  Object.fromEntries((await statusOf(url)).hosts.map(h => [h.id, h.shards.Counter ?? 0]))

describe('under a steady load', () => {
  it('a host that joins takes its share', async () => {
    await using processes = new TestProcesses()
    const { address } = await processes.placement()
    const [a, b] = await Promise.all(['a', 'b'].map(name => processes.host(name, { placement: address })))
    await using load = new SteadyLoad([a!.http, b!.http])
    await load.more(500)

    const c = await processes.host('c', { placement: address })
    load.hosts.add(c.http)
    await load.more(1_000)
    // What moved is found where it now lives, through whoever is asked.
    const shares = await sharesOf(a!.http)
    expect(Object.values(shares).reduce((sum, n) => sum + n, 0)).toBe(1024)
    expect(Math.max(...Object.values(shares))).toBeLessThanOrEqual(Math.ceil(1024 / 3 * 1.1))
    expect(load.answeredBy.get('c')).toBeGreaterThan(0)

    await load.stop()
    expect(load.failures.map(String)).toEqual([])
    expect(await load.wrong()).toEqual([])
  })

  it('a host that leaves on SIGTERM gives its share back and ends with 0', async () => {
    await using processes = new TestProcesses()
    const { address } = await processes.placement()
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(name => processes.host(name, { placement: address })))
    await using load = new SteadyLoad([a!.http, b!.http, c!.http])
    await load.more(500)

    expect(await b!.process.stop('SIGTERM')).toEqual({ code: 0, signal: null })
    await load.more(1_000)
    const shares = await sharesOf(a!.http)
    expect(Object.keys(shares).sort()).toEqual(['a', 'c'])
    expect(Object.values(shares).reduce((sum, n) => sum + n, 0)).toBe(1024)

    await load.stop()
    expect(load.failures.map(String)).toEqual([])
    expect(await load.wrong()).toEqual([])
  })

  it('every host is restarted, one after another', async () => {
    await using processes = new TestProcesses()
    const { address } = await processes.placement()
    const hosts = await Promise.all(['a', 'b', 'c'].map(name => processes.host(name, { placement: address })))
    await using load = new SteadyLoad(hosts.map(h => h.http), { lanes: 6 })
    await load.more(300)
    for (const [i, host] of hosts.entries()) {
      expect(await host.process.stop('SIGTERM')).toEqual({ code: 0, signal: null })
      await load.more(200)
      // The same name again: the one before has left.
      const again = await processes.host('abc'[i]!, { placement: address })
      load.hosts.add(again.http)
      await load.more(300)
    }
    await load.stop()
    expect(load.failures.map(String)).toEqual([])
    expect(await load.wrong()).toEqual([])
  }, 60_000)

  it('the placement service is away, and nobody notices', async () => {
    await using processes = new TestProcesses()
    const placement = await processes.placement()
    const [a, b] = await Promise.all(['a', 'b'].map(name => processes.host(name, { placement: placement.address })))
    await using load = new SteadyLoad([a!.http, b!.http])
    await load.more(300)
    await placement.process.stop('SIGKILL')
    await load.more(2_000)
    expect(await callHttp(a!.http, 'Account', 'new', 'deposit', 5)).toMatchObject({ status: 200, body: 5 })
    await load.stop()
    expect(load.failures.map(String)).toEqual([])
    expect(await load.wrong()).toEqual([])
  })
})
