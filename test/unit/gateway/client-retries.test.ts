import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../../../core/clock.ts'
import { RetryBudget } from '../../../gateway/client-retry-budget.ts'
import { connect, type Client } from '../../../gateway/client.ts'

type Answer = (request: IncomingMessage, response: ServerResponse, number: number) => void

interface Failing {
  readonly url: string
  /** When each request came, by its path. */
  readonly came: { readonly path: string; readonly atMs: number }[]
  readonly server: Server
}

/** A server that answers as it is told, and counts. */
async function failing(answer: Answer): Promise<Failing> {
  const came: { path: string; atMs: number }[] = []
  const server = createServer((request, response) => {
    request.resume()
    came.push({ path: request.url!, atMs: performance.now() })
    answer(request, response, came.length)
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  onTestFinished(() => { server.closeAllConnections(); server.close() })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, came, server }
}

const refusal = (more: object = {}): Answer => (_, response) => {
  response.writeHead(503, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ errorCode: 'ERR_ACTOR_INVOKE_METHOD', message: 'behind', code: 'OVERLOADED', executed: 'no', retryable: true, ...more }))
}
const reply: Answer = (_, response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end('7')
}
const breaks: Answer = request => { request.socket.destroy() }

const clientOf = (url: string, options = {}): Client => {
  const client = connect(url, options)
  onTestFinished(() => client.close())
  return client
}
const failureOf = (call: Promise<unknown>): Promise<any> => call.then(() => { throw new Error('it succeeded') }, (error: unknown) => error)

describe('a call that was refused', () => {
  test('is sent again when it is proved that it did not run, and may be', async () => {
    const { url, came } = await failing((request, response, number) => (number < 3 ? refusal() : reply)(request, response, number))
    expect(await clientOf(url).call('Account', 'a', 'get', [])).toBe(7)
    expect(came).toHaveLength(3)
  })

  test('is sent three times at most', async () => {
    const { url, came } = await failing(refusal())
    expect(await failureOf(clientOf(url).call('Account', 'a', 'get', []))).toMatchObject({ code: 'OVERLOADED', executed: 'no' })
    expect(came).toHaveLength(3)
  })

  test.each([['it may have run', { executed: 'unknown', code: 'PEER_LOST' }], ['it ran', { executed: 'yes' }], ['a repeat is of no use', { retryable: false }]])(
    'is not sent again when %s', async (_, more) => {
      const { url, came } = await failing(refusal(more))
      await failureOf(clientOf(url).call('Account', 'a', 'get', []))
      expect(came).toHaveLength(1)
    })

  test('comes again no earlier than it was told', async () => {
    const { url, came } = await failing((request, response, number) => (number === 1 ? refusal({ retryAfterMs: 300 }) : reply)(request, response, number))
    await clientOf(url).call('Account', 'a', 'get', [])
    expect(came[1]!.atMs - came[0]!.atMs).toBeGreaterThanOrEqual(299)
  })

  test('does not come again when its time would be over by then: the error comes at once', async () => {
    const { url, came } = await failing(refusal({ retryAfterMs: 5_000 }))
    const before = performance.now()
    expect(await failureOf(clientOf(url).call('Account', 'a', 'get', [], { timeout: '1s' }))).toMatchObject({ code: 'OVERLOADED', retryAfterMs: 5_000 })
    expect(performance.now() - before).toBeLessThan(1_000)
    expect(came).toHaveLength(1)
  })
})

describe('the budget', () => {
  test('a server that refuses everything gets a tenth more requests than there are calls, and a few', async () => {
    const { url, came } = await failing(refusal())
    const client = clientOf(url, { connections: 32 })
    const calls = Array.from({ length: 1000 }, (_, i) => failureOf(client.call('Account', `a${i}`, 'get', [])))
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: 'OVERLOADED' })
    expect(came.length).toBeGreaterThan(1050)
    // 100 of the calls, 10 in reserve, one a second.
    expect(came.length).toBeLessThanOrEqual(1000 + 110 + 15)
  })

  test('those who fail together come back apart', async () => {
    const { url, came } = await failing(refusal())
    const client = clientOf(url)
    for (let i = 0; i < 10; i++) void failureOf(client.call('Account', `a${i}`, 'get', [], { timeout: '5s' }))
    const started = performance.now()
    while (came.length < 20 && performance.now() - started < 5_000) await new Promise(resolve => { setTimeout(resolve, 5) })
    const again = came.slice(10, 20).map(it => it.atMs).sort((a, b) => a - b)
    expect(again.at(-1)! - again[0]!).toBeGreaterThan(15)
  })

  test('earns a tenth a call and one a second up to a reserve, and saves no more than a hundred', () => {
    const clock = new ManualClock()
    const budget = new RetryBudget(clock)
    const spendable = (): number => {
      let count = 0
      while (budget.spend()) count++
      return count
    }
    expect(spendable()).toBe(10)
    for (let i = 0; i < 50; i++) budget.earn()
    expect([4, 5]).toContain(spendable())
    for (let i = 0; i < 100_000; i++) budget.earn()
    expect(spendable()).toBe(100)
    return clock.advance(3_000).then(() => {
      expect(spendable()).toBe(3)
      return clock.advance(1e6)
    }).then(() => expect(spendable()).toBe(10))
  })
})

describe('a call with a key whose connections break', () => {
  test('is sent three times, and may be sent again by whoever wants that', async () => {
    const { url, came } = await failing(breaks)
    const client = clientOf(url)
    const call = () => failureOf(client.call('Account', 'a', 'pay', [], { idempotencyKey: 'k1' }))
    expect(await call()).toMatchObject({ code: 'PEER_LOST', executed: 'unknown', retryable: true })
    expect(came).toHaveLength(3)
    expect(await call()).toMatchObject({ code: 'PEER_LOST', executed: 'unknown' })
    expect(came).toHaveLength(6)
  })
})
