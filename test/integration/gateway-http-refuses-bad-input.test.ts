import { once } from 'node:events'
import { request } from 'node:http'
import { expect, test } from 'vitest'
import { encode } from '../../core/codec.ts'
import { silentLogger } from '../../core/logger.ts'
import { httpGateway } from '../../gateway/http.ts'
import { TableDispatcher } from '../unit/gateway/table-dispatcher.ts'
import { aborted, pending, RawSocket, serve, within } from '../unit/gateway/serving.ts'

const path = '/v1.0/actors/Account/a/method/echo'
const echo = { echo: (r: { args: readonly unknown[] }) => r.args }
const malformed = { status: 400, body: { errorCode: 'ERR_MALFORMED_REQUEST', code: 'MALFORMED_BODY', executed: 'no', retryable: false } }
const badRequest = { status: 400, body: { errorCode: 'ERR_BAD_REQUEST', code: 'BAD_REQUEST', executed: 'no' } }

test.each(['{', 'alice', '[1,]', "{'a':1}", '\ufeff5', '1 2', 'NaN'])('the body %j is no JSON', async body => {
  const { ask, dispatcher } = await serve(echo)
  const answer = await ask(path, { method: 'POST', body })
  expect(answer).toMatchObject(malformed)
  expect(answer.body.message).toMatch(/^failed deserializing HTTP body: ./)
  expect(dispatcher.requests).toEqual([])
})

test('a body that is no UTF-8 is refused', async () => {
  const { ask } = await serve(echo)
  expect(await ask(path, { method: 'POST', body: new Uint8Array([0x22, 0xff, 0x22]) })).toMatchObject(malformed)
})

test('nesting of 100,000 levels is refused, of 200 it is not; brackets inside strings do not count', async () => {
  const { ask } = await serve(echo)
  for (const body of ['['.repeat(100_000) + ']'.repeat(100_000), '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000), '['.repeat(100_000)]) {
    const answer = await ask(path, { method: 'POST', body })
    expect(answer).toMatchObject(malformed)
    expect(answer.body.message).toContain('deeper than 200 levels')
  }
  const strings = JSON.stringify(['['.repeat(1000), '\\"[['.repeat(300)])
  expect(await ask(path, { method: 'POST', body: strings })).toMatchObject({ status: 200, body: JSON.parse(strings) })
  expect((await ask(path, { method: 'POST', body: '['.repeat(190) + ']'.repeat(190) })).status).toBe(200)
})

test('__proto__ keys stay harmless data', async () => {
  const { ask, dispatcher } = await serve(echo)
  const body = '[{"__proto__":{"admin":true},"constructor":{"prototype":{"x":1}}}]'
  const answer = await ask(path, { method: 'POST', body })
  expect(answer.text).toBe(body)
  const [value] = dispatcher.requests[0]!.args as [Record<string, unknown>]
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  expect(value.admin).toBeUndefined()
  expect(({} as Record<string, unknown>).admin).toBeUndefined()
})

test('codec bytes that are none, or no array, are refused', async () => {
  const { ask } = await serve(echo)
  const headers = { 'content-type': 'application/x-msgpack' }
  for (const body of [new Uint8Array([0xc1]), new Uint8Array([0x91]), encode({ a: 1 }, 'x')]) {
    expect(await ask(path, { method: 'POST', headers, body: body as Uint8Array<ArrayBuffer> })).toMatchObject(malformed)
  }
})

test.each([
  '', '.', '..', '%2e%2e', 'a%2Fb', 'a%5Cb', 'a%23b', 'a%3Fb', 'a%00b', 'a%0Ab', 'a%7Fb', 'x'.repeat(1025), encodeURIComponent('😀'.repeat(257)),
])('the id %j is illegal', async id => {
  const { port, dispatcher } = await serve(echo)
  // Not fetch: it would resolve dots itself.
  const answer = await raw(port, `POST /v1.0/actors/Account/${id}/method/echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
  expect(answer).toMatchObject(badRequest)
  expect(answer.body.message).toMatch(/^invalid request: invalid actorId: /)
  expect((await raw(port, `GET /v1.0/actors/${id}/a/method/echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)).body.message)
    .toMatch(/^invalid request: invalid actorType: /)
  expect(dispatcher.requests).toEqual([])
})

test('names that are no percent-encoded UTF-8 are refused, bare UTF-8 too, never taken for another name', async () => {
  const { port, dispatcher } = await serve(echo)
  const call = (id: string) => raw(port, `POST /v1.0/actors/Account/${id}/method/echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
  for (const id of ['%ff', '%', '%zz', '%c3', '\u00ff', Buffer.from('é').toString('latin1')]) expect(await call(id)).toMatchObject(badRequest)
  expect(dispatcher.requests).toEqual([])
})

test('a bare # in a path is part of the name, and refused there', async () => {
  const { port } = await serve(echo)
  for (const target of ['/v1.0/actors/Account/a#b/method/echo', '/v1.0/actors/Account/a/method/echo#b']) {
    const answer = await raw(port, `POST ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
    expect(answer.status).toBe(400)
  }
})

test.each(['m%23', 'm%3F', 'm%00', 'm%1f', '..', '.', '', 'a%2F..'])('the method %j is illegal', async method => {
  const { port, dispatcher } = await serve()
  expect(await raw(port, `POST /v1.0/actors/Account/a/method/${method} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)).toMatchObject(badRequest)
  expect(dispatcher.requests).toEqual([])
})

test.each(['x', '-1', '0', '1.5.1s', '1e999', '99999999999', 'PT1S', '2 s'])('the timeout %j is refused', async timeout => {
  const { ask, dispatcher } = await serve(echo)
  expect(await ask(path, { headers: { 'troupe-timeout': timeout } })).toMatchObject(badRequest)
  expect(dispatcher.requests).toEqual([])
})

test('unknown routes are 404, other verbs 405 with what is allowed', async () => {
  const { ask } = await serve(echo)
  for (const unknown of ['/', '/v1.0/actors/Account/a', '/V1.0/actors/Account/a/method/echo', `${path}/more`, '/v1.0/actors/Account/a/stat', '/favicon.ico']) {
    expect(await ask(unknown)).toMatchObject({ status: 404, body: { code: 'NOT_FOUND', executed: 'no' } })
  }
  const patch = await ask(path, { method: 'PATCH' })
  expect(patch).toMatchObject({ status: 405, body: { code: 'METHOD_NOT_ALLOWED' } })
  expect(patch.headers.get('allow')).toBe('GET, POST, PUT, DELETE')
  expect((await ask('/v1.0/metadata', { method: 'POST' })).headers.get('allow')).toBe('GET')
  expect(await ask(path, { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: '5' })).toMatchObject(badRequest)
})

test('a body over the limit is 413 although the client is still sending, whether its length was announced or not', async () => {
  const { url, port, dispatcher } = await serve(echo, { maxBodyBytes: 1000 })
  for (const announced of [true, false]) {
    const outgoing = request(url + path, { method: 'POST', ...(announced ? { headers: { 'content-length': 50_000_000 } } : {}) })
    outgoing.on('error', () => undefined)
    const answered = once(outgoing, 'response', { signal: AbortSignal.timeout(5000) })
    outgoing.write('[')
    for (let i = 0; i < 20; i++) outgoing.write('1,'.repeat(50_000))
    const [response] = await answered
    expect(response.statusCode).toBe(413)
    expect(response.headers.connection).toBe('close')
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    expect(JSON.parse(Buffer.concat(chunks).toString())).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', executed: 'no' })
    outgoing.destroy()
  }
  const exact = `"${'x'.repeat(998)}"`
  expect((await raw(port, `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n${exact}`)).status).toBe(200)
  expect(dispatcher.requests.length).toBe(1)
})

test('a client that sends a refused body without end is cut off', async () => {
  const { port } = await serve(echo, { maxBodyBytes: 10 })
  const socket = await RawSocket.open(port)
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n`)
  await socket.until(/PAYLOAD_TOO_LARGE/)
  await socket.untilClosed()
})

test('Expect: 100-continue gets the go-ahead, or 413 before a byte of the body is sent', async () => {
  const { port } = await serve(echo, { maxBodyBytes: 10 })
  const fits = await RawSocket.open(port)
  fits.write(`POST ${path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\nconnection: close\r\n\r\n`)
  await fits.until(/100 Continue\r\n\r\n$/)
  expect(await fits.write('[1]').untilClosed()).toMatch(/200 OK[^]*\[1\]$/)
  const large = await RawSocket.open(port)
  large.write(`POST ${path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 300\r\n\r\n`)
  expect(await large.until(/PAYLOAD_TOO_LARGE/)).toMatch(/^HTTP\/1\.1 413/)
})

test.each([
  ['garbage', 'hello\r\n\r\n', 400],
  ['a binary', '\u0016\u0003\u0001\u0000\u0000', 400],
  ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['two lengths', `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n1`, 400],
  ['a length and chunks', `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1`, 400],
  ['a length that is no number', `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n`, 400],
  ['a bad chunk', `POST ${path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`, 400],
  ['a header of 40 KiB', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`, 431],
])('%s is answered and the connection closed', async (_what, text, status) => {
  const { port, ask, dispatcher } = await serve(echo)
  const socket = await RawSocket.open(port)
  expect(await socket.write(text).untilClosed()).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(dispatcher.requests).toEqual([])
  expect((await ask(path)).status).toBe(200)
})

test('garbage behind a request that is still running does not become its answer', async () => {
  const entered = pending(), { port } = await serve({ echo: r => { entered.resolve(); return aborted(r.signal!) } })
  const socket = await RawSocket.open(port)
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
  await within(entered.promise, 'the call')
  expect(await socket.write('garbage\r\n\r\n').untilClosed()).toBe('')
})

test('a body that never comes is 408', async () => {
  const { port, dispatcher } = await serve(echo, { requestTimeout: 200 })
  const socket = await RawSocket.open(port)
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n[1`)
  expect(await socket.untilClosed()).toMatch(/^HTTP\/1.1 408 [^]*took too long/)
  expect(dispatcher.requests).toEqual([])
})

test('a body in many small pieces is put together', async () => {
  const { port } = await serve(echo)
  const socket = await RawSocket.open(port)
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n`)
  for (const piece of ['[', '"a', 'b"', ']']) socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`)
  expect(await socket.write('0\r\n\r\n').untilClosed()).toMatch(/\["ab"\]$/)
})

test('a client that goes away cancels its call, and one that half-closes is such a client', async () => {
  for (const leave of ['destroy', 'end'] as const) {
    const entered = pending(), left = pending()
    const { port } = await serve({ echo: async r => { entered.resolve(); await aborted(r.signal!); left.resolve() } })
    const socket = await RawSocket.open(port)
    socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
    await within(entered.promise, 'the call')
    socket.socket[leave]()
    await within(left.promise, `the abort after ${leave}`)
  }
})

test('a client that goes away in the middle of its body leaves nothing', async () => {
  const { port, dispatcher, gateway } = await serve(echo)
  const socket = await RawSocket.open(port)
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n[1`)
  socket.socket.end()
  await socket.untilClosed()
  await within(gateway.stop(60_000), 'stop without anything in flight')
  expect(dispatcher.requests).toEqual([])
})

test('more requests than allowed are told to come back', async () => {
  const gate = pending(), entered = pending()
  const { ask } = await serve({ wait: () => { entered.resolve(); return gate.promise } }, { maxInFlight: 1 })
  const first = ask('/v1.0/actors/Account/a/method/wait')
  await within(entered.promise, 'the first call')
  const second = await ask('/v1.0/actors/Account/a/method/wait')
  expect(second).toMatchObject({ status: 503, body: { code: 'OVERLOADED', executed: 'no', retryable: true, retryAfterMs: 500 } })
  expect(second.headers.get('retry-after')).toBe('1')
  gate.resolve()
  expect((await first).status).toBe(204)
})

test('bodies in reading are bounded together, and given back when read, refused or broken off', async () => {
  const { port, ask } = await serve({ echo: r => String(r.args[0]).length }, { maxBodyBytes: 100_000, maxBodyBytesInFlight: 100_000 })
  const body = `"${'x'.repeat(99_998)}"`
  const slow = await RawSocket.open(port)
  const piece = `${(30_000).toString(16)}\r\n${'x'.repeat(30_000)}\r\n`
  slow.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${piece}${piece}`)
  const askUntil = async (status: number) => {
    for (let tries = 0; tries < 200; tries++) {
      const answer = await ask(path, { method: 'POST', body })
      if (answer.status === status) return answer
    }
    throw new Error(`no answer with status ${status}`)
  }
  expect((await askUntil(503)).body).toMatchObject({ code: 'OVERLOADED', executed: 'no' })
  slow.socket.destroy()
  expect((await askUntil(200)).body).toBe(99_998)
})

test('a port that is taken, or none, is told with the remedy', async () => {
  const { port } = await serve()
  const start = (options: { port: number; host?: string }) => httpGateway(options).start(new TableDispatcher({}), silentLogger)
  await expect(start({ port })).rejects.toMatchObject({ code: 'PORT_TAKEN', message: expect.stringMatching(new RegExp(`${port}.*--http-port`)) as string })
  await expect(start({ port: 0, host: '203.0.113.1' })).rejects.toMatchObject({ code: 'BAD_OPTION' })
  for (const bad of [-1, 65_536, 1.5, NaN]) expect(() => httpGateway({ port: bad })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
})

/** One raw request on its own connection; the body of the answer parsed. */
async function raw(port: number, text: string): Promise<{ status: number; body: any }> {
  const socket = await RawSocket.open(port)
  const answer = await socket.write(text).untilClosed()
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4)
  return { status: Number(answer.slice(9, 12)), body: body === '' ? undefined : JSON.parse(Buffer.from(body, 'latin1').toString()) }
}
