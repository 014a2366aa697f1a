// Calls of types that are no classes: the body, query and headers go on as they came, the answer comes back as it is.
import { expect, test } from 'vitest'
import { hostFacts } from '../../../gateway/dapr/door-facts.ts'
import type { DoorBody } from '../../../runtime/dispatch/dispatcher.ts'
import { RawSocket, serve, type Serving } from './serving.ts'
import { Answered, type Method } from './table-dispatcher.ts'

const at = (method: string): string => `/v1.0/actors/App/a/method/${method}`

async function serving(methods: Record<string, Method> = {}, strict = false): Promise<Serving> {
  const served = await serve(methods, { facts: { ...hostFacts(), strict } })
  served.dispatcher.apps.add('App')
  return served
}
const bodyOf = ({ dispatcher }: Serving): DoorBody => dispatcher.requests[0]!.body!
const headersOf = ({ headers }: DoorBody): [string, string][] => headers.flatMap((name, i) => i % 2 === 0 ? [[name, headers[i + 1]!] as [string, string]] : [])

/** One raw request, with the head of its answer and its body. */
async function raw(served: Serving, head: string, body = ''): Promise<{ head: string; body: string }> {
  const socket = await RawSocket.open(served.port)
  const answer = await socket.write(`${head}\r\nhost: x\r\ncontent-length: ${body.length}\r\nConnection: close\r\n\r\n${body}`).untilClosed()
  const end = answer.indexOf('\r\n\r\n')
  return { head: answer.slice(0, end), body: answer.slice(end + 4) }
}

test.each(['{  "a": [ 1.0 ] }', '', 'no JSON', '\u0000\u00ff\u0080', 'null', '[1,2]'])('the body %j arrives byte for byte', async body => {
  const served = await serving({ m: () => new Answered('ok') })
  expect((await raw(served, `POST ${at('m')} HTTP/1.1`, body)).body).toBe('ok')
  expect(Buffer.from(bodyOf(served).bytes).toString('latin1')).toBe(body)
  expect(served.dispatcher.requests[0]).toMatchObject({ type: 'App', id: 'a', method: 'm', args: [], bytes: body.length })
})

test('a class gets its arguments and no body', async () => {
  const { ask, dispatcher } = await serving({ m: () => 1 })
  await ask('/v1.0/actors/Account/a/method/m', { method: 'POST', body: '[1,2]', headers: { 'Dapr-Reentrancy-Id': 'chain-1' } })
  expect(dispatcher.requests[0]).toMatchObject({ args: [1, 2], body: undefined, reentrancyId: 'chain-1' })
})

test('headers go on in their order, in lower case, without those of the connection and the token', async () => {
  const served = await serving({ m: () => new Answered('') })
  await raw(served, [
    `PUT ${at('m')}?x=1+2&y=%2F&x HTTP/1.1`, 'X-Custom: One', 'x-custom: two', 'Content-Type: text/Plain', 'TraceParent: 00-ab-cd-01', 'Dapr-Reentrancy-Id: Chain-1',
    'Keep-Alive: timeout=5', 'Proxy-Authorization: x', 'Proxy-Connection: x', 'TE: trailers', 'Trailer: x', 'Upgrade: x', 'HTTP2-Settings: AA', 'dapr-api-token: secret',
    'Troupe-Timeout: 5s', 'Content-Encoding: gzip', 'Accept: */*',
  ].join('\r\n'), 'body')
  expect(headersOf(bodyOf(served))).toEqual([
    ['x-custom', 'One'], ['x-custom', 'two'], ['content-type', 'text/Plain'], ['traceparent', '00-ab-cd-01'], ['dapr-reentrancy-id', 'Chain-1'],
    ['troupe-timeout', '5s'], ['content-encoding', 'gzip'], ['accept', '*/*'],
  ])
  expect(bodyOf(served)).toMatchObject({ query: 'x=1+2&y=%2F&x', codec: false })
  expect(served.dispatcher.requests[0]).toMatchObject({ reentrancyId: 'Chain-1', timeoutMs: 5000 })
})

test('a header that the sender calls one of the connection stays here', async () => {
  const served = await serving({ m: () => new Answered('') })
  const socket = await RawSocket.open(served.port)
  await socket.write(`POST ${at('m')} HTTP/1.1\r\nhost: x\r\nX-Hop: 1\r\nx-kept: 2\r\nConnection: close, X-Hop\r\ncontent-length: 0\r\n\r\n`).untilClosed()
  expect(headersOf(bodyOf(served))).toEqual([['x-kept', '2']])
})

test('codec bytes are told to be such; an idempotency key is the call\'s', async () => {
  const served = await serving({ m: () => new Answered('') })
  await served.ask(at('m'), { method: 'POST', body: 'x', headers: { 'content-type': 'application/x-msgpack', 'idempotency-key': 'k1' } })
  expect(bodyOf(served)).toMatchObject({ codec: true, query: '' })
  expect(served.dispatcher.requests[0]!.idempotencyKey).toBe('k1')
})

test("a call of Troupe's own client is one without arguments too", async () => {
  const served = await serving({ m: () => new Answered('') })
  await served.ask(at('m'), { method: 'POST', headers: { accept: 'application/x-msgpack' } })
  expect(bodyOf(served)).toMatchObject({ codec: true })
})

test.each(['null', 'false', '0', '""', '', '{ "a" : 1.0 }', 'undefined'])('the answer %j comes back byte for byte', async text => {
  const served = await serving({ m: () => new Answered(text, 'content-type', 'application/json') })
  const { head, body } = await raw(served, `POST ${at('m')} HTTP/1.1`)
  expect(body).toBe(text)
  expect(head).toMatch(/^HTTP\/1.1 200 OK\r\n/)
  expect(head).toContain(`content-length: ${text.length}`)
  expect(head).toContain('content-type: application/json')
  expect(head).toContain('troupe-host: h1\r\ntroupe-epoch: 7')
})

test('its headers come back, but for those of its connection and bytes of gRPC', async () => {
  const served = await serving({
    m: () => new Answered('five', 'Content-Type', 'text/plain', 'x-daprerrorresponseheader', 'true', 'set-cookie', 'a=1', 'set-cookie', 'b=2', 'content-length', '99',
      'transfer-encoding', 'chunked', 'connection', 'close', 'keep-alive', 'timeout=1', 'trace-bin', 'AAE=', 'proxy-authenticate', 'x', 'date', 'Thu, 01 Jan 1970 00:00:00 GMT'),
  })
  const response = await fetch(served.url + at('m'))
  expect([response.status, await response.text()]).toEqual([200, 'five'])
  const { headers } = response
  expect(headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  expect(Object.fromEntries(headers)).toMatchObject({ 'content-type': 'text/plain', 'x-daprerrorresponseheader': 'true', 'content-length': '4', date: 'Thu, 01 Jan 1970 00:00:00 GMT', connection: 'keep-alive' })
  for (const name of ['transfer-encoding', 'trace-bin', 'proxy-authenticate']) expect(headers.has(name), name).toBe(false)
})

test('an answer without a content type gets none', async () => {
  const served = await serving({ m: () => new Answered('x') })
  const response = await fetch(served.url + at('m'))
  expect(response.headers.get('content-type')).toBeNull()
})

test('a header that HTTP cannot carry is left out, the answer is not', async () => {
  const served = await serving({ m: () => new Answered('x', 'bad name', '1', 'x-line', 'a\r\nb', 'x-emoji', '😀', 'x-good', '1') })
  const response = await fetch(served.url + at('m'))
  expect([response.status, await response.text(), response.headers.get('x-good')]).toEqual([200, 'x', '1'])
  expect([...response.headers.keys()].filter(name => name.startsWith('x-'))).toEqual(['x-good'])
})

test('strictly, nothing of Troupe stands beside, and a class without a result is an empty 200', async () => {
  const served = await serving({ m: () => new Answered('x'), none: () => undefined, one: () => 1 }, true)
  for (const path of [at('m'), '/v1.0/actors/Account/a/method/one']) {
    const { headers } = await served.ask(path)
    expect([...headers.keys()].filter(name => name.startsWith('troupe'))).toEqual([])
  }
  const none = await served.ask('/v1.0/actors/Account/a/method/none')
  expect([none.status, none.text, none.headers.get('content-length')]).toEqual([200, '', '0'])
})
