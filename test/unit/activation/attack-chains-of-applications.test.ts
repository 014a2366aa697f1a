// An echoed `Dapr-Reentrancy-Id` says which turn calls: calls beside each other in one chain are no cycle and do not come into each
// other's turns, real cycles are still found (P1, P8), and where a type is reentrant one id still is one chain, as SDKs have it.
import { describe, expect, it } from 'vitest'
import { headerOf } from '../../../actors/app-channel.ts'
import { hostOf } from './running-host.ts'
import { failureOf, settle, Signal, until } from './signal.ts'
import { call, echo, TestApplication, textOf, typeOf } from './test-application.ts'

const idOf = (app: TestApplication, what: string): string | undefined =>
  headerOf(app.requests[app.asked.filter(each => !each.includes(' ')).indexOf(what)]!.headers, 'dapr-reentrancy-id')

describe('where a type is not reentrant', () => {
  it('two calls of one turn to the same actor at once run one after the other', async () => {
    const app = new TestApplication()
    const host = await hostOf([typeOf(app)])
    const oneRuns = new Signal()
    app.handlers.both = async request => {
      const one = call(host, 'b', 'one', '', echo(request))
      await oneRuns.wait()
      await Promise.all([one, call(host, 'b', 'two', '', echo(request))])
      return '"done"'
    }
    app.handlers.one = async () => { oneRuns.fire(); await settle(); return '' }
    expect(textOf((await call(host, 'a', 'both')).app?.body)).toBe('"done"')
    expect(app.asked).toEqual(['a.both', 'b.one', 'b.two'])
    // `a` and one of `b`.
    expect(app.mostAtOnce).toBe(2)
  })

  it('an actor that two branches of a chain call is none of their own', async () => {
    const app = new TestApplication()
    const host = await hostOf([typeOf(app)])
    const cRuns = new Signal()
    app.handlers.fork = async request => {
      const viaC = call(host, 'c', 'slow', '', echo(request))
      await cRuns.wait()
      await Promise.all([viaC, call(host, 'b', 'askC', '', echo(request))])
      return ''
    }
    app.handlers.slow = async () => { cRuns.fire(); await settle(); return '' }
    app.handlers.askC = async request => { await call(host, 'c', 'quick', '', echo(request)); return '' }
    await call(host, 'a', 'fork')
    expect(app.asked).toEqual(['a.fork', 'c.slow', 'b.askC', 'c.quick'])
  })

  it('two clients that send the same id wait for each other as all do', async () => {
    for (const tellsChain of [true, false]) {
      const app = new TestApplication()
      const host = await hostOf([typeOf(app, { tellsChain })])
      const mine = { reentrancyId: 'mine', headers: ['dapr-reentrancy-id', 'mine'] }
      const gate = new Signal()
      app.handlers.slow = async () => { await gate.wait(); return '' }
      const slow = call(host, 'a', 'slow', '', mine)
      await until(() => app.running === 1, 'the first one runs')
      const next = call(host, 'a', 'next', '', mine)
      await settle()
      gate.fire()
      await Promise.all([slow, next])
      expect(app.asked).toEqual(['a.slow', 'a.next'])
      expect(app.mostAtOnce).toBe(1)
    }
  })

  it('code that a turn has left behind calls as anybody does', async () => {
    const app = new TestApplication()
    const host = await hostOf([typeOf(app)])
    let left!: Promise<unknown>
    const over = new Signal()
    const oneRuns = new Signal()
    app.handlers.leave = request => {
      left = over.wait().then(async () => {
        const one = call(host, 'b', 'one', '', echo(request))
        await oneRuns.wait()
        await Promise.all([one, call(host, 'b', 'two', '', echo(request)), call(host, 'a', 'again', '', echo(request))])
      })
      return ''
    }
    app.handlers.one = async () => { oneRuns.fire(); await settle(); return '' }
    await call(host, 'a', 'leave')
    over.fire()
    await left
    expect(app.asked.slice(1).sort()).toEqual(['a.again', 'b.one', 'b.two'])
  })

  it('a cycle is found through other actors and through branches (P8)', async () => {
    const app = new TestApplication()
    const host = await hostOf([typeOf(app)])
    app.handlers.fork = async request => {
      await Promise.all([call(host, 'b', 'back', '', echo(request)), call(host, 'c', 'quick', '', echo(request))])
      return ''
    }
    app.handlers.back = async request => { await call(host, 'a', 'never', '', echo(request)); return '' }
    expect(await failureOf(call(host, 'a', 'fork'))).toMatchObject({ code: 'CALL_CYCLE', data: { chain: ['Py/a', 'Py/b', 'Py/a'] } })
    await until(() => app.running === 0, 'all is over')
  })

  it('the strict mode tells what the caller gave, and takes it for nothing', async () => {
    const app = new TestApplication()
    const host = await hostOf([typeOf(app, { tellsChain: false })])
    await call(host, 'a', 'x', '', { reentrancyId: 'mine', headers: ['dapr-reentrancy-id', 'mine'] })
    expect(idOf(app, 'a.x')).toBe('mine')
  })
})

describe('where a type is reentrant', () => {
  it('the id stays the same down the chain, so that whoever kept the first one comes back in', async () => {
    const app = new TestApplication()
    const host = await hostOf([typeOf(app, { reentrant: true })])
    let first: ReturnType<typeof echo> | undefined
    let left = 3
    app.handlers.down = async request => {
      first ??= echo(request)
      if (--left > 0) await call(host, left % 2 === 0 ? 'b' : 'a', 'down', '', first)
      return ''
    }
    await call(host, 'a', 'down')
    expect(app.asked).toEqual(['a.down', 'b.down', 'a.down'])
    expect(new Set(app.requests.map(({ headers }) => headerOf(headers, 'dapr-reentrancy-id'))).size).toBe(1)
  })

  it('it has the id that its caller gave', async () => {
    const app = new TestApplication()
    const host = await hostOf([typeOf(app, { reentrant: true })])
    await call(host, 'a', 'x', '', { reentrancyId: 'mine', headers: ['dapr-reentrancy-id', 'mine'] })
    expect(idOf(app, 'a.x')).toBe('mine')
  })
})
