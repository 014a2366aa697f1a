/** Calls with idempotency keys through a client, while hosts are killed with -9: none fails, and each takes effect once. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connect } from '../../gateway/client.ts'
import type { Counter } from '../../examples/counter.ts'
import { exampleApp, TestProcesses } from './processes.ts'

const ACTORS = 24
const LANES = 6

let processes: TestProcesses
beforeAll(() => { processes = new TestProcesses() })
afterAll(() => processes[Symbol.asyncDispose]())

it('no keyed call fails or counts twice when hosts die under it', async () => {
  const { address } = await processes.placement()
  const start = (name: string) => processes.host(name, { placement: address, apps: [exampleApp('counter.ts')] })
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(start))
  const client = connect([a!.http, b!.http, c!.http], { timeout: '20s' })
  const done = new Map<string, number>()
  const failures: unknown[] = []
  let calls = 0
  let running = true
  let reached: { at: number; tell: () => void } | undefined

  const lane = async (number: number): Promise<void> => {
    for (let i = number; running; i++) {
      const id = `k${i % ACTORS}`
      try {
        await client.actor<Counter>('Counter', id).with({ idempotencyKey: `${number}-${i}` }).increment()
        done.set(id, (done.get(id) ?? 0) + 1)
      } catch (error) {
        failures.push(error)
      }
      if (++calls >= (reached?.at ?? Infinity)) reached!.tell()
    }
  }
  const more = async (count: number): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    reached = { at: calls + count, tell: resolve }
    const late = setTimeout(() => reject(new Error(`fewer than ${count} calls in 20 s; failed: ${String(failures.at(-1))}`)), 20_000)
    await promise.finally(() => clearTimeout(late))
  }

  const lanes = Array.from({ length: LANES }, (_, i) => lane(i))
  try {
    await more(300)
    await b!.process.stop('SIGKILL')
    await more(300)
    await c!.process.stop('SIGKILL')
    await more(300)
  } finally {
    running = false
    await Promise.all(lanes)
  }
  expect(failures).toEqual([])
  const wrong: string[] = []
  for (let i = 0; i < ACTORS; i++) {
    const value = await client.actor<Counter>('Counter', `k${i}`).get()
    if (value !== (done.get(`k${i}`) ?? 0)) wrong.push(`k${i} is ${value}, ${done.get(`k${i}`)} calls were answered`)
  }
  expect(wrong).toEqual([])
  await client.close()
})
