// What a host tells of itself over HTTP, and lets be done to it, in the shape of the Dapr API; before its application is known, too.
import { expect, test } from 'vitest'
import { hostFacts, type DoorFacts } from '../../../gateway/dapr/door-facts.ts'
import { httpGateway } from '../../../gateway/http.ts'
import { pending, serve, within } from './serving.ts'

const facts = (more: Partial<DoorFacts> = {}): DoorFacts => ({ ...hostFacts(), ...more })
const METADATA = '/v1.0/metadata'

test('the whole document, of a sidecar that is strict', async () => {
  const { ask } = await serve({}, {
    facts: facts({
      strict: true, appId: 'shop', enabledFeatures: ['ActorStateTTL'], components: [{ name: 'store', type: 'state.redis', version: 'v1', capabilities: ['ETAG', 'TRANSACTIONAL'] }],
      appConnection: {
        port: 3000, protocol: 'http', channelAddress: '127.0.0.1', maxConcurrency: 0,
        health: { healthCheckPath: '/healthz', healthProbeInterval: '5s', healthProbeTimeout: '500ms', healthThreshold: 3 },
      },
      extended: new Map([['team', 'a']]),
    }),
  })
  const { status, body, headers } = await ask(METADATA)
  expect([status, headers.get('content-type')]).toEqual([200, 'application/json'])
  const { runtimeVersion } = body
  expect(runtimeVersion).toMatch(/^\d+\.\d+\.\d+/)
  expect(body).toEqual({
    id: 'shop', runtimeVersion, enabledFeatures: ['ActorStateTTL'], actors: [{ type: 'Account', count: 2 }],
    components: [{ name: 'store', type: 'state.redis', version: 'v1', capabilities: ['ETAG', 'TRANSACTIONAL'] }],
    extended: { daprRuntimeVersion: runtimeVersion, team: 'a' }, subscriptions: [], httpEndpoints: [],
    appConnectionProperties: {
      port: 3000, protocol: 'http', channelAddress: '127.0.0.1', health: { healthCheckPath: '/healthz', healthProbeInterval: '5s', healthProbeTimeout: '500ms', healthThreshold: 3 },
    },
    actorRuntime: { runtimeStatus: 'RUNNING', activeActors: [{ type: 'Account', count: 2 }], hostReady: true, placement: 'placement: connected' },
    scheduler: { connected_addresses: [] }, workflows: { connectedWorkers: 0 },
  })
})

test('a host without an application tells its own facts beside', async () => {
  const { ask } = await serve()
  expect((await ask(METADATA)).body).toMatchObject({ id: 'h1', appConnectionProperties: {}, extended: { incarnation: 'i1', tableVersion: '3', phase: 'serving' } })
})

test('types without an activation are listed with none', async () => {
  const { ask, dispatcher } = await serve()
  dispatcher.status = { ...dispatcher.status, types: ['A', 'B'], activations: { B: 1 } }
  expect((await ask(METADATA)).body.actorRuntime.activeActors).toEqual([{ type: 'A', count: 0 }, { type: 'B', count: 1 }])
})

test.each([
  ['INITIALIZING', 'connected', { runtimeStatus: 'INITIALIZING', hostReady: false, placement: '' }],
  ['DISABLED', 'connected', { runtimeStatus: 'DISABLED', hostReady: false, placement: 'placement: connected' }],
  ['RUNNING', 'disconnected', { runtimeStatus: 'RUNNING', hostReady: false, placement: 'placement: disconnected' }],
  ['RUNNING', 'standalone', { runtimeStatus: 'RUNNING', hostReady: true, placement: 'placement: connected' }],
] as const)('the runtime when it is %s and %s', async (said, placement, told) => {
  const { ask, dispatcher } = await serve({}, { facts: facts({ runtimeStatus: () => said }) })
  dispatcher.status = { ...dispatcher.status, placement }
  expect((await ask(METADATA)).body.actorRuntime).toMatchObject(told)
})

test('while the application is not known, calls wait and metadata and outbound health answer at once', async () => {
  const gate = pending(), entered = pending()
  const { ask, dispatcher } = await serve({ m: () => { entered.resolve(); return gate.promise } }, { facts: facts({ runtimeStatus: () => 'INITIALIZING' }) })
  dispatcher.reasons = ['app']
  const call = ask('/v1.0/actors/Account/a/method/m')
  await within(entered.promise, 'the call')
  expect((await ask(METADATA)).status).toBe(200)
  expect((await ask('/v1.0/healthz/outbound')).status).toBe(204)
  expect(await ask('/v1.0/healthz')).toMatchObject({ status: 500, body: { errorCode: 'ERR_HEALTH_NOT_READY', message: 'dapr is not ready: [app]' } })
  gate.resolve()
  expect((await call).status).toBe(204)
})

test('health asks for the id of the application where there is one', async () => {
  const { ask } = await serve({}, { facts: facts({ appId: 'shop', strict: true }) })
  expect((await ask('/v1.0/healthz?appid=shop')).status).toBe(204)
  const other = await ask('/v1.0/healthz?appid=h1')
  expect([other.status, Object.keys(other.body), other.body.errorCode]).toEqual([500, ['errorCode', 'message'], 'ERR_HEALTH_APPID_NOT_MATCH'])
})

test('what a client sets is shown to all, whatever it is called', async () => {
  const given = facts()
  const { ask } = await serve({}, { facts: given })
  for (const [key, value] of [['team', 'a'], ['team', 'b'], ['empty', ''], ['a%2Fb', 'ü'], ['__proto__', 'x']] as const) {
    expect(await ask(`${METADATA}/${key}`, { method: 'PUT', body: value })).toMatchObject({ status: 204, text: '' })
  }
  expect([...given.extended]).toEqual([['team', 'b'], ['empty', ''], ['a/b', 'ü'], ['__proto__', 'x']])
  const { text } = await ask(METADATA)
  expect(text).toContain('"team":"b","empty":"","a/b":"ü","__proto__":"x"')
})

test('and bounded: in size, in number, in names', async () => {
  const given = facts()
  const { ask } = await serve({}, { facts: given })
  const put = (key: string, body = 'x') => ask(`${METADATA}/${key}`, { method: 'PUT', body })
  expect(await put('k', 'x'.repeat(16 * 1024 + 1))).toMatchObject({ status: 413, body: { code: 'PAYLOAD_TOO_LARGE' } })
  expect(await put('k'.repeat(257))).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } })
  for (let i = 0; i < 100; i++) expect((await put(`k${i}`)).status).toBe(204)
  expect(await put('one-more')).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } })
  expect((await put('k5', 'anew')).status).toBe(204)
  expect(given.extended.size).toBe(100)
})

test('shutdown is answered, then begins; a host that may not be stopped by clients says so', async () => {
  const ended = pending()
  const stopping = await serve({}, { facts: facts({ shutdown: () => ended.resolve() }) })
  expect(await stopping.ask('/v1.0/shutdown', { method: 'POST' })).toMatchObject({ status: 204, text: '' })
  await within(ended.promise, 'the shutdown')
  expect(await (await serve()).ask('/v1.0/shutdown', { method: 'POST' })).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } })
})

test('a port for health alone has health and metadata, and nothing else', async () => {
  const { ask, gateway, dispatcher } = await serve({ m: () => 1 }, { routes: 'health', facts: facts({ shutdown: () => undefined }) })
  expect(gateway.name).toBe('http-health')
  for (const path of [METADATA, '/v1.0/healthz', '/v1.0/healthz/outbound']) expect((await ask(path)).status).toBeLessThan(300)
  for (const [method, path] of [['POST', '/v1.0/actors/Account/a/method/m'], ['GET', '/v1.0/actors/Account/a/state/k'], ['POST', '/v1.0/shutdown'], ['GET', '/troupe/v1/status'], ['PUT', `${METADATA}/k`]] as const) {
    expect((await ask(path, { method })).status, path).toBe(404)
  }
  expect(dispatcher.requests).toEqual([])
})

test('facts that are none, and other routes, are refused', () => {
  expect(() => httpGateway({ port: 0, facts: {} as never })).toThrow(/facts: must be the facts of a door/)
  expect(() => httpGateway({ port: 0, routes: 'some' as never })).toThrow(/routes: "some" must be all or health/)
})
