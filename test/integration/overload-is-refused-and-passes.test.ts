/**
 * A host that is asked for several times what it can do serves about as much as before, refuses the rest with proof that nothing
 * ran, goes on answering for its health, and takes everything again when the flood is over. How well: `npm run bench -- overload`.
 */
import { Agent, request } from 'node:http'
import { expect, it } from 'vitest'
import { TestProcesses } from './processes.ts'

const app = `
import { createHash } from 'node:crypto'
import { Actor } from 'troupe'
const material = Buffer.alloc(3 * 1024 * 1024)
export class Worker extends Actor {
  static methods = { work: { readonly: true } }
  work() { return createHash('sha256').update(material).digest()[0] }
}
`
const CONNECTIONS = 400
const FLOOD_MS = 4_000

interface Answer { readonly status: number; readonly tookMs: number; readonly body: string; readonly retryAfter: string | undefined }

function ask(url: string, agent: Agent, path = '/v1.0/actors/Worker/w/method/work', method = 'POST'): Promise<Answer> {
  const before = performance.now()
  return new Promise((resolve, reject) => {
    const sent = request(url + path, { method, agent }, response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => resolve({
        status: response.statusCode!, tookMs: performance.now() - before, body: Buffer.concat(chunks).toString(), retryAfter: response.headers['retry-after'],
      })).on('error', reject)
    })
    sent.on('error', reject).end()
  })
}

it('refuses what it cannot do, and does what it can', async () => {
  await using processes = new TestProcesses()
  const { http } = await processes.host('a', { apps: [processes.write('worker.js', app)], store: 'memory:' })
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const own = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    const lane = async (answers: Answer[], endMs: number): Promise<void> => {
      while (performance.now() < endMs) answers.push(await ask(http, agent))
    }
    const flood = async (lanes: number, ms: number): Promise<Answer[]> => {
      const answers: Answer[] = []
      const endMs = performance.now() + ms
      await Promise.all(Array.from({ length: lanes }, () => lane(answers, endMs)))
      return answers
    }
    await flood(4, 500)
    const calm = await flood(4, 1_000)
    expect(calm.filter(it => it.status !== 200)).toEqual([])

    const flooding = flood(CONNECTIONS, FLOOD_MS)
    const health: Answer[] = []
    for (const endMs = performance.now() + FLOOD_MS; performance.now() < endMs;) health.push(await ask(http, own, '/v1.0/healthz', 'GET'))
    const answers = await flooding
    const good = answers.filter(it => it.status === 200)
    const refused = answers.filter(it => it.status === 503)
    expect(answers.length).toBe(good.length + refused.length)
    expect(JSON.parse(refused[0]!.body)).toMatchObject({ code: 'OVERLOADED', executed: 'no', retryable: true, retryAfterMs: expect.any(Number) })
    expect(Number(refused[0]!.retryAfter)).toBeGreaterThanOrEqual(1)
    expect(refused.length).toBeGreaterThan(good.length)
    // Lanes that are refused come back at once, as no client should: half of the peak is still served.
    expect(good.length / FLOOD_MS).toBeGreaterThan(calm.length / 1_000 * 0.4)
    expect(health.every(it => it.status === 204)).toBe(true)
    const middle = (times: number[]): number => times.sort((a, b) => a - b)[times.length >> 1]!
    expect(middle(refused.map(it => it.tookMs))).toBeLessThan(250)

    const after = performance.now()
    for (let row = 0; row < 20;) row = (await ask(http, own)).status === 200 ? row + 1 : 0
    expect(performance.now() - after).toBeLessThan(5_000)
  } finally {
    agent.destroy()
    own.destroy()
  }
}, 60_000)
