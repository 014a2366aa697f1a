/** Any host answers for any actor, and says which host ran the call; hosts may run different types. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callHttp, exampleApp, TestProcesses, type RunningHost } from './processes.ts'

let processes: TestProcesses
let address: string
beforeAll(async () => {
  processes = new TestProcesses();
  ({ address } = await processes.placement())
})
afterAll(() => processes[Symbol.asyncDispose]())

describe('a cluster', () => {
  let hosts: RunningHost[]
  beforeAll(async () => {
    hosts = await Promise.all([
      processes.host('a', { placement: address }),
      processes.host('b', { placement: address, apps: [exampleApp('counter.ts'), exampleApp('account.ts'), exampleApp('stream.ts')] }),
      processes.host('c', { placement: address, apps: [exampleApp('account.ts')] }),
    ])
  })

  it('answers everywhere with the same owner and one state', async () => {
    for (let i = 0; i < 20; i++) {
      const answers = []
      for (const host of hosts) answers.push(await callHttp(host.http, 'Account', `x${i}`, 'deposit', 1))
      expect(answers.map(a => a.body)).toEqual([1, 2, 3])
      expect(new Set(answers.map(a => a.host)).size).toBe(1)
      expect(new Set(answers.map(a => a.epoch)).size).toBe(1)
      expect(Number(answers[0]!.epoch)).toBeGreaterThan(0)
    }
  })

  it('spreads actors over the hosts that run their type, and no others', async () => {
    const owners: Record<string, Set<string | null>> = { Account: new Set(), Counter: new Set(), Thermometer: new Set() }
    for (let i = 0; i < 60; i++) {
      // Asked at the host that runs Account only.
      owners.Account!.add((await callHttp(hosts[2]!.http, 'Account', `s${i}`, 'total')).host)
      owners.Counter!.add((await callHttp(hosts[2]!.http, 'Counter', `s${i}`, 'get')).host)
      owners.Thermometer!.add((await callHttp(hosts[2]!.http, 'Thermometer', `s${i}`, 'record', 20)).host)
    }
    expect([...owners.Account!].sort()).toEqual(['a', 'b', 'c'])
    expect([...owners.Counter!].sort()).toEqual(['a', 'b'])
    expect([...owners.Thermometer!]).toEqual(['b'])
  })

  it('carries calls between actors, and streams, across hosts', async () => {
    for (let i = 0; i < 10; i++) {
      await callHttp(hosts[i % 3]!.http, 'Account', `from${i}`, 'deposit', 100)
      expect(await callHttp(hosts[(i + 1) % 3]!.http, 'Transfer', `t${i}`, 'run', `from${i}`, `to${i}`, 40)).toMatchObject({ status: 200, body: 'done' })
      expect(await callHttp(hosts[(i + 2) % 3]!.http, 'Account', `to${i}`, 'total')).toMatchObject({ body: 40 })
    }
    await callHttp(hosts[0]!.http, 'Thermometer', 'k', 'record', 18)
    const { code, stdout } = await processes.run(['call', 'Thermometer/k', 'means', '--to', hosts[2]!.http])
    expect({ code, stdout }).toEqual({ code: 0, stdout: '{"celsius":18,"mean":18}\n' })
  })

  it("carries an author's error across hosts with its code, data and status", async () => {
    for (const host of hosts) {
      expect(await callHttp(host.http, 'Account', 'poor', 'withdraw', 5)).toMatchObject({
        status: 409, body: { code: 'INSUFFICIENT', executed: 'yes', retryable: false, data: { missing: 5 } },
      })
    }
  })

  it('answers 404 for a type that no host runs', async () => {
    expect(await callHttp(hosts[0]!.http, 'Nobody', 'x', 'get')).toMatchObject({ status: 404, body: { code: 'UNKNOWN_TYPE', executed: 'no' } })
  })

  it('shows itself in troupe status, asked anywhere', async () => {
    const { stdout } = await processes.run(['status', 'Counter/s1', '--json', '--to', hosts[2]!.http])
    const status = JSON.parse(stdout) as { placement: string; hosts: { id: string; phase: string; shards: Record<string, number> }[]; actor: { member: { id: string } } }
    expect(status.placement).toBe('connected')
    expect(status.hosts.map(h => [h.id, h.phase]).sort()).toEqual([['a', 'serving'], ['b', 'serving'], ['c', 'serving']])
    const total = (type: string): number => status.hosts.reduce((sum, h) => sum + (h.shards[type] ?? 0), 0)
    expect([total('Account'), total('Counter'), total('Thermometer')]).toEqual([1024, 1024, 1024])
    expect(status.actor.member.id).toBe((await callHttp(hosts[0]!.http, 'Counter', 's1', 'get')).host)
  })
})
