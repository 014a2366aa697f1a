// An application over HTTP behind a sidecar: what it is asked, what clients get, state, chains, reminders, timers, its coming and going.
import { describe, expect, it, onTestFinished } from 'vitest'
import { ask, DaprApplication } from './dapr-application.ts'
import { sidecarOf, type SidecarSetting } from './running-sidecar.ts'

async function applicationOf(config: object = { entities: ['Cart'] }): Promise<DaprApplication> {
  const app = await new DaprApplication(config).start()
  onTestFinished(() => app.stop())
  return app
}

async function serving(config?: object, setting: SidecarSetting = {}) {
  const app = await applicationOf(config)
  const { http } = await sidecarOf({ appPort: app.port, ...setting })
  return { app, http, call: (verb: string, path: string, body?: string, headers?: Record<string, string>) => ask(http, verb, path, body, headers) }
}

describe('a call', () => {
  it('reaches the application with its bytes, headers and query, and comes back so', async () => {
    const { app, call } = await serving()
    app.on('add', ({ body }) => ({ headers: { 'content-type': 'text/plain', 'x-answer': '1' }, body: `<${body}>` }))
    const reply = await call('POST', '/actors/Cart/ada/method/add?a=1&b', ' { "x" : 1.0 } ', { 'content-type': 'application/json', 'x-mine': 'y' })
    expect(reply).toMatchObject({ status: 200, text: '< { "x" : 1.0 } >' })
    expect(reply.headers.get('x-answer')).toBe('1')
    expect(reply.headers.get('content-type')).toBe('text/plain')
    expect(app.asked[0]).toMatchObject({ verb: 'PUT', path: '/actors/Cart/ada/method/add?a=1&b', body: ' { "x" : 1.0 } ' })
    expect(app.asked[0]!.headers).toMatchObject({ 'content-type': 'application/json', 'x-mine': 'y', 'dapr-api-call': 'true' })
  })

  it('has every verb, and any id that the standard allows', async () => {
    const { app, call } = await serving()
    app.on('m', (_, id) => JSON.stringify(id))
    for (const verb of ['GET', 'POST', 'PUT', 'DELETE']) expect(await call(verb, '/actors/Cart/a%7C%7Cb%20%C3%A9/method/m')).toMatchObject({ status: 200, text: '"a||b é"' })
  })

  it('that fails there, or names what is not there, is told in the words of the standard', async () => {
    const { app, call } = await serving()
    app.on('bad', () => ({ status: 500, body: 'custom error' })).on('own', () => ({ headers: { 'X-DaprErrorResponseHeader': 'true', 'content-type': 'application/json' }, body: '{"e":1}' }))
    expect(JSON.parse((await call('POST', '/actors/Cart/1/method/bad')).text)).toMatchObject({ errorCode: 'ERR_ACTOR_INVOKE_METHOD', message: 'error invoke actor method: error from actor service: (500) custom error' })
    expect(app.of('/bad')).toHaveLength(1)
    const own = await call('POST', '/actors/Cart/1/method/own')
    expect(own).toMatchObject({ status: 200, text: '{"e":1}' })
    expect(own.headers.get('x-daprerrorresponseheader')).toBe('true')
    const missing = await call('POST', '/actors/Cart/1/method/nothing')
    expect(missing.status).toBe(500)
    expect(missing.text).toContain('actor method not found: actors/Cart/1/method/nothing')
    expect((await call('POST', '/actors/Nobody/1/method/x')).text).toContain("did not find address for actor 'Nobody/1'")
  })

  it('made before the application is there waits for it; doors that SDKs wait for answer at once', async () => {
    const app = new DaprApplication({ entities: ['Cart'] }).on('m', () => '1')
    await app.start()
    await app.stop()
    const { http } = await sidecarOf({ appPort: app.port })
    const early = ask(http, 'POST', '/actors/Cart/1/method/m')
    expect((await ask(http, 'GET', '/healthz/outbound')).status).toBe(204)
    expect(JSON.parse((await ask(http, 'GET', '/metadata')).text)).toMatchObject({ id: 'app', actorRuntime: { runtimeStatus: 'INITIALIZING', hostReady: false } })
    expect((await ask(http, 'GET', '/healthz')).status).toBe(500)
    await app.start()
    onTestFinished(() => app.stop())
    expect(await early).toMatchObject({ status: 200, text: '1' })
    expect(JSON.parse((await ask(http, 'GET', '/metadata')).text)).toMatchObject({ actorRuntime: { runtimeStatus: 'RUNNING', hostReady: true, activeActors: [{ type: 'Cart', count: 1 }] } })
    expect((await ask(http, 'GET', '/healthz')).status).toBe(204)
  })
})

describe('state', () => {
  it('is stored by a turn, read anywhere, kept as it was written, and refused for an actor that is not active', async () => {
    const { app, http, call } = await serving()
    app.on('save', async ({ body }) => {
      const saved = await ask(http, 'POST', '/actors/Cart/1/state', body)
      const read = await ask(http, 'GET', '/actors/Cart/1/state/k')
      return { status: saved.status === 204 ? 200 : 500, body: read.text }
    })
    expect((await call('PUT', '/actors/Cart/1/state', '[{"operation":"upsert","request":{"key":"k","value":1}}]'))).toMatchObject({ status: 400 })
    expect(await call('GET', '/actors/Cart/1/state/k')).toMatchObject({ status: 204, text: '' })
    expect(await call('POST', '/actors/Cart/1/method/save', '[{"operation":"upsert","request":{"key":"k","value":{"b":1.0, "a":12345678901234567890}}}]'))
      .toMatchObject({ status: 200, text: '{"b":1.0,"a":12345678901234567890}' })
    expect(await call('GET', '/actors/Cart/1/state/k')).toMatchObject({ status: 200, text: '{"b":1.0,"a":12345678901234567890}' })
    expect(await call('POST', '/actors/Cart/1/method/save', '[{"operation":"delete","request":{"key":"k"}}]')).toMatchObject({ status: 200, text: '' })
  })

  it('with a time to live says when it ends', async () => {
    const { app, http, call } = await serving()
    app.on('save', async () => { await ask(http, 'POST', '/actors/Cart/1/state', '[{"operation":"upsert","request":{"key":"k","value":1,"metadata":{"ttlInSeconds":"60"}}}]'); return '' })
    await call('POST', '/actors/Cart/1/method/save')
    const { headers } = await call('GET', '/actors/Cart/1/state/k')
    expect(Date.parse(headers.get('metadata.ttlExpireTime')!)).toBeGreaterThan(Date.now() + 50_000)
  })
})

describe('a chain of calls', () => {
  it('comes back into its actor where the configuration says so, and is reported at once where it does not (P8)', async () => {
    const { app, http, call } = await serving({ entities: ['Cart', 'Loop'], entitiesConfig: [{ entities: ['Loop'], reentrancy: { enabled: true, maxStackDepth: 3 } }] })
    app.on('down', async ({ headers }, id, type) => {
      const reply = await ask(http, 'POST', `/actors/${type}/${id}/method/down`, '', { 'dapr-reentrancy-id': String(headers['dapr-reentrancy-id']) })
      return { status: reply.status, body: reply.text }
    })
    expect((await call('POST', '/actors/Cart/1/method/down')).text).toContain('would wait on itself')
    expect(app.of('Cart/1/method/down')).toHaveLength(1)
    expect((await call('POST', '/actors/Loop/1/method/down')).text).toContain('maximum stack depth exceeded')
    expect(app.of('Loop/1/method/down')).toHaveLength(3)
  })
})

describe('a reminder', () => {
  it('is delivered with its data, and its cancel header ends it', async () => {
    const { app, call } = await serving()
    app.on('remind/r', () => ({ headers: { 'X-DaprReminderCancel': 'true' } }))
    expect(await call('POST', '/actors/Cart/1/reminders/r', '{"dueTime":"10ms","period":"10ms","data":{ "n" : 1.0 }}')).toMatchObject({ status: 204 })
    await app.until(() => app.of('remind/r').length > 0, 'the reminder')
    expect(app.of('remind/r')[0]).toMatchObject({ verb: 'PUT', body: '{"data":{"n":1.0},"dueTime":"","period":""}' })
    await expect.poll(async () => (await call('GET', '/actors/Cart/1/reminders/r')).status).toBe(404)
    expect(app.of('remind/r')).toHaveLength(1)
  })

  it('that fails is delivered as often as its policy says, over HTTP too', async () => {
    const { app, call } = await serving()
    app.on('remind/r', () => ({ status: 500 }))
    await call('POST', '/actors/Cart/1/reminders/r', '{"dueTime":"0s","failurePolicy":{"constant":{"interval":"1ms","maxRetries":2}}}')
    await app.until(() => app.of('remind/r').length === 3, 'three deliveries')
  })
})

describe('a timer', () => {
  it('ticks with what it was registered with until it is deleted', async () => {
    const { app, call } = await serving()
    app.on('timer/t', () => '')
    expect(await call('PUT', '/actors/Cart/1/timers/t', '{"dueTime":"0s","period":"20ms","callback":"cb","data":[]}')).toMatchObject({ status: 204 })
    await app.until(() => app.of('timer/t').length >= 2, 'two ticks')
    expect(app.of('timer/t')[0]!.body).toBe('{"data":[],"callback":"cb","dueTime":"0s","period":"20ms"}')
    expect(await call('DELETE', '/actors/Cart/1/timers/t')).toMatchObject({ status: 204 })
  })
})

describe('a store that cannot be opened', () => {
  it('is told at the start, before the application is there', async () => {
    await expect(sidecarOf({ appPort: 1, store: 'redis://127.0.0.1:1' })).rejects.toMatchObject({ code: 'STORE_OPEN_FAILED' })
  })
})

describe('an application', () => {
  it('is told once of each active actor when its sidecar stops', async () => {
    const app = await applicationOf()
    app.on('m', () => '')
    const sidecar = await sidecarOf({ appPort: app.port })
    for (const id of ['1', '2']) await ask(sidecar.http, 'POST', `/actors/Cart/${id}/method/m`)
    await sidecar.stop()
    expect(app.deactivated.sort()).toEqual(['1', '2'])
  })

  it('whose actor is idle is told so', async () => {
    const { app, call } = await serving({ entities: ['Cart'], actorIdleTimeout: '30ms' })
    app.on('m', () => '')
    await call('POST', '/actors/Cart/1/method/m')
    await app.until(() => app.deactivated.length === 1, 'the deactivation')
  })

  it('that is started again, with other types, is found; the new process is not told of actors of the old one', async () => {
    const { app, call } = await serving()
    app.on('m', () => '1')
    await call('POST', '/actors/Cart/1/method/m')
    await app.stop()
    expect(JSON.parse((await call('POST', '/actors/Cart/1/method/m')).text)).toMatchObject({ code: 'APP_UNREACHABLE', executed: 'no' })
    app.config = { entities: ['Basket'] }
    await app.start()
    await expect.poll(async () => (await call('POST', '/actors/Basket/1/method/m')).status, { timeout: 10_000 }).toBe(200)
    expect(app.deactivated).toEqual([])
  })

  it('that is unhealthy runs nothing until it is healthy again', async () => {
    const { app, call } = await serving(undefined, { health: { path: '/healthz', intervalMs: 20, timeoutMs: 500, threshold: 2 } })
    app.on('m', () => '1')
    await call('POST', '/actors/Cart/1/method/m')
    app.healthy = false
    await app.until(() => app.deactivated.length === 1, 'the deactivation')
    app.healthy = true
    await expect.poll(async () => (await call('POST', '/actors/Cart/1/method/m')).status, { timeout: 10_000 }).toBe(200)
  })
})
