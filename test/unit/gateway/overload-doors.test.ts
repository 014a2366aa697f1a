/** What doors do when their host takes no more calls: they say so before they read. */
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { TroupeError } from '../../../core/errors.ts'
import type { Dispatcher } from '../../../runtime/dispatch/dispatcher.ts'
import { RawSocket, serve } from './serving.ts'

const path = '/v1.0/actors/Account/a/method/echo'
const echo = { echo: (r: { args: readonly unknown[] }) => r.args }

async function overloaded(methods = echo) {
  const serving = await serve(methods)
  const asked: number[] = []
  const dispatcher: Dispatcher = serving.dispatcher
  let refuse = true
  dispatcher.refusal = bytes => {
    asked.push(bytes)
    return refuse ? new TroupeError('OVERLOADED', 'this host is behind with its work', { retryAfterMs: 1_500 }) : undefined
  }
  return { ...serving, asked, stop: () => { refuse = false } }
}

test('HTTP says 503 with the time to come again, and that nothing ran', async () => {
  const { ask, dispatcher, asked } = await overloaded()
  const answer = await ask(path, { method: 'POST', body: '[1,2]' })
  expect(answer).toMatchObject({ status: 503, body: { code: 'OVERLOADED', executed: 'no', retryable: true, retryAfterMs: 1_500 } })
  expect(answer.headers.get('retry-after')).toBe('2')
  expect(asked).toEqual([5])
  expect(dispatcher.requests).toEqual([])
})

test('what it let in is counted with the bytes of its body', async () => {
  const { ask, dispatcher, stop } = await overloaded()
  stop()
  await ask(path, { method: 'POST', body: '[1,2]' })
  await ask(path, { method: 'GET' })
  expect(dispatcher.requests.map(it => it.bytes)).toEqual([5, 0])
})

test('a small body is dropped and the connection goes on', async () => {
  const { port, stop } = await overloaded()
  const socket = await RawSocket.open(port)
  const post = `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n[1]`
  socket.write(post)
  await once(socket.socket, 'data')
  expect(socket.received).toMatch(/^HTTP\/1.1 503/)
  stop()
  socket.received = ''
  socket.write(post)
  await once(socket.socket, 'data')
  expect(socket.received).toMatch(/^HTTP\/1.1 200/)
})

test('a large body is not waited for', async () => {
  const { port } = await overloaded()
  const socket = await RawSocket.open(port)
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n[`)
  await once(socket.socket, 'data', { signal: AbortSignal.timeout(2_000) })
  expect(socket.received).toMatch(/^HTTP\/1.1 503[^]*connection: close/i)
})

test('a body that is announced first is not asked for', async () => {
  const { port } = await overloaded()
  const socket = await RawSocket.open(port)
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n`)
  await once(socket.socket, 'data', { signal: AbortSignal.timeout(2_000) })
  expect(socket.received).toMatch(/^HTTP\/1.1 503/)
})

test('health, metadata and locations are answered all the same', async () => {
  const { ask, asked } = await overloaded()
  expect((await ask('/v1.0/healthz')).status).toBe(204)
  expect((await ask('/v1.0/metadata')).status).toBe(200)
  expect(asked).toEqual([])
})
