import { describe, expect, it } from 'vitest'
import { TokenCheck, tokensProblem } from '../../../gateway/api-token.ts'
import { httpGateway } from '../../../gateway/http.ts'
import { RawSocket, serve } from './serving.ts'

describe('API tokens', () => {
  it('are known whole, and by name', () => {
    expect(new TokenCheck('secret').nameOf('secret')).toBe('1')
    const check = new TokenCheck({ shop: 'old-1', billing: 'x' })
    expect([check.nameOf('old-1'), check.nameOf('x'), check.nameOf('old-'), check.nameOf('old-12'), check.nameOf(''), check.nameOf(undefined), check.nameOf('shop')])
      .toEqual(['shop', 'billing', undefined, undefined, undefined, undefined, undefined])
    expect(new TokenCheck(['a', 'b']).nameOf('b')).toBe('2')
  })

  it.each([undefined, null, 5, [], {}, '', [''], ['a', ''], { a: 1 }, 'with space', 'ümlaut', 'x'.repeat(4097)])('cannot be %o', given => {
    expect(tokensProblem(given)).toBeDefined()
    if (given !== undefined) expect(() => httpGateway({ port: 0, apiToken: given as never })).toThrow(/apiToken/)
  })
})

describe('a door with a token', () => {
  const token = 's3cret/Token+='
  const called = async (headers: Record<string, string>, path = '/v1.0/actors/Account/a/method/get'): Promise<[number, string, number]> => {
    const { ask, dispatcher } = await serve({ get: () => 1 }, { apiToken: token })
    const { status, body } = await ask(path, { method: 'POST', headers })
    return [status, body?.errorCode, dispatcher.requests.length]
  }

  it('answers to it', async () => expect(await called({ 'dapr-api-token': token })).toEqual([200, undefined, 1]))

  it.each([
    [{}], [{ 'dapr-api-token': '' }], [{ 'dapr-api-token': `${token}x` }], [{ 'dapr-api-token': token.slice(0, -1) }], [{ 'dapr-api-token': token.toLowerCase() }],
    [{ 'dapr-api-token': `${token}, ${token}` }], [{ authorization: `Bearer ${token}` }], [{ 'x-dapr-api-token': token }], [{ cookie: `dapr-api-token=${token}` }],
  ])('refuses %j, and calls nobody', async headers => {
    expect(await called(headers as unknown as Record<string, string>)).toEqual([401, 'ERR_UNAUTHORIZED', 0])
  })

  it('refuses a token in the query', async () => {
    expect(await called({}, `/v1.0/actors/Account/a/method/get?dapr-api-token=${token}`)).toEqual([401, 'ERR_UNAUTHORIZED', 0])
  })

  it('says what is wrong in the words of the standard, and that nothing ran', async () => {
    const { ask } = await serve({}, { apiToken: token })
    const { status, body } = await ask('/v1.0/metadata')
    expect([status, body]).toEqual([401, expect.objectContaining({ code: 'UNAUTHENTICATED', errorCode: 'ERR_UNAUTHORIZED', executed: 'no', message: expect.stringMatching(/^invalid api token/) })])
    expect(JSON.stringify(body)).not.toContain(token)
  })

  it.each([
    ['GET', '/v1.0/metadata'], ['GET', '/troupe/v1/status'], ['GET', '/troupe/v1/actors/Account/a'], ['GET', '/troupe/v1/reminders/Account'], ['DELETE', '/troupe/v1/reminders/Account'],
    ['GET', '/troupe/v1/sends/Account'], ['POST', '/troupe/v1/actors/Account/a/manage/reminders.set'], ['GET', '/v1.0/actors/Account/a/state/k'],
    ['POST', '/v1.0/actors/Account/a/reminders/r'], ['GET', '/v1.0/actors/Account/a/reminders'], ['GET', '/no/such/route'], ['PATCH', '/v1.0/metadata'], ['OPTIONS', '/v1.0/metadata'],
  ])('asks for it at %s %s', async (method, path) => {
    const { ask } = await serve({}, { apiToken: token })
    expect((await ask(path, { method })).status).toBe(401)
  })

  it.each(['/v1.0/healthz', '/v1.0/healthz/outbound', '/v1.0/healthz?appid=h1'])('does not ask for it at %s', async path => {
    const { ask } = await serve({}, { apiToken: token })
    expect((await ask(path)).status).toBe(204)
  })

  it.each([
    '/v1.0/healthz/../metadata', '//v1.0/healthz', '/v1.0//healthz', '/v1.0/healthz/', '/v1.0/healthz/.', '/v1.0/healthz/..', '/v1.0/healthz/outbound/', '/v1.0/healthz/outbound/../../metadata',
    '/v1.0/healthz%2F..%2Fmetadata', '/v1.0/healthz%3F', '/v1.0/healthz%23', '/v1.0/%68ealthz', '/V1.0/healthz', '/v1.0/HEALTHZ', '/v1.0/healthz;a=b', '/v1.0/healthz#', '/v1.0/healthz\\..\\metadata',
    '/v1.0/metadata?/v1.0/healthz', '/v1.0/healthzx', '/v1.0/healthz/outboundx', '/v1.0/actors/Account/a/method/..%2F..%2F..%2Fhealthz', 'http://x/v1.0/healthz', '/v1.0/actors/Account/a/method/healthz',
    '/./v1.0/healthz', '/v1.0/x/../healthz', '/v1.0/healthz/outbound%00', '*',
  ])('is not fooled by %s', async target => {
    const { port, dispatcher } = await serve({ healthz: () => 1, '..': () => 1 }, { apiToken: token })
    const socket = await RawSocket.open(port)
    const answer = await socket.write(`GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`).untilClosed()
    expect(answer).toMatch(/^HTTP\/1\.1 40[01] /)
    expect(dispatcher.requests).toEqual([])
  })

  it.each(['POST', 'PUT', 'DELETE', 'HEAD'])('asks for it at %s of a health route', async method => {
    const { ask } = await serve({}, { apiToken: token })
    expect((await ask('/v1.0/healthz', { method })).status).toBe(401)
  })

  it('takes several at once, and tells which it was', async () => {
    const { ask, dispatcher } = await serve({ get: () => 1 }, { apiToken: { shop: 'old', shop2: 'new' } })
    for (const each of ['old', 'new', 'older']) await ask('/v1.0/actors/Account/a/method/get', { method: 'POST', headers: { 'dapr-api-token': each } })
    expect(dispatcher.requests.map(r => r.caller)).toEqual([
      { kind: 'outside', via: 'http', token: 'shop' }, { kind: 'outside', via: 'http', token: 'shop2' },
    ])
  })

  it('refuses a large body without reading it, and goes on', async () => {
    const { ask, port } = await serve({ get: () => 1 }, { apiToken: token })
    const socket = await RawSocket.open(port)
    socket.write(`POST /v1.0/actors/Account/a/method/get HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4000000\r\n\r\n`)
    expect(await socket.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 401 /)
    expect((await ask('/v1.0/healthz')).status).toBe(204)
  })
})
