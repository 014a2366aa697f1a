/**
 * Hosts join, are killed and placement restarts, all while turns run that outlive the drain time: no acknowledged write is
 * lost, none is done twice, no call hangs, and nothing that ran is told to have not run.
 */
import { expect, test } from 'vitest'
import { CallFailed, HostList, HttpLane } from '../../examples/demo/http-lane.ts'
import { until } from '../unit/activation/signal.ts'
import { TestProcesses } from './processes.ts'

const app = `
import { Actor } from 'troupe'
export class Slow extends Actor {
  done: string[] = []
  async add(what: string, ms: number) {
    const before = this.done.length
    if (ms > 0) await new Promise(resolve => setTimeout(resolve, ms))
    if (this.done.length !== before) throw new Error('two turns at once')
    this.done = [...this.done, what]
    return this.done.length
  }
  list() { return this.done }
  static readonly methods = { list: { readonly: true } }
}
`
const ACTORS = 24

test('turns longer than the drain time, while everything around them moves and dies', async () => {
  await using processes = new TestProcesses()
  const apps = [processes.write('slow.ts', app)]
  const { address, process: first } = await processes.placement()
  const start = (name: string) => processes.host(name, { placement: address, apps, args: ['--drain-timeout', '300ms'] })
  const [a, b] = await Promise.all([start('a'), start('b')])
  const hosts = new HostList()
  for (const host of [a, b]) hosts.add(host.http)

  const acknowledged = new Map<string, { id: string; place: number }>()
  const refused = new Set<string>()
  const wrong: string[] = []
  let running = true
  let slowest = 0
  const work = Array.from({ length: 10 }, async (_, lane) => {
    const caller = new HttpLane(hosts, lane)
    for (let i = 0; running; i++) {
      const what = `${lane}.${i}`
      const id = `s${(lane * 7 + i) % ACTORS}`
      const began = performance.now()
      try {
        const { value } = await caller.call('Slow', id, 'add', [what, i % 9 === 0 ? 700 : i % 4 === 0 ? 40 : 0], 25_000)
        acknowledged.set(what, { id, place: Number(value) })
      } catch (error) {
        if (!(error instanceof CallFailed)) throw error
        if (error.executed === 'no') refused.add(what)
        if (error.executed === 'yes' || error.code === 'METHOD_FAILED') wrong.push(String(error))
        await new Promise(resolve => setTimeout(resolve, 10))
      }
      slowest = Math.max(slowest, performance.now() - began)
    }
    caller.close()
  })
  const more = (calls: number) => {
    const enough = acknowledged.size + calls
    return until(() => acknowledged.size >= enough, `${calls} more acknowledged calls`, 30_000)
  }
  await more(60)
  const c = await start('c')
  hosts.add(c.http)
  await more(5)
  await b.process.stop('SIGKILL')
  hosts.remove(b.http)
  await first.stop('SIGKILL')
  const d = start('d')
  await processes.placement({ port: Number(address.split(':')[1]) })
  hosts.add((await d).http)
  await more(150)
  c.process.signal('SIGTERM')
  expect(await c.process.ended(30_000)).toEqual({ code: 0, signal: null })
  await more(60)
  running = false
  await Promise.all(work)

  const reader = new HttpLane(hosts, 0)
  const lists = new Map<string, string[]>()
  for (let i = 0; i < ACTORS; i++) lists.set(`s${i}`, (await reader.call('Slow', `s${i}`, 'list', [])).value as string[])
  reader.close()
  for (const [id, list] of lists) if (new Set(list).size !== list.length) wrong.push(`${id} did something twice`)
  for (const [what, { id, place }] of acknowledged) if (lists.get(id)![place - 1] !== what) wrong.push(`${id} lost ${what}, acknowledged as its ${place}.`)
  for (const list of lists.values()) for (const what of list) if (refused.has(what)) wrong.push(`${what} ran and was told not to have`)
  expect(wrong).toEqual([])
  expect(slowest).toBeLessThan(20_000)
}, 120_000)
