import { expect, test } from 'vitest'
import { ActorError } from '../../actors/errors.ts'
import { decode, encode } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'
import { serve } from '../unit/gateway/serving.ts'

const echo = { echo: (r: { args: readonly unknown[] }) => r.args, first: (r: { args: readonly unknown[] }) => r.args[0] }
const at = (id: string, method: string): string => `/v1.0/actors/Account/${id}/method/${method}`

test.each([
  ['[1,"a",null]', [1, 'a', null]],
  ['5', [5]],
  ['{"a":[1]}', [{ a: [1] }]],
  ['"x"', ['x']],
  ['null', [null]],
  ['[]', []],
  ['[[1,2]]', [[1, 2]]],
  [' \n[1] ', [1]],
  ['', []],
])('the body %j gives the arguments %j', async (body, args) => {
  const { ask, dispatcher } = await serve(echo)
  const answer = await ask(at('alice', 'echo'), { method: 'POST', body })
  expect(answer.status).toBe(200)
  expect(dispatcher.requests[0]).toMatchObject({ type: 'Account', id: 'alice', method: 'echo', args })
  expect(answer.body).toEqual(args)
  expect(answer.headers.get('content-type')).toBe('application/json')
  expect(answer.headers.get('troupe-host')).toBe('h1')
  expect(answer.headers.get('troupe-epoch')).toBe('7')
})

test.each(['POST', 'PUT', 'DELETE', 'GET'])('%s invokes', async method => {
  const { ask } = await serve({ total: () => 42 })
  expect(await ask(at('a', 'total'), { method })).toMatchObject({ status: 200, body: 42 })
})

test('what curl -d sends is JSON whatever its content type says', async () => {
  const { ask } = await serve(echo)
  for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'application/octet-stream', 'application/json; charset=utf-8']) {
    expect(await ask(at('a', 'echo'), { method: 'POST', body: '5', headers: { 'content-type': type } })).toMatchObject({ status: 200, body: [5] })
  }
})

test('undefined is 204 without a body; null, false, 0 and "" are results', async () => {
  const { ask } = await serve({ nothing: () => undefined, first: echo.first })
  const nothing = await ask(at('a', 'nothing'))
  expect(nothing).toMatchObject({ status: 204, text: '' })
  expect(nothing.headers.get('troupe-host')).toBe('h1')
  for (const text of ['null', 'false', '0', '""']) {
    expect(await ask(at('a', 'first'), { method: 'POST', body: text })).toMatchObject({ status: 200, text })
  }
})

test('codec bodies and answers keep what JSON loses', async () => {
  const { url } = await serve(echo)
  const args = [new Map([[1, new Set(['x'])]]), 10n ** 30n, new Date(5), new Uint8Array([1, 2]), undefined, NaN]
  const response = await fetch(url + at('a', 'echo'), {
    method: 'POST', body: encode(args, 'args') as Uint8Array<ArrayBuffer>,
    headers: { 'content-type': 'application/x-msgpack', accept: 'application/x-msgpack' },
  })
  expect(response.headers.get('content-type')).toBe('application/x-msgpack')
  expect(decode(new Uint8Array(await response.arrayBuffer()), 'reply')).toEqual(args)
})

test('results that JSON cannot say have their documented form', async () => {
  const { ask } = await serve({
    values: () => ({ map: new Map([['a', 1n]]), set: new Set([1]), date: new Date(0), bytes: new Uint8Array([1, 2, 3]), big: 2n ** 80n, nan: NaN }),
  })
  expect((await ask(at('a', 'values'))).body)
    .toEqual({ map: { a: 1 }, set: [1], date: '1970-01-01T00:00:00.000Z', bytes: 'AQID', big: '1208925819614629174706176', nan: null })
})

const oddNames = ['constructor', 'then', 'toString', '__proto__', '_hidden', 'onActivate', 'hasOwnProperty']
test.each(oddNames)('the method name %s reaches the dispatcher as it is', async method => {
  const { ask, dispatcher } = await serve()
  const answer = await ask(at('a', method), { method: 'POST' })
  expect(answer).toMatchObject({ status: 404, body: { code: 'UNKNOWN_METHOD', errorCode: 'ERR_ACTOR_INVOKE_METHOD', executed: 'no', retryable: false } })
  expect(dispatcher.requests[0]!.method).toBe(method)
})

const ids = [
  '__proto__', 'A||B', '{x}', '😀', 'e\u0301', '\u00e9', 'constructor', 'a b', 'a+b', 'a%b', 'a%2Fb', 'a@b:c;d=e,f&g$h',
  'x'.repeat(1024), '😀'.repeat(256), ':id', '*', 'a.b', '...',
]
test('ids that look alike or look like syntax stay what they are, and apart', async () => {
  const { ask, dispatcher } = await serve({ m: () => null })
  for (const id of ids) expect((await ask(at(encodeURIComponent(id), 'm'))).status, id).toBe(200)
  expect(dispatcher.requests.map(r => r.id)).toEqual(ids)
})

test('a plus sign in a path is a space, %2B a plus sign; in the query it means nothing', async () => {
  const { ask, dispatcher } = await serve({ m: () => null })
  await ask(at('a+b%2Bc', 'm') + '?x=1+2#f')
  expect(dispatcher.requests[0]!.id).toBe('a b+c')
})

test('%2F in a method is a slash, then the path is cleaned', async () => {
  const { ask, dispatcher } = await serve({ m: () => null })
  for (const method of ['admin%2F..%2Fm', '..%2F..%2Fm', 'a%2Fb', 'a%2F', '.%2Fm']) await ask(at('a', method))
  expect(dispatcher.requests.map(r => r.method)).toEqual(['m', 'm', 'a/b', 'a', 'm'])
})

test('troupe-timeout bounds the call', async () => {
  const { ask, dispatcher } = await serve({ m: () => null })
  for (const timeout of ['250', '500ms', '2s', '1m30s']) await ask(at('a', 'm'), { headers: { 'troupe-timeout': timeout } })
  await ask(at('a', 'm'))
  expect(dispatcher.requests.map(r => r.timeoutMs)).toEqual([250, 500, 2000, 90_000, undefined])
})

test("Troupe's errors carry code, proof and when to come back", async () => {
  const { ask } = await serve({
    full: () => { throw new TroupeError('MAILBOX_FULL', 'Account/a: 1000 calls wait', { retryAfterMs: 1200, data: { queued: 1000 } }) },
    odd: () => { throw new Error('secret detail') },
    cycle: () => { throw new TroupeError('CALL_CYCLE', 'A/1 → B/1 → A/1', { data: { chain: ['A/1', 'B/1', 'A/1'] } }) },
  })
  const full = await ask(at('a', 'full'))
  expect(full.status).toBe(429)
  expect(full.headers.get('retry-after')).toBe('2')
  expect(full.body).toEqual({
    errorCode: 'ERR_ACTOR_INVOKE_METHOD', message: 'Account/a: 1000 calls wait', code: 'MAILBOX_FULL',
    executed: 'no', retryable: true, retryAfterMs: 1200, data: { queued: 1000 },
  })
  expect(await ask(at('a', 'cycle'))).toMatchObject({ status: 508, body: { code: 'CALL_CYCLE', data: { chain: ['A/1', 'B/1', 'A/1'] } } })
  const odd = await ask(at('a', 'odd'))
  expect(odd).toMatchObject({ status: 500, body: { code: 'INTERNAL', executed: 'unknown' } })
  expect(odd.text).not.toContain('secret')
})

test("author's errors carry their code, data and status, and nothing can be done to the reply by them", async () => {
  class Insufficient extends ActorError<{ missing: number }> { static readonly code = 'INSUFFICIENT'; static readonly status = 409 }
  class Odd extends ActorError<unknown> { static readonly status = 99 }
  const { ask } = await serve({
    transfer: () => { throw new Insufficient({ missing: 5 }, 'too little') },
    odd: () => { throw new Odd(() => 1, 'line\r\nbreak') },
  })
  expect(await ask(at('a', 'transfer'))).toMatchObject({
    status: 409,
    body: {
      errorCode: 'ERR_ACTOR_INVOKE_METHOD', code: 'INSUFFICIENT', message: 'too little', data: { missing: 5 },
      executed: 'yes', retryable: false, actorError: true,
    },
  })
  const odd = await ask(at('a', 'odd'))
  expect(odd).toMatchObject({ status: 500, body: { message: 'line\r\nbreak', actorError: true } })
  expect(odd.body.data).toBeUndefined()
})

test('a result that no encoding can carry is a typed error', async () => {
  const cycle: unknown[] = []
  cycle.push(cycle)
  const { ask, url } = await serve({ fn: () => () => 1, nested: () => ({ a: [Symbol('x')] }), cycle: () => cycle })
  for (const method of ['fn', 'nested', 'cycle']) {
    expect(await ask(at('a', method))).toMatchObject({ status: 500, body: { code: 'RESULT_NOT_ENCODABLE', executed: 'yes' } })
    const codec = await fetch(url + at('a', method), { headers: { accept: 'application/x-msgpack' } })
    expect(decode(new Uint8Array(await codec.arrayBuffer()), 'reply')).toMatchObject({ code: 'RESULT_NOT_ENCODABLE' })
  }
})

test('state: 200 with the value, 204 when absent', async () => {
  const { ask, dispatcher } = await serve()
  dispatcher.state.set(['Account', 'a/'.slice(0, 1), 'k/1'].join('\u0000'), { n: 1 })
  expect(await ask('/v1.0/actors/Account/a/state/k%2F1')).toMatchObject({ status: 200, body: { n: 1 } })
  expect(await ask('/v1.0/actors/Account/a/state/other')).toMatchObject({ status: 204, text: '' })
  expect(await ask('/v1.0/actors/Account/a%2Fb/state/k')).toMatchObject({ status: 400, body: { errorCode: 'ERR_BAD_REQUEST' } })
})

test('metadata has the shape of the standard', async () => {
  const { ask, dispatcher } = await serve()
  const { body } = await ask('/v1.0/metadata')
  expect(body).toMatchObject({
    id: 'h1', enabledFeatures: [], actors: [{ type: 'Account', count: 2 }], components: [], extended: { tableVersion: '3' }, subscriptions: [],
    actorRuntime: { runtimeStatus: 'RUNNING', activeActors: [{ type: 'Account', count: 2 }], hostReady: true, placement: 'placement: connected' },
  })
  expect(body.runtimeVersion).toMatch(/^\d+\.\d+\.\d+/)
  dispatcher.status = { ...dispatcher.status, phase: 'starting', tableVersion: 0, placement: 'disconnected' }
  expect((await ask('/v1.0/metadata')).body.actorRuntime)
    .toMatchObject({ runtimeStatus: 'INITIALIZING', hostReady: false, placement: 'placement: disconnected' })
})

test('health: 204, or 500 with the reasons; a wrong appid is told', async () => {
  const { ask, dispatcher } = await serve()
  expect(await ask('/v1.0/healthz')).toMatchObject({ status: 204, text: '' })
  expect((await ask('/v1.0/healthz?appid=h1')).status).toBe(204)
  expect(await ask('/v1.0/healthz?appid=other')).toMatchObject({ status: 500, body: { errorCode: 'ERR_HEALTH_APPID_NOT_MATCH' } })
  dispatcher.reasons = ['placement', 'store']
  expect(await ask('/v1.0/healthz'))
    .toMatchObject({ status: 500, body: { errorCode: 'ERR_HEALTH_NOT_READY', message: 'dapr is not ready: [placement store]', retryable: true } })
  expect((await ask('/v1.0/healthz/outbound')).status).toBe(204)
  dispatcher.status = { ...dispatcher.status, phase: 'starting' }
  expect(await ask('/v1.0/healthz/outbound')).toMatchObject({ status: 500, body: { errorCode: 'ERR_OUTBOUND_HEALTH_NOT_READY' } })
})

test('status and location are told as JSON', async () => {
  const { ask } = await serve()
  expect((await ask('/troupe/v1/status')).body).toMatchObject({ tableVersion: 3, placement: 'standalone', hosts: [{ id: 'h1' }] })
  expect((await ask('/troupe/v1/actors/Account/alice')).body).toEqual({ shard: 5 })
  expect(await ask('/troupe/v1/actors/Other/alice')).toMatchObject({ status: 404, body: { errorCode: 'ERR_ACTOR_NO_ADDRESS' } })
})
