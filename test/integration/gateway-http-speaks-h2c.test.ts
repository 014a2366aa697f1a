// HTTP/2 with prior knowledge beside HTTP/1.1 on one port: the same answers, limits, streams and end.
import { once } from 'node:events'
import { request as http1Request } from 'node:http'
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../../core/clock.ts'
import { aborted, pending, RawSocket, serve, within } from '../unit/gateway/serving.ts'
import { Answered } from '../unit/gateway/table-dispatcher.ts'

const path = '/v1.0/actors/Account/a/method/echo'
const echo = { echo: (r: { args: readonly unknown[] }) => r.args }

function session(url: string): ClientHttp2Session {
  const client = connect(url)
  client.on('error', () => undefined)
  onTestFinished(() => client.destroy())
  return client
}

interface Answer { readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string; readonly reset: number }

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let headers: IncomingHttpHeaders = {}
  let text = ''
  stream.setEncoding('utf8').on('response', given => { headers = given }).on('data', (part: string) => { text += part }).on('error', () => undefined)
  await within(new Promise<void>(resolve => stream.once('close', () => resolve())), 'the end of the stream')
  return { status: Number(headers[':status']), headers, text, reset: stream.rstCode ?? 0 }
}

function ask(client: ClientHttp2Session, at: string, method = 'GET', body?: string | Uint8Array, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  const stream = client.request({ ':path': at, ':method': method, ...headers }, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return answerOf(stream)
}

test('calls, their bodies, errors and headers are those of HTTP/1.1', async () => {
  const { url, dispatcher } = await serve(echo)
  const client = session(url)
  const answer = await ask(client, path, 'POST', '[1,"a"]', { 'troupe-timeout': '700' })
  expect(answer).toMatchObject({ status: 200, text: '[1,"a"]', headers: { 'content-type': 'application/json', 'troupe-host': 'h1', 'content-length': '7' } })
  expect(dispatcher.requests[0]).toMatchObject({ type: 'Account', id: 'a', method: 'echo', args: [1, 'a'], timeoutMs: 700 })
  expect(await ask(client, '/v1.0/healthz')).toMatchObject({ status: 204, text: '' })
  expect(await ask(client, path, 'GET')).toMatchObject({ status: 200, text: '[]' })
  expect(JSON.parse((await ask(client, path, 'POST', '{')).text)).toMatchObject({ code: 'MALFORMED_BODY' })
  expect(await ask(client, '/nowhere')).toMatchObject({ status: 404 })
  expect(await ask(client, path, 'PATCH')).toMatchObject({ status: 405, headers: { allow: 'GET, POST, PUT, DELETE' } })
  expect(await ask(client, '/v1.0/actors/Account/..%2Fb/method/echo', 'POST')).toMatchObject({ status: 400 })
  expect(client.destroyed).toBe(false)
})

test("an application's call goes through with its headers, query and bytes, and its answer comes back with its own", async () => {
  const { url, dispatcher } = await serve({ echo: () => new Answered('{ "a": 1.0 }', 'content-type', 'application/json', 'set-cookie', 'a=1', 'set-cookie', 'b=2', 'connection', 'close', 'x-line', 'a\nb', 'x-bin', 'AA') })
  dispatcher.apps.add('Account')
  const answer = await ask(session(url), `${path}?x=1+2`, 'POST', 'no JSON', { 'x-custom': 'One', te: 'trailers', 'dapr-api-token': 'secret', 'dapr-reentrancy-id': 'c1' })
  expect(answer).toMatchObject({ status: 200, text: '{ "a": 1.0 }', headers: { 'content-type': 'application/json', 'content-length': '12', 'set-cookie': ['a=1', 'b=2'], 'troupe-epoch': '7' } })
  expect(Object.keys(answer.headers).filter(name => name.startsWith('x-'))).toEqual([])
  const { body, reentrancyId } = dispatcher.requests[0]!
  expect([body!.query, Buffer.from(body!.bytes).toString(), body!.headers, reentrancyId]).toEqual(['x=1+2', 'no JSON', ['x-custom', 'One', 'dapr-reentrancy-id', 'c1'], 'c1'])
  dispatcher.apps.clear()
  expect((await ask(session(url), path, 'POST', '', {})).status).toBe(200)
})

test('a thousand calls at once go over one connection', async () => {
  const { url } = await serve({ echo: async r => { await new Promise(resolve => setImmediate(resolve)); return r.args[0] } })
  const client = session(url)
  const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => ask(client, path, 'POST', String(i))))
  expect(answers.map(answer => answer.text)).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)))
})

test('large bodies arrive whole, both ways', async () => {
  const { url } = await serve({ echo: r => r.args[0] })
  const body = JSON.stringify('x'.repeat(3_900_000))
  expect((await ask(session(url), path, 'POST', body)).text.length).toBe(body.length)
})

test('a body over the limit is 413, announced or not, and the connection goes on', async () => {
  const { url, dispatcher } = await serve(echo, { maxBodyBytes: 1000 })
  const client = session(url)
  for (const headers of [{ 'content-length': '200000' }, {}]) {
    const answer = await ask(client, path, 'POST', `"${'x'.repeat(199_998)}"`, headers)
    expect(answer).toMatchObject({ status: 413, reset: constants.NGHTTP2_NO_ERROR })
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
  }
  expect((await ask(client, path, 'POST', '[1]')).text).toBe('[1]')
  expect(dispatcher.requests.length).toBe(1)
})

test('a body that never comes is 408', async () => {
  const { url, dispatcher } = await serve(echo, { requestTimeout: 200 })
  const stream = session(url).request({ ':path': path, ':method': 'POST' })
  stream.write('[1')
  expect(await answerOf(stream)).toMatchObject({ status: 408 })
  expect(dispatcher.requests).toEqual([])
})

test('headers beyond the limit end their stream and no other', async () => {
  const { url, dispatcher } = await serve(echo)
  const client = session(url)
  const answer = await ask(client, path, 'POST', '[1]', { x: 'y'.repeat(40_000) })
  expect([answer.status === 431 || answer.reset !== 0, dispatcher.requests]).toEqual([true, []])
  expect((await ask(session(url), path, 'POST', '[1]')).status).toBe(200)
})

test('a client that resets its stream cancels the call', async () => {
  const entered = pending(), left = pending()
  const { url } = await serve({ echo: async r => { entered.resolve(); await aborted(r.signal!); left.resolve() } })
  const stream = session(url).request({ ':path': path, ':method': 'GET' })
  stream.on('error', () => undefined)
  await within(entered.promise, 'the call')
  stream.close(constants.NGHTTP2_CANCEL)
  await within(left.promise, 'the abort')
})

test('so does one whose connection breaks', async () => {
  const entered = pending(), left = pending()
  const { url } = await serve({ echo: async r => { entered.resolve(); await aborted(r.signal!); left.resolve() } })
  const client = session(url)
  client.request({ ':path': path, ':method': 'GET' }).on('error', () => undefined)
  await within(entered.promise, 'the call')
  client.destroy()
  await within(left.promise, 'the abort')
})

test('a call that was answered is not cancelled', async () => {
  let signal: AbortSignal | undefined
  const { url } = await serve({ echo: r => { signal = r.signal; return 1 } })
  await ask(session(url), path)
  await new Promise(resolve => setImmediate(resolve))
  expect(signal!.aborted).toBe(false)
})

test('items of a stream come as they are made, and leaving ends it at its actor', async () => {
  const gate = pending(), ended = pending()
  async function* items() {
    try {
      yield 1
      await gate.promise
      for (let i = 2; ; i++) yield i
    } finally {
      ended.resolve()
    }
  }
  const { url } = await serve({ echo: () => items() })
  const stream = session(url).request({ ':path': path, ':method': 'GET' })
  stream.setEncoding('utf8').on('error', () => undefined)
  const [headers] = await once(stream, 'response', { signal: AbortSignal.timeout(5000) }) as [IncomingHttpHeaders]
  expect(headers['content-type']).toBe('application/x-ndjson')
  expect((await once(stream, 'data', { signal: AbortSignal.timeout(5000) }))[0]).toContain('1')
  gate.resolve()
  stream.close(constants.NGHTTP2_CANCEL)
  await within(ended.promise, 'the return')
})

test('a client that does not read ends its stream alone', async () => {
  const ended = pending()
  async function* items() {
    try {
      for (;;) yield 'x'.repeat(60_000)
    } finally {
      ended.resolve()
    }
  }
  const { url } = await serve({ echo: () => items(), one: () => 1 }, { stallTimeout: 200 })
  const client = session(url)
  const stream = client.request({ ':path': path, ':method': 'GET' })
  stream.on('error', () => undefined).pause()
  await within(ended.promise, 'the return')
  expect((await ask(client, '/v1.0/actors/Account/a/method/one')).text).toBe('1')
})

test('more requests than allowed are told to come back, those of both kinds counted together', async () => {
  const gate = pending(), entered = pending()
  const { url, ask: ask1 } = await serve({ echo: () => { entered.resolve(); return gate.promise } }, { maxInFlight: 1 })
  const first = ask1(path)
  await within(entered.promise, 'the first call')
  expect(await ask(session(url), path)).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
  gate.resolve()
  expect((await first).status).toBe(204)
})

test('expect: 100-continue gets the go-ahead', async () => {
  const { url } = await serve(echo)
  const stream = session(url).request({ ':path': path, ':method': 'POST', expect: '100-continue' })
  await once(stream, 'continue', { signal: AbortSignal.timeout(5000) })
  stream.end('[1]')
  expect(await answerOf(stream)).toMatchObject({ status: 200, text: '[1]' })
})

test('drain says GOAWAY, what is in flight is answered, who comes then is answered and told as well; stop ends what is idle', async () => {
  const gate = pending(), entered = pending()
  const { url, gateway } = await serve({ echo: async () => { entered.resolve(); await gate.promise; return 'done' }, one: () => 1 })
  const client = session(url), idle = session(url)
  await once(idle, 'remoteSettings', { signal: AbortSignal.timeout(5000) })
  const call = ask(client, path)
  await within(entered.promise, 'the call')
  const away = [client, idle].map(each => once(each, 'goaway', { signal: AbortSignal.timeout(5000) }))
  gateway.drain()
  for (const [code, last] of await Promise.all(away)) expect([code, last]).toEqual([constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1])
  const late = session(url)
  const told = once(late, 'goaway', { signal: AbortSignal.timeout(5000) })
  expect((await ask(late, '/v1.0/actors/Account/a/method/one')).text).toBe('1')
  await told
  const stopped = gateway.stop(5000)
  gate.resolve()
  expect(await call).toMatchObject({ status: 200, text: '"done"' })
  await within(stopped, 'stop')
})

test('stop cuts off what does not end within its time, and connections that said nothing', async () => {
  const cancelled = pending(), entered = pending()
  const { url, port, gateway } = await serve({ echo: async r => { entered.resolve(); await aborted(r.signal!); cancelled.resolve() } })
  const silent = await RawSocket.open(port)
  const call = ask(session(url), path)
  await within(entered.promise, 'the call')
  await within(gateway.stop(50), 'stop')
  await within(cancelled.promise, 'the abort')
  await silent.untilClosed()
  expect((await call).status).not.toBe(200)
})

test('the preface may come in pieces, and what only begins like it is HTTP/1.1', async () => {
  const { port } = await serve(echo)
  const pieces = await RawSocket.open(port)
  pieces.socket.setNoDelay(true)
  for (const piece of ['P', 'RI', ' * HTTP/2.0\r\n\r\nSM', '\r\n\r\n', '\0\0\0\x04\0\0\0\0\0']) {
    pieces.write(piece)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  // The server's settings.
  await pieces.until(/^\0\0[^]\x04/)
  for (const method of ['PUT', 'POST']) {
    const plain = await RawSocket.open(port)
    plain.write(method.slice(0, 1))
    await new Promise(resolve => setTimeout(resolve, 5))
    plain.write(`${method.slice(1)} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\n[5]`)
    expect(await plain.untilClosed()).toMatch(/200 OK[^]*\[5\]$/)
  }
  const other = await RawSocket.open(port)
  expect(await other.write('PRIX / HTTP/1.1\r\nhost: x\r\n\r\n').untilClosed()).toMatch(/^HTTP\/1.1 400 /)
})

test('who says nothing is let go', async () => {
  const { port } = await serve(echo, { requestTimeout: 150 })
  const silent = await RawSocket.open(port)
  expect(await silent.untilClosed()).toBe('')
})

test('Upgrade: h2c is answered over HTTP/1.1, with the body', async () => {
  const { url } = await serve(echo)
  const outgoing = http1Request(url + path, { method: 'POST', headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' } })
  outgoing.end('[7]')
  const [response] = await once(outgoing, 'response', { signal: AbortSignal.timeout(5000) })
  let text = ''
  for await (const part of response) text += String(part)
  expect([response.statusCode, text]).toEqual([200, '[7]'])
})

test('a connection without a call is closed after a while, one with a call is not', async () => {
  const clock = new ManualClock()
  const gate = pending(), entered = pending()
  const { url, gateway } = await serve({ echo: async () => { entered.resolve(); await gate.promise; return 1 } }, { clock })
  const idle = session(url), busy = session(url)
  const closed = once(idle, 'close', { signal: AbortSignal.timeout(5000) })
  await ask(idle, '/v1.0/healthz')
  const call = ask(busy, path)
  await within(entered.promise, 'the call')
  await clock.advance(150_000)
  await within(closed, 'the end')
  gate.resolve()
  expect((await call).text).toBe('1')
  const stopped = gateway.stop(0)
  await clock.advance(1000)
  await stopped
})

test('nonsense behind the preface ends the connection and nothing else', async () => {
  const { port, ask: ask1 } = await serve(echo)
  const socket = await RawSocket.open(port)
  socket.write(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\xff'.repeat(200)}`)
  await socket.untilClosed()
  expect((await ask1(path)).status).toBe(200)
})
