// The traps of the Dapr actor API, by their numbers, end to end: real doors, a real application; strictly and by default where they differ.
import { connect } from 'node:http2'
import { request } from 'node:http'
import { status as grpc } from '@grpc/grpc-js'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ask, DaprApplication } from './dapr-application.ts'
import { sidecarOf } from './running-sidecar.ts'
import { served, servedTwice } from './served-application.ts'

const both = [['by default', false], ['strictly', true]] as const
const actor = { actorType: 'Cart', actorId: '1' }

describe('trap 1, behaviour on which releases differ:', () => {
  it.each(both)('%s, a timer is registered at any host of its type, and ticks where the actor lives', async (_, strict) => {
    const { here, there, id } = await servedTwice({ entities: ['Cart'] }, { strict })
    for (const { app } of [here, there]) app.on('timer/t', () => '').on('timer/g', () => '')
    expect(await here.call('PUT', `/actors/Cart/${id}/timers/t`, '{"dueTime":"0s","callback":"cb"}')).toMatchObject({ status: 204, text: '' })
    await here.rpc('registerActorTimer', { actorType: 'Cart', actorId: id, name: 'g', dueTime: '0s', callback: 'cb' })
    await there.app.until(() => there.app.of('timer/t').length === 1 && there.app.of('timer/g').length === 1, 'both ticks')
    // The callback's name is not lost on the way.
    expect(there.app.of('timer/t')[0]!.body).toBe('{"callback":"cb","dueTime":"0s","period":""}')
    expect([here.app.of('timer/t'), here.app.of('timer/g')]).toEqual([[], []])
  })

  it('timers end with a move of their actor', async () => {
    const { here, there, id } = await servedTwice({ entities: ['Cart'] })
    expect((await here.call('PUT', `/actors/Cart/${id}/timers/t`, '{"dueTime":"1000s"}')).status).toBe(204)
    await there.stop()
    expect((await here.call('POST', `/actors/Cart/${id}/method/where`)).text).toBe('0')
    expect((await here.call('GET', `/actors/Cart/${id}/timers/t`)).status).toBe(404)
  })

  it.each(both)('%s, callbacks have a chain\'s id where the type is reentrant', async (_, strict) => {
    const { app, call } = await served({ entities: ['Cart', 'Loop'], entitiesConfig: [{ entities: ['Loop'], reentrancy: { enabled: true } }] }, { strict })
    app.on('remind/r', () => '').on('timer/t', () => '').on('m', () => '')
    for (const type of ['Cart', 'Loop']) {
      await call('POST', `/actors/${type}/1/reminders/r`, '{"dueTime":"0s"}')
      await call('POST', `/actors/${type}/1/timers/t`, '{"dueTime":"0s"}')
      await call('POST', `/actors/${type}/1/method/m`)
    }
    await app.until(() => app.asked.length === 6, 'all of it')
    const told = (type: string) => app.asked.filter(({ path }) => path.startsWith(`/actors/${type}/`)).map(({ headers }) => headers['dapr-reentrancy-id'] !== undefined)
    expect(told('Loop')).toEqual([true, true, true])
    expect(told('Cart')).toEqual(Array(3).fill(!strict))
  })

  it.each(both)('%s, reminders and timers can be listed and looked at', async (_, strict) => {
    const { call } = await served(undefined, { strict })
    for (const name of ['b', 'a']) {
      await call('POST', `/actors/Cart/abc-1/reminders/${name}`, '{"dueTime":"1000s","period":"10s","data":"hello"}')
      await call('POST', `/actors/Cart/abc-1/timers/${name}`, '{"dueTime":"1000s","period":"10s","ttl":"2552-01-01T00:00:00Z","callback":"cb","data":"hello"}')
    }
    const reminders = await call('GET', '/actors/Cart/abc-1/reminders')
    if (strict) expect(reminders.text).toBe(`{"reminders":[${['a', 'b'].map(name => `{"name":"${name}","actorType":"Cart","actorID":"abc-1","dueTime":"1000s","period":"@every 10s","data":"hello"}`).join(',')}]}`)
    else expect(JSON.parse(reminders.text).reminders).toMatchObject(['a', 'b'].map(name => ({ name, actorType: 'Cart', actorID: 'abc-1', dueTime: '1000s', period: '@every 10s', data: 'hello' })))
    expect((await call('GET', '/actors/Cart/abc-1/timers')).text).toBe(`{"timers":[${['a', 'b'].map(name =>
      `{"name":"${name}","actorType":"Cart","actorID":"abc-1","dueTime":"1000s","period":"@every 10s","ttl":"2552-01-01T00:00:00Z","callback":"cb","data":"hello"}`).join(',')}]}`)
    for (const kind of ['reminders', 'timers']) expect((await call('GET', `/actors/Cart/abc-/${kind}`)).text).toBe(`{"${kind}":[]}`)
  })
})

describe('trap 2, what is compared byte for byte (data: dapr-data-encoding.test.ts):', () => {
  it('errors of calls, here and at another host, over both doors', async () => {
    for (const strict of [false, true]) {
      const { here, there, id } = await servedTwice({ entities: ['Cart'] }, { strict })
      for (const { app } of [here, there]) app.on('bad', () => ({ status: 500, body: 'custom error' }))
      const once = 'error invoke actor method: error from actor service: (500) custom error'
      const nested = `error invoke actor method: rpc error: code = Internal desc = ${once}`
      for (const [asked, text] of [[there, once], [here, strict ? nested : once]] as const) {
        const reply = await asked.call('POST', `/actors/Cart/${id}/method/bad`)
        expect(reply.status).toBe(500)
        if (strict) expect(reply.text).toBe(JSON.stringify({ errorCode: 'ERR_ACTOR_INVOKE_METHOD', message: text }))
        else expect(JSON.parse(reply.text)).toMatchObject({ errorCode: 'ERR_ACTOR_INVOKE_METHOD', message: text, code: 'METHOD_FAILED', executed: 'yes' })
        expect(await asked.fails('invokeActor', { actorType: 'Cart', actorId: id, method: 'bad' })).toEqual([grpc.INTERNAL, text])
      }
      // Never again by itself.
      expect(there.app.of('/bad')).toHaveLength(4)
      const missing = 'error invoke actor method: actor method not found: actors/Cart/1/method/none'
      expect(JSON.parse((await ask(here.http, 'POST', '/actors/Cart/1/method/none')).text).message).toContain('actor method not found: actors/Cart/1/method/none')
      const [code, details] = await here.fails('invokeActor', { ...actor, method: 'none' })
      expect([code, details.endsWith(missing)]).toEqual([grpc.INTERNAL, true])
    }
  })

  it.each(both)('%s, errors of reminders and timers', async (_, strict) => {
    const { call, fails } = await served(undefined, { strict })
    const body = (text: string): unknown => { const { errorCode, message } = JSON.parse(text); return [errorCode, message] }
    const missing = await call('GET', '/actors/Cart/1/reminders/helloworld')
    expect([missing.status, body(missing.text)]).toEqual([404, ['ERR_ACTOR_REMINDER_NOT_FOUND', 'actor reminder not found: helloworld']])
    expect(await fails('getActorReminder', { ...actor, name: 'helloworld' })).toEqual([grpc.NOT_FOUND, 'actor reminder not found: helloworld'])
    expect((await call('DELETE', '/actors/Cart/1/reminders/helloworld')).status).toBe(204)
    await call('POST', '/actors/Cart/1/reminders/reminder1', '{"dueTime":"1000s"}')
    const again = await call('POST', '/actors/Cart/1/reminders/reminder1', '{"dueTime":"1000s","overwrite":false}')
    expect([again.status, body(again.text)]).toEqual([409, ['ERR_ACTOR_REMINDER_ALREADY_EXISTS', 'actor reminder already exists: reminder1']])
    expect(await fails('registerActorReminder', { ...actor, name: 'reminder1', dueTime: '1s', overwrite: false })).toEqual([grpc.ALREADY_EXISTS, 'actor reminder already exists: reminder1'])
    expect(await fails('registerActorReminder', { ...actor, name: '', dueTime: '1s' })).toMatchObject([grpc.INVALID_ARGUMENT, expect.anything()])
    expect((await call('DELETE', '/actors/Cart/1/timers/none')).status).toBe(204)
    for (const [kind, what, code] of [['reminders', 'reminders', 'ERR_ACTOR_REMINDER_NON_HOSTED'], ['timers', 'timers', 'ERR_ACTOR_TIMER_NON_HOSTED']] as const) {
      const other = await call('POST', `/actors/Other/1/${kind}/r`, '{"dueTime":"1s"}')
      expect([other.status, JSON.parse(other.text).errorCode]).toEqual([403, code])
      expect(JSON.parse(other.text).message).toMatch(strict ? new RegExp(`^operations on actor ${what} are only possible on hosted actor types$`) : /are only possible on hosted actor types/)
      expect((await fails(kind === 'timers' ? 'registerActorTimer' : 'registerActorReminder', { actorType: 'Other', actorId: '1', name: 'r', dueTime: '1s' }))[0]).toBe(grpc.PERMISSION_DENIED)
    }
  })

  it('metadata, the form of periods, and replies without a body', async () => {
    const { app, call, rpc } = await served({ entities: ['Cart', 'Basket'] }, { strict: true })
    app.on('m', () => ({ headers: { 'content-length': '0' }, body: '' }))
    await expect.poll(async () => JSON.parse((await call('GET', '/metadata')).text).actorRuntime).toEqual({
      runtimeStatus: 'RUNNING', activeActors: [{ type: 'Cart', count: 0 }, { type: 'Basket', count: 0 }], hostReady: true, placement: 'placement: connected',
    })
    expect((await rpc('getMetadata', {})).actorRuntime).toMatchObject({ hostReady: true, placement: 'placement: connected' })
    await call('POST', '/actors/Cart/1234/reminders/r', '{"dueTime":"1s","period":"1s","ttl":"2552-01-01T00:00:00Z","data":"reminderdata"}')
    expect((await call('GET', '/actors/Cart/1234/reminders/r')).text)
      .toBe('{"actorID":"1234","actorType":"Cart","data":"reminderdata","dueTime":"1s","period":"@every 1s","ttl":"2552-01-01T00:00:00Z"}')
    const empty = await call('POST', '/actors/Cart/1/method/m')
    expect([empty.status, empty.text, empty.headers.get('content-length')]).toEqual([200, '', '0'])
    for (const [verb, path] of [['GET', '/actors/Cart/1/state/none'], ['DELETE', '/actors/Cart/1234/reminders/r'], ['DELETE', '/actors/Cart/1/timers/none'], ['GET', '/healthz'], ['GET', '/healthz/outbound']] as const) {
      expect([path, (await call(verb, path)).status]).toEqual([path, 204])
    }
  })

  it.each(['null', 'false', '0', '""', '', ' { "a" : 1.0 } '])('the answer %j', async text => {
    const { app, call, rpc } = await served()
    app.on('m', () => text)
    const { status, text: got, headers } = await call('POST', '/actors/Cart/1/method/m', text)
    expect([status, got, headers.get('content-length')]).toEqual([200, text, String(text.length)])
    expect((await rpc('invokeActor', { ...actor, method: 'm' })).data.toString()).toBe(text)
  })

  it.each(both)('%s, bodies that are too large', async (_, strict) => {
    const { app, call, fails } = await served(undefined, { strict, maxBodyBytes: 1000 })
    app.on('m', ({ body }) => body).on('large', () => 'x'.repeat(3000))
    expect((await call('POST', '/actors/Cart/1/method/m', 'x'.repeat(900))).text).toHaveLength(900)
    const refused = await call('POST', '/actors/Cart/1/method/m', 'x'.repeat(2000))
    expect([refused.status, JSON.parse(refused.text).errorCode]).toEqual([413, 'ERR_BAD_REQUEST'])
    expect(await fails('invokeActor', { ...actor, method: 'm', data: Buffer.alloc(2000) })).toEqual([grpc.RESOURCE_EXHAUSTED, expect.stringMatching(/^grpc: received message larger than max \(20\d\d vs\. 1000\)$/)])
    expect(app.of('/m')).toHaveLength(1)
    expect((await call('POST', '/actors/Cart/1/method/large')).status).toBe(500)
    expect((await fails('invokeActor', { ...actor, method: 'large' }))[1]).toContain('the application answered with a larger body than may pass')
  })
})

it.each(both)('trap 3: %s, a type that nobody runs is not found within 5 s, over both doors', async (_, strict) => {
  const { call, fails } = await served(undefined, { strict })
  const lookup = "failed to lookup actor: api error: code = FailedPrecondition desc = did not find address for actor 'Nobody/1'"
  const since = Date.now()
  const { status, text } = await call('POST', '/actors/Nobody/1/method/m')
  const [code, details] = await fails('invokeActor', { actorType: 'Nobody', actorId: '1', method: 'm' })
  expect(Date.now() - since).toBeLessThan(5000)
  expect([text, details].map(told => told.includes("did not find address for actor 'Nobody/1'"))).toEqual([true, true])
  if (strict) {
    expect([status, text]).toEqual([500, JSON.stringify({ errorCode: 'ERR_ACTOR_INVOKE_METHOD', message: `error invoke actor method: ${lookup}` })])
    expect([code, details]).toEqual([grpc.INTERNAL, `error invoke actor method: ${lookup}`])
  } else expect([status, code]).toEqual([404, grpc.FAILED_PRECONDITION])
})

it.each(both)('trap 4: %s, whatever is asked before the application has answered waits for it', async (_, strict) => {
  const app = await new DaprApplication({ entities: ['Cart'] }).on('m', () => '1').start()
  await app.stop()
  const { http } = await sidecarOf({ appPort: app.port, strict })
  let answered = 0
  const early = [
    ask(http, 'POST', '/actors/Cart/1/method/m'), ask(http, 'GET', '/actors/Cart/1/state/k'), ask(http, 'POST', '/actors/Cart/1/reminders/r', '{"dueTime":"1000s"}'),
    ask(http, 'GET', '/actors/Cart/1/reminders'), ask(http, 'POST', '/actors/Cart/1/timers/t', '{"dueTime":"1000s"}'), ask(http, 'DELETE', '/actors/Cart/1/timers/u'),
  ].map(reply => reply.finally(() => answered++))
  // These do not.
  for (const path of ['/healthz/outbound', '/metadata']) expect((await ask(http, 'GET', path)).status).toBeLessThan(300)
  expect(answered).toBe(0)
  await app.start()
  onTestFinished(() => app.stop())
  expect((await Promise.all(early)).map(({ status }) => status)).toEqual([200, 204, 204, 200, 204, 204])
})

describe('trap 5, names in paths:', () => {
  /** `fetch` would clean the path itself. */
  const raw = (base: string, path: string): Promise<number> => new Promise((resolve, reject) => {
    request(base, { path: `/v1.0${path}`, method: 'POST' }, response => { response.resume().on('end', () => resolve(response.statusCode!)) }).on('error', reject).end()
  })

  it('a method is one segment, decoded and cleaned; nothing leaves the actor', async () => {
    const { app, http, rpc } = await served()
    const paths: readonly (readonly [method: string, reached: string])[] = [
      ['a%2Fb', 'a/b'], ['admin%2F..%2Flegit', 'legit'], ['..%2F..%2F..%2Flegit', 'legit'], ['.%2Flegit', 'legit'], ['a%2F%2Fb', 'a/b'], ['legit%2F', 'legit'],
    ]
    for (const method of ['a/b', 'legit', 'a']) app.on(method, () => '')
    for (const [method, reached] of paths) {
      expect([method, await raw(http, `/actors/Cart/1/method/${method}`)]).toEqual([method, 200])
      expect(app.asked.at(-1)!.path).toBe(`/actors/Cart/1/method/${reached}`)
      await rpc('invokeActor', { ...actor, method: decodeURIComponent(method) })
      expect(app.asked.at(-1)!.path).toBe(`/actors/Cart/1/method/${reached}`)
    }
  })

  it('ids and types with slashes, dots, marks or controls are refused, everything else is a name', async () => {
    const { app, http, call, fails } = await served()
    app.on('m', (_, id) => JSON.stringify(id))
    for (const id of ['a%2Fb', 'a%5Cb', 'a%23', 'a%3Fb', '%00', '%1f', '%7f', '..', '%2e']) expect([id, await raw(http, `/actors/Cart/${id}/method/m`)]).toEqual([id, id === '..' ? expect.any(Number) : 400])
    for (const method of ['a%23', 'a%3Fb', 'a%00']) expect([method, await raw(http, `/actors/Cart/1/method/${method}`)]).toEqual([method, 400])
    expect(await raw(http, '/actors/Cart/1/method/%2Flegit')).toBe(400)
    for (const actorId of ['a/b', '..', 'a#']) expect((await fails('invokeActor', { actorType: 'Cart', actorId, method: 'm' }))[0]).toBe(grpc.INVALID_ARGUMENT)
    expect(app.asked).toEqual([])
    for (const id of ['a|b', 'a||b', 'a@b', 'a:b', 'a b', 'é😀']) expect((await call('POST', `/actors/Cart/${encodeURIComponent(id)}/method/m`)).text).toBe(JSON.stringify(id))
    // As in a query: a plus is a space.
    expect((await call('POST', '/actors/Cart/a+b/method/m')).text).toBe('"a b"')
  })
})

describe('trap 6, how often a reminder that fails is delivered:', () => {
  it.each(both)('%s', async (_, strict) => {
    const { app, call, rpc } = await served(undefined, { strict })
    for (const name of ['default', 'drop', 'constant', 'http']) app.on(`remind/${name}`, () => ({ status: 500 }))
    const about = { ...actor, dueTime: '0s' }
    await call('POST', '/actors/Cart/1/reminders/default', '{"dueTime":"0s"}')
    // Its route is missing: that counts too.
    await call('POST', '/actors/Cart/1/reminders/missing', '{"dueTime":"0s"}')
    await call('POST', '/actors/Cart/1/reminders/http', '{"dueTime":"0s","failurePolicy":{"constant":{"interval":"1ms","maxRetries":1}}}')
    await rpc('registerActorReminder', { ...about, name: 'drop', failurePolicy: { drop: {} } })
    await rpc('registerActorReminder', { ...about, name: 'constant', failurePolicy: { constant: { interval: { seconds: 0, nanos: 1_000_000 }, maxRetries: 5 } } })
    // Once each is over: given up, and gone or dead.
    const over = async (name: string): Promise<boolean> => {
      const { status, text } = await call('GET', `/actors/Cart/1/reminders/${name}`)
      return strict ? status === 404 : JSON.parse(text).dead !== undefined
    }
    for (const name of ['default', 'missing', 'http', 'drop', 'constant']) await expect.poll(() => over(name), { timeout: 15_000, interval: 100 }).toBe(true)
    const counts = ['default', 'missing', 'http', 'drop', 'constant'].map(name => app.of(`remind/${name}`).length)
    // Over HTTP the original passes a policy over.
    expect(counts).toEqual([4, 4, strict ? 4 : 2, 1, 6])
  }, 30_000)
})

describe('trap 7, R counts:', () => {
  it.each(both)('%s, the runs of a reminder in all, the first one among them; failed ticks of a timer too', async (_, strict) => {
    const { app, call } = await served(undefined, { strict })
    app.on('remind/r', () => '').on('timer/t', () => ({ status: 500 }))
    await call('POST', '/actors/Cart/1/reminders/r', '{"dueTime":"0s","period":"R3/20ms"}')
    await call('POST', '/actors/Cart/1/timers/t', '{"dueTime":"0s","period":"R3/20ms"}')
    for (const path of ['/reminders/r', '/timers/t']) await expect.poll(async () => (await call('GET', `/actors/Cart/1${path}`)).status).toBe(404)
    expect([app.of('remind/r').length, app.of('timer/t').length]).toEqual([3, 3])
  })

  it.each(both)('%s, none at all: no limit for a reminder, refused for a timer', async (_, strict) => {
    const { app, call } = await served(undefined, { strict })
    app.on('remind/r', () => '')
    expect((await call('POST', '/actors/Cart/1/reminders/r', '{"dueTime":"0s","period":"R0/20ms"}')).status).toBe(204)
    await app.until(() => app.of('remind/r').length > 4, 'more than none')
    const { status, text } = await call('POST', '/actors/Cart/1/timers/t', '{"period":"R0/20ms"}')
    expect([status, JSON.parse(text).errorCode]).toEqual([strict ? 500 : 400, 'ERR_ACTOR_TIMER_CREATE'])
    expect(text).toContain('has zero repetitions')
  })
})

it.each(both)('trap 8: %s, reminders carry empty times, timers those of their registration', async (_, strict) => {
  const { app, call } = await served(undefined, { strict })
  for (const name of ['all', 'none']) app.on(`remind/${name}`, () => '').on(`timer/${name}`, () => '')
  await call('POST', '/actors/Cart/1/reminders/all', '{"dueTime":"10ms","period":"1h","ttl":"2h"}')
  await call('POST', '/actors/Cart/1/timers/all', '{"dueTime":"0h0m0s10ms","period":"R2/PT1H","ttl":"3h","callback":"cb"}')
  await call('POST', '/actors/Cart/1/timers/none', '{}')
  await app.until(() => app.asked.length === 3, 'all three')
  expect(app.of('remind/all')[0]!.body).toBe('{"dueTime":"","period":""}')
  expect(app.of('timer/all')[0]!.body).toBe('{"callback":"cb","dueTime":"0h0m0s10ms","period":"R2/PT1H"}')
  expect(app.of('timer/none')[0]!.body).toBe('{"callback":"","dueTime":"","period":""}')
})

describe('trap 9:', () => {
  it('the HTTP door speaks h2c with prior knowledge on the same port', async () => {
    const { app, http } = await served()
    app.on('m', ({ body }) => `<${body}>`)
    const session = connect(http)
    onTestFinished(() => session.close())
    const stream = session.request({ ':method': 'POST', ':path': '/v1.0/actors/Cart/1/method/m' })
    stream.end('x')
    let text = ''
    for await (const chunk of stream.setEncoding('utf8')) text += chunk
    expect(text).toBe('<x>')
  })

  it.each(['PUT', 'POST'])('%s creates', async verb => {
    const { app, call } = await served()
    app.on('save', async () => String((await call(verb, '/actors/Cart/1/state', '[{"operation":"upsert","request":{"key":"k","value":1}}]')).status))
    expect((await call(verb, '/actors/Cart/1/method/save')).text).toBe('204')
    for (const path of ['/reminders/r', '/timers/t']) expect((await call(verb, `/actors/Cart/1${path}`, '{"dueTime":"1000s"}')).status).toBe(204)
  })
})

describe('trap 10, state where the actor is not:', () => {
  it.each(both)('%s, it is read of actors that are not active, and of types that nobody hosts; it is written of neither', async (_, strict) => {
    const { app, call, rpc, fails } = await served({ entities: ['Cart'], actorIdleTimeout: '50ms' }, { strict })
    const upsert = '[{"operation":"upsert","request":{"key":"k","value":{"a":1.0}}}]'
    app.on('save', async ({ path }) => String((await call('POST', `${path.replace(/\/method.*/, '')}/state`, upsert)).status))
    expect((await call('POST', '/actors/Cart/1/method/save')).text).toBe('204')
    await app.until(() => app.deactivated.length === 1, 'the actor is idle')
    for (const [type, read] of [['Cart', '{"a":1.0}'], ['Nobody', '']] as const) {
      expect(await call('GET', `/actors/${type}/1/state/k`)).toMatchObject({ status: read === '' ? 204 : 200, text: read })
      expect((await rpc('getActorState', { actorType: type, actorId: '1', key: 'k' })).data.toString()).toBe(read)
    }
    // Reading made nobody active in the application.
    expect(app.asked.filter(({ verb }) => verb !== 'DELETE')).toHaveLength(1)
    for (const at of ['Cart/2', 'Nobody/1']) {
      const [actorType, actorId] = at.split('/')
      const refused = await call('POST', `/actors/${at}/state`, upsert)
      expect([at, refused.status, JSON.parse(refused.text)]).toMatchObject([at, 400, { errorCode: 'ERR_ACTOR_INSTANCE_MISSING', message: 'actor instance is missing' }])
      expect(await fails('executeActorStateTransaction', { actorType, actorId, operations: [{ operationType: 'upsert', key: 'k', value: { type_url: '', value: Buffer.from('1') } }] }))
        .toEqual([grpc.INTERNAL, 'actor instance is missing'])
    }
  })

  it('what was stored is there to be read when nobody hosts its type any more', async () => {
    const { app, call } = await served({ entities: ['Cart'] }, { health: { path: '/healthz', intervalMs: 20, timeoutMs: 500, threshold: 1 } })
    app.on('save', async () => String((await call('POST', '/actors/Cart/1/state', '[{"operation":"upsert","request":{"key":"k","value":{"a":1.0},"metadata":{"ttlInSeconds":"60"}}}]')).status))
    expect((await call('POST', '/actors/Cart/1/method/save')).text).toBe('204')
    app.healthy = false
    await expect.poll(async () => JSON.parse((await call('GET', '/metadata')).text).actors).toEqual([])
    const read = await call('GET', '/actors/Cart/1/state/k')
    expect([read.status, read.text]).toEqual([200, '{"a":1.0}'])
    expect(Date.parse(read.headers.get('metadata.ttlExpireTime')!)).toBeGreaterThan(Date.now())
    expect((await call('GET', '/actors/Cart/1/state/none')).status).toBe(204)
  })
})

it('trap 11: neither placement nor scheduler need to be there for reminders, timers and calls', async () => {
  const { app, call } = await served()
  app.on('m', () => '1').on('remind/r', () => '').on('timer/t', () => '')
  await call('POST', '/actors/Cart/1/reminders/r', '{"dueTime":"0s"}')
  await call('POST', '/actors/Cart/1/timers/t', '{"dueTime":"0s"}')
  await app.until(() => app.asked.length === 2, 'both')
  expect(JSON.parse((await call('GET', '/metadata')).text)).toMatchObject({ actorRuntime: { placement: 'placement: connected' }, scheduler: { connected_addresses: [] } })
})
