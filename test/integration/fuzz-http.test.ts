import { once } from 'node:events'
import { connect } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { serve } from '../unit/gateway/serving.ts'
import { heapInUse, Mutations } from './fuzz-mutations.ts'

setFlagsFromString('--expose_gc')
globalThis.gc = runInNewContext('gc') as NodeJS.GCFunction

const SEED = Number(process.env.TROUPE_FUZZ_SEED ?? Date.now() % 1_000_000)
const REQUESTS = Number(process.env.TROUPE_FUZZ_FRAMES ?? 4_000)
const TOKEN = 'a-token'

const lines = (...text: string[]): Buffer => Buffer.from(text.join('\r\n'), 'latin1')
const requests = [
  lines('POST /v1.0/actors/Account/a/method/get HTTP/1.1', 'host: x', `dapr-api-token: ${TOKEN}`, 'content-type: application/json', 'content-length: 7', 'connection: close', '', '[1,"a"]'),
  lines('POST /v1.0/actors/Account/a/method/get HTTP/1.1', 'host: x', 'transfer-encoding: chunked', 'connection: close', '', '5', '[1,2]', '0', '', ''),
  lines('GET /v1.0/healthz?appid=h1 HTTP/1.1', 'host: x', 'connection: close', '', ''), lines('GET /v1.0/metadata HTTP/1.1', 'host: x', 'connection: close', '', ''),
  lines('PUT /v1.0/actors/A%2F/%2e%2e/reminders/r HTTP/1.1', 'host: x', 'troupe-timeout: 5s', 'idempotency-key: "k"', 'content-length: 16', 'connection: close', '', '{"dueTime":"1s"}'),
  lines('DELETE /troupe/v1/reminders/A?limit=5 HTTP/1.1', 'host: x', 'expect: 100-continue', 'upgrade: h2c', 'connection: upgrade, close', '', ''),
]

it(`${REQUESTS} mutated requests are answered or hung up on; the door stays, memory is flat, nobody comes in (seed ${SEED})`, async () => {
  const { port, ask, dispatcher } = await serve({ get: () => 1 }, { apiToken: TOKEN, requestTimeout: '2s' })
  const statuses = new Map<string, number>()
  const fuzz = async (seed: number, count: number): Promise<void> => {
    let left = count
    await Promise.all(Array.from({ length: 32 }, async (_, i) => {
      const mutations = new Mutations(seed * 100 + i)
      while (left-- > 0) {
        const bytes = mutations.next(requests)
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: false })
        let text = ''
        socket.on('error', () => {}).on('data', chunk => { text += chunk.toString('latin1') })
        // Half of a request is over with its connection.
        socket.end(bytes)
        await once(socket, 'close', { signal: AbortSignal.timeout(15_000) }).catch((error: unknown) => { throw new Error(`seed ${SEED}: no end after ${bytes.toString('latin1')}`, { cause: error }) })
        const status = /^HTTP\/1\.1 (\d\d\d) /.exec(text)?.[1] ?? (text === '' ? 'hung up' : `garbage: ${text.slice(0, 100)}`)
        // A health check that is about another app is refused with 500, as the standard has it.
        if (status.startsWith('5') && !text.includes('ERR_HEALTH_APPID_NOT_MATCH')) throw new Error(`seed ${SEED}: ${text} to ${bytes.toString('latin1')}`)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
    }))
  }
  await fuzz(SEED, Math.ceil(REQUESTS / 4))
  const before = await heapInUse()
  // What the test itself keeps of sound requests.
  dispatcher.requests.length = 0
  await fuzz(SEED + 1, REQUESTS)
  expect(dispatcher.requests.every(request => request.caller?.kind === 'outside' && 'token' in request.caller)).toBe(true)
  dispatcher.requests.length = 0
  const grown = (await heapInUse()) - before
  expect(grown, `memory grew by ${grown} bytes`).toBeLessThan(24e6)
  expect([...statuses.keys()].filter(status => !/^(?:hung up|[12345]\d\d)$/.test(status))).toEqual([])
  expect(statuses.get('401')).toBeGreaterThan(0)
  expect(statuses.get('400')).toBeGreaterThan(0)
  expect((await ask('/v1.0/healthz')).status).toBe(204)
}, 60_000 + REQUESTS * 5)
