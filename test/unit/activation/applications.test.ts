// Actors of an application on real hosts: turns, state, chains, reminders, timers, deactivation (P1, P4, P5, P8).
import { describe, expect, it } from 'vitest'
import type { AppRequest } from '../../../actors/app-channel.ts'
import { headerOf } from '../../../actors/app-channel.ts'
import { Actor, type Host, type HostOptions } from '../../../index.ts'
import { TroupeError } from '../../../core/errors.ts'
import type { AppActorOptions } from '../../../runtime/activation/app-actor.ts'
import { eventually } from './eventually.ts'
import { adaptedStores, hostOf } from './running-host.ts'
import { failureOf, settle, Signal, until } from './signal.ts'
import { call, stateOf, TestApplication, textOf, typeOf, upsert } from './test-application.ts'

async function serving(options: Partial<AppActorOptions> = {}, hostOptions: Partial<HostOptions> = {}): Promise<{ app: TestApplication; host: Host }> {
  const app = new TestApplication()
  return { app, host: await hostOf([typeOf(app, options)], hostOptions) }
}

describe('a call', () => {
  it('reaches the application byte for byte, and so does its answer', async () => {
    const { app, host } = await serving({ tellsChain: false })
    app.handlers.get = () => ({ headers: ['content-type', 'text/x', 'x-a', 'b'], body: Buffer.from(' {"a" : 1.0} ') })
    const reply = await call(host, '1', 'get', ' [ 1 ]', { headers: ['x-in', '1'], query: 'q=1' })
    expect(app.requests[0]).toMatchObject({ type: 'Py', id: '1', method: 'get', query: 'q=1', headers: ['x-in', '1'] })
    expect(textOf(app.requests[0]!.body)).toBe(' [ 1 ]')
    expect(reply.app?.headers).toEqual(['content-type', 'text/x', 'x-a', 'b'])
    expect(textOf(reply.app?.body)).toBe(' {"a" : 1.0} ')
  })

  it('may name a method with a path in it', async () => {
    const { app, host } = await serving()
    await call(host, '1', 'admin/purge')
    expect(app.asked).toEqual(['1.admin/purge'])
  })

  it('of a TypeScript caller gives its arguments as JSON and its value back, or the actor\'s own error typed', async () => {
    const { app, host } = await serving()
    app.handlers.add = ({ body }) => `{"got":${textOf(body) || '"nothing"'}}`
    app.handlers.fail = () => ({ headers: ['x-daprerrorresponseheader', 'true'], body: Buffer.from('{"message":"no"}') })
    const ref = host.actor<{ add(...args: unknown[]): unknown; fail(): void }>('Py', '1')
    expect(await ref.add(5)).toEqual({ got: 5 })
    expect(await ref.add()).toEqual({ got: 'nothing' })
    expect(await ref.add(1, 2)).toEqual({ got: [1, 2] })
    expect(await failureOf(ref.fail())).toMatchObject({ code: 'ACTOR_ERROR', message: 'no', data: { message: 'no' } })
  })

  it('waits for the one before it, in order of arrival (P1)', async () => {
    const { app, host } = await serving()
    const gate = new Signal()
    app.handlers.slow = async () => { await gate.wait(); return '' }
    const all = [call(host, '1', 'slow'), call(host, '1', 'a'), call(host, '1', 'b'), call(host, '2', 'other')]
    await all[3]
    expect(app.asked).toEqual(['1.slow', '2.other'])
    gate.fire()
    await Promise.all(all)
    expect(app.asked).toEqual(['1.slow', '2.other', '1.a', '1.b'])
  })

  it('whose caller gave up keeps the next turn out until the application has answered (P1)', async () => {
    const { app, host } = await serving()
    const gate = new Signal()
    let aborted = false
    app.handlers.slow = async (_, signal) => { signal.onabort = () => { aborted = true }; await gate.wait(); return '' }
    expect(await failureOf(call(host, '1', 'slow', '', { timeoutMs: 20 }))).toMatchObject({ code: 'CALL_TIMEOUT' })
    const next = call(host, '1', 'next')
    await settle()
    expect(app.asked).toEqual(['1.slow'])
    expect(aborted).toBe(false)
    gate.fire()
    await next
    expect(app.mostAtOnce).toBe(1)
  })

  it('that takes longer than a turn may is cut: the application is told, the actor forgotten', async () => {
    const { app, host } = await serving({ turnTimeoutMs: 20 })
    const cut = new Signal()
    app.handlers.slow = (_, signal) => new Promise((_, reject) => { signal.onabort = () => { cut.fire(); reject(new TroupeError('CANCELLED', 'cut')) } })
    expect(await failureOf(call(host, '1', 'slow'))).toMatchObject({ code: 'TURN_TIMEOUT' })
    await cut.wait()
    await until(() => app.asked.includes('1 deactivate'), 'the application is told')
    await call(host, '1', 'next')
    expect(app.asked).toEqual(['1.slow', '1 deactivate', '1 forgotten', '1.next'])
  })

  it('with an idempotency key runs once, its repeat gets the same bytes, and another body is a conflict (P6)', async () => {
    const { app, host } = await serving()
    app.handlers.pay = () => '{ "paid": true }'
    const one = await call(host, '1', 'pay', '5', { idempotencyKey: 'k', headers: ['traceparent', 'a'] })
    const two = await call(host, '1', 'pay', '5', { idempotencyKey: 'k', headers: ['traceparent', 'b'] })
    expect(textOf(two.app?.body)).toBe(textOf(one.app?.body))
    expect(two.app?.headers).toEqual(one.app?.headers)
    expect(app.asked).toEqual(['1.pay'])
    expect(await failureOf(call(host, '1', 'pay', '6', { idempotencyKey: 'k' }))).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' })
  })

  it('keeps what its channel says of it', async () => {
    const { app, host } = await serving()
    app.handlers.gone = () => { throw new TroupeError('APP_UNREACHABLE', 'refused', { executed: 'no' }) }
    app.handlers.bad = () => { throw new TroupeError('METHOD_FAILED', 'error from actor service: (500) x') }
    expect(await failureOf(call(host, '1', 'gone'))).toMatchObject({ code: 'APP_UNREACHABLE', executed: 'no' })
    expect(await failureOf(call(host, '1', 'bad'))).toMatchObject({ code: 'METHOD_FAILED', executed: 'yes', message: 'error from actor service: (500) x' })
  })
})

describe('state', () => {
  it('is durable and visible as soon as it is answered, though the turn goes on, and stays when the turn fails', async () => {
    const { app, host } = await serving()
    app.handlers.save = async () => {
      expect(await stateOf(host, '1', 'k')).toBe('')
      await upsert(host, '1', 'k', '{"n":1.0}')
      expect(await stateOf(host, '1', 'k')).toBe('{"n":1.0}')
      throw new TroupeError('METHOD_FAILED', 'error from actor service: (500) late')
    }
    await failureOf(call(host, '1', 'save'))
    expect(await stateOf(host, '1', 'k')).toBe('{"n":1.0}')
    expect(await stateOf(host, '2', 'k')).toBe('')
  })

  it('is one commit for all changes of a transaction, and gone when its time is over', async () => {
    const stores = adaptedStores()
    const { app, host } = await serving({}, { store: stores })
    app.handlers.save = async () => {
      await host.manage({ type: 'Py', id: '1', operation: 'state.transact', args: [[
        { key: 'a', value: { json: '1' } }, { key: 'b', value: { bytes: Buffer.from([1, 2]) } }, { key: 'c', value: { json: '3' }, ttlMs: 5_000 }, { key: 'd', value: undefined },
      ]] })
      return ''
    }
    await call(host, '1', 'save')
    expect(stores.actors.commits).toBe(1)
    expect((await host.readState('Py', '1', 'b')).app?.body).toEqual(new Uint8Array([1, 2]))
    expect((await host.readState('Py', '1', 'c')).app?.headers[0]).toBe('metadata.ttlexpiretime')
  })

  it('is refused for an actor that is not active on this host (P4)', async () => {
    const { host } = await serving()
    expect(await failureOf(upsert(host, '1', 'k', '1'))).toMatchObject({ code: 'NOT_ACTIVE', message: 'actor instance is missing' })
  })

  it('that the store refuses is an error for whoever saves, and the application is told to forget the actor (P4)', async () => {
    const stores = adaptedStores()
    const { app, host } = await serving({}, { store: stores })
    const seen = new Signal<{ code: string }>()
    app.handlers.save = async () => {
      stores.actors.answerNext('fenced')
      seen.fire(await failureOf(upsert(host, '1', 'k', '1')))
      return ''
    }
    expect(await failureOf(call(host, '1', 'save'))).toMatchObject({ code: 'FENCED' })
    expect(await seen.wait()).toMatchObject({ code: 'FENCED' })
    await until(() => app.asked.includes('1 deactivate'), 'the application is told')
  })
})

describe('a chain', () => {
  const echo = (request: AppRequest): { reentrancyId: string } => ({ reentrancyId: headerOf(request.headers, 'dapr-reentrancy-id')! })

  it('comes back into its actor where the type says so, to the depth that it says', async () => {
    const { app, host } = await serving({ reentrant: true, maxStackDepth: 5 })
    app.handlers.down = async request => textOf((await call(host, '1', 'down', '', echo(request))).app?.body)
    expect(await failureOf(call(host, '1', 'down'))).toMatchObject({ code: 'STACK_DEPTH', message: 'maximum stack depth exceeded' })
    expect(app.asked.length).toBe(5)
  })

  it('is reported as a cycle at once where it does not, also through another actor (P8)', async () => {
    const { app, host } = await serving()
    app.handlers.ask = async request => textOf((await call(host, '2', 'askBack', '', echo(request))).app?.body)
    app.handlers.askBack = async request => textOf((await call(host, '1', 'never', '', echo(request))).app?.body)
    expect(await failureOf(call(host, '1', 'ask'))).toMatchObject({ code: 'CALL_CYCLE', data: { chain: ['Py/1', 'Py/2', 'Py/1'] } })
  })

  it('goes through a class between two turns of the application', async () => {
    const app = new TestApplication()
    class Between extends Actor {
      async back() { return (this.ctx.actor('Py', '1') as unknown as { inner(): Promise<unknown> }).inner() }
    }
    const host = await hostOf([typeOf(app, { reentrant: true }), Between])
    app.handlers.outer = async request => String((await host.call({ type: 'Between', id: 'b', method: 'back', args: [], ...echo(request) })).value)
    app.handlers.inner = () => '7'
    expect(textOf((await call(host, '1', 'outer')).app?.body)).toBe('7')
  })

  it('has the id that its caller gave where it may come back in, and none where the type is not told', async () => {
    const { app, host } = await serving({ reentrant: true })
    await call(host, '1', 'x', '', { headers: ['dapr-reentrancy-id', 'mine'] })
    expect(headerOf(app.requests[0]!.headers, 'dapr-reentrancy-id')).toBe('mine')
    const silent = await serving({ tellsChain: false })
    await call(silent.host, '1', 'x')
    expect(silent.app.requests[0]!.headers).toEqual([])
  })
})

describe('a reminder', () => {
  const remind = (host: Host, name: string, schedule: object, data?: object) =>
    host.manage({ type: 'Py', id: '1', operation: 'reminders.setData', args: [name, schedule, data, { dueTime: '1s', period: '', ttl: '' }] })

  it('gives the application its data byte for byte, and is shown as it was written', async () => {
    const { app, host } = await serving()
    await remind(host, 'json', { in: '1h' }, { json: '{"b":1.0,"a":[]}' })
    expect((await host.manage({ type: 'Py', id: '1', operation: 'reminders.get', args: ['json'] })).value).toMatchObject({ json: '{"b":1.0,"a":[]}', written: { dueTime: '1s' }, args: [] })
    await remind(host, 'json', { in: 1 }, { json: '{"b":1.0,"a":[]}' })
    await remind(host, 'bytes', { in: 1 }, { bytes: Buffer.from('"foo"') })
    await remind(host, 'none', { in: 1 })
    await until(() => app.callbacks.length === 3, 'all three were called')
    expect(Object.fromEntries(app.callbacks.map(({ name, data }) => [name, data]))).toEqual({ json: '{"b":1.0,"a":[]}', bytes: '"ImZvbyI="', none: undefined })
    expect(app.callbacks[0]).toMatchObject({ type: 'Py', id: '1', dueTime: '', period: '', callback: '' })
  })

  it('ends when the application cancels it', async () => {
    const { app, host } = await serving()
    app.callback = () => ({ cancel: true })
    await remind(host, 'r', { every: 1 })
    await eventually(async () => (await host.manage({ type: 'Py', id: '1', operation: 'reminders.list', args: [] })).value as unknown[], list => list.length === 0, 'it is gone')
    expect(app.callbacks.length).toBe(1)
  })

  it('that fails is tried as often as its policy says; an application that is away does not count', async () => {
    const { app, host } = await serving()
    let tries = 0
    app.callback = () => {
      if (++tries <= 3) throw new TroupeError('APP_UNREACHABLE', 'refused', { executed: 'no' })
      throw new TroupeError('UNKNOWN_METHOD', 'actor method not found')
    }
    await remind(host, 'r', { in: 1, retry: { attempts: 2, backoff: 1 } })
    await eventually(async () => (await host.manage({ type: 'Py', id: '1', operation: 'reminders.get', args: ['r'] })).value as { dead?: object }, found => found?.dead !== undefined, 'it is dead')
    expect(tries).toBe(5)
  })

  it('can be set, read and deleted by its own turn', async () => {
    const { app, host } = await serving()
    app.handlers.set = async () => {
      await remind(host, 'r', { in: '1h' })
      const { value } = await host.manage({ type: 'Py', id: '1', operation: 'reminders.get', args: ['r'] })
      await host.manage({ type: 'Py', id: '1', operation: 'reminders.delete', args: ['r'] })
      return JSON.stringify((value as { name: string }).name)
    }
    expect(textOf((await call(host, '1', 'set')).app?.body)).toBe('"r"')
  })
})

describe('a timer', () => {
  const timer = (host: Host, schedule: object, data?: object) => host.manage({ type: 'Py', id: '1', operation: 'timers.set', args: ['t', {
    schedule, callback: 'cb', data, written: { dueTime: '0s', period: '10ms', ttl: '' } }] })

  it('calls back with what it was registered with, until it is deleted', async () => {
    const { app, host } = await serving()
    await timer(host, { first: 0, every: 5, keepAlive: true }, { json: 'null' })
    await until(() => app.callbacks.length === 3, 'three ticks')
    expect(app.callbacks[0]).toMatchObject({ name: 't', callback: 'cb', data: 'null', dueTime: '0s', period: '10ms' })
    expect((await host.manage({ type: 'Py', id: '1', operation: 'timers.get', args: ['t'] })).value).toMatchObject({ name: 't', callback: 'cb', data: { json: 'null' } })
    await host.manage({ type: 'Py', id: '1', operation: 'timers.delete', args: ['t'] })
    expect((await host.manage({ type: 'Py', id: '1', operation: 'timers.list', args: [] })).value).toEqual([])
  })

  it('ends after its time to live, its times, or when the application cancels it', async () => {
    const { app, host } = await serving()
    await timer(host, { first: 0, every: 5, until: 12, keepAlive: true })
    await eventually(async () => (await host.manage({ type: 'Py', id: '1', operation: 'timers.list', args: [] })).value as unknown[], list => list.length === 0, 'it is gone')
    expect(app.callbacks.length).toBeLessThanOrEqual(3)
    app.callback = () => ({ cancel: true })
    await timer(host, { first: 0, every: 5, keepAlive: true })
    await eventually(async () => (await host.manage({ type: 'Py', id: '1', operation: 'timers.list', args: [] })).value as unknown[], list => list.length === 0, 'it is gone')
  })

  it('with more data than a reminder may have is refused (P7)', async () => {
    const { host } = await serving()
    expect(await failureOf(timer(host, { first: 10_000 }, { json: `"${'x'.repeat(300_000)}"` }))).toMatchObject({ code: 'PAYLOAD_TOO_LARGE', message: expect.stringContaining('300002 bytes') as string })
  })

  it('keeps its actor from being idle', async () => {
    const { app, host } = await serving({ idleMs: 20 })
    await call(host, '2', 'x')
    await timer(host, { first: 10_000, every: 10_000, keepAlive: true })
    await until(() => app.asked.includes('2 deactivate'), 'the other actor is idle')
    expect((await host.manage({ type: 'Py', id: '1', operation: 'timers.list', args: [] })).value).toHaveLength(1)
  })
})

describe('deactivation', () => {
  it('of a host that stops lets a turn that runs store its state', async () => {
    const { app, host } = await serving()
    const stopping = new Signal()
    app.handlers.save = async () => {
      await stopping.wait()
      await settle()
      await upsert(host, '1', 'k', '1')
      return '"saved"'
    }
    const saved = call(host, '1', 'save')
    await until(() => app.running === 1, 'the turn runs')
    const stopped = host.stop()
    stopping.fire()
    expect(textOf((await saved).app?.body)).toBe('"saved"')
    await stopped
  })

  it('tells the application once for each active actor when the host stops', async () => {
    const { app, host } = await serving()
    await Promise.all([call(host, '1', 'x'), call(host, '2', 'x')])
    await host.stop()
    expect(app.asked.filter(what => what.endsWith('deactivate')).sort()).toEqual(['1 deactivate', '2 deactivate'])
  })
})
