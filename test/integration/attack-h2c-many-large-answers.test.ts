// Many answers under way on one connection of HTTP/2 are no reason to end it; clients that do not take theirs are bounded and let go (P7).
import { connect, createServer, type ClientHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { ManualClock, SystemClock } from '../../core/clock.ts'
import { HttpChannel } from '../../gateway/dapr/channel/http-channel.ts'
import { RawSocket, serve, within } from '../unit/gateway/serving.ts'
import { Answered } from '../unit/gateway/table-dispatcher.ts'

const PATH = '/v1.0/actors/Account/a/method/get'
const KIB = 1024

function session(url: string, settings = {}): ClientHttp2Session {
  const client = connect(url, { settings }).on('error', () => undefined)
  onTestFinished(() => client.destroy())
  return client
}

/** How a request ends: its status and how many bytes came. */
function ask(client: ClientHttp2Session): Promise<{ status: number; bytes: number; reset: number }> {
  return within(new Promise(resolve => {
    const stream = client.request({ ':path': PATH, ':method': 'POST' }, { endStream: true })
    let status = 0
    let bytes = 0
    stream.on('response', headers => { status = Number(headers[':status']) }).on('data', (chunk: Buffer) => { bytes += chunk.length }).on('error', () => undefined)
      .on('close', () => resolve({ status, bytes, reset: stream.rstCode ?? 0 }))
  }), 'the answer')
}

test.each([[900, 20 * KIB], [300, 256 * KIB], [100, 1024 * KIB]])('%i answers of %i bytes at once arrive whole', async (count, size) => {
  const { url, dispatcher } = await serve({ get: () => new Answered('x'.repeat(size)) })
  dispatcher.apps.add('Account')
  const client = session(url)
  const all = await Promise.all(Array.from({ length: count }, () => ask(client)))
  expect(all.filter(({ status, bytes, reset }) => status !== 200 || bytes !== size || reset !== 0)).toEqual([])
  expect(client.destroyed).toBe(false)
}, 60_000)

test('so do large calls of an application, many at once', async () => {
  const large = Buffer.alloc(1024 * KIB, 1)
  const server = createServer({ maxSessionMemory: 4096 }, (request, response) => { request.resume().on('end', () => response.end(large)) })
  onTestFinished(() => { server.close() })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const channel = new HttpChannel({
    protocol: 'h2c', address: '127.0.0.1', port: (server.address() as AddressInfo).port, apiToken: undefined, maxConcurrency: 0, maxBodyBytes: 4 * 1024 * KIB, clock: new SystemClock(),
  })
  onTestFinished(() => channel.close())
  const request = { type: 'A', id: '1', method: 'm', query: '', headers: [], body: large }
  const all = await Promise.allSettled(Array.from({ length: 200 }, () => channel.invoke(request, new AbortController().signal)))
  expect(all.filter(({ status }) => status === 'rejected')).toEqual([])
}, 60_000)

test.each(['1.1', '2'])('clients of HTTP/%s that take no answers are refused more of them, and let go after a while', async version => {
  const clock = new ManualClock()
  const { url, port, dispatcher, ask: fetched } = await serve({ get: () => new Answered('x'.repeat(16 * 1024 * KIB)), small: () => new Answered('ok') }, { clock, maxAnswerBytes: 64 * 1024 * KIB, stallTimeout: '5m' })
  // The end of the door takes its time by this clock.
  onTestFinished(() => { setInterval(() => void clock.advance(100), 5).unref() })
  dispatcher.apps.add('Account')
  if (version === '2') {
    const client = session(url, { initialWindowSize: 0 })
    for (let i = 0; i < 8; i++) client.request({ ':path': PATH, ':method': 'POST' }, { endStream: true }).on('error', () => undefined)
  } else {
    for (let i = 0; i < 8; i++) (await RawSocket.open(port)).write(`POST ${PATH} HTTP/1.1\r\nhost: x\r\n\r\n`).socket.pause()
  }
  await expect.poll(async () => (await fetched(PATH.replace('get', 'small'), { method: 'POST' })).status, { timeout: 10_000 }).toBe(503)
  const refused = await fetched(PATH.replace('get', 'small'), { method: 'POST' })
  expect(refused.body).toMatchObject({ code: 'OVERLOADED', executed: 'no' })
  expect((await fetched('/v1.0/healthz')).status).toBe(204)
  await clock.advance(5 * 60_000 + 1)
  await expect.poll(async () => (await fetched(PATH.replace('get', 'small'), { method: 'POST' })).status, { timeout: 10_000 }).toBe(200)
}, 60_000)
