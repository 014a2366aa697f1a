// An application is told to forget an actor before anybody may call it again, and what its own hook asks for meanwhile does not wait
// for itself: deactivation that uses timers, reminders and state; hosts that stop or lose their lease.
import { describe, expect, it, onTestFinished } from 'vitest'
import { SystemClock } from '../../../core/clock.ts'
import { createHost, type Host } from '../../../index.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'
import { adaptedStores, hostOf } from './running-host.ts'
import { failureOf, settle, Signal, until } from './signal.ts'
import { call, stateOf, TestApplication, textOf, typeOf, upsert } from './test-application.ts'

class SharedStore extends MemoryActorStore {
  override readonly shared = true as never
}

async function fence(host: Host, store: MemoryClusterStore): Promise<void> {
  const before = host.incarnation
  await store.endLease(before)
  await until(() => host.incarnation !== before && host.phase === 'serving', 'it serves as a new incarnation', 10_000)
}

describe('a hook of the application that is told to forget an actor', () => {
  it('may delete a timer, set a reminder, read and store state, as in any turn', async () => {
    const app = new TestApplication()
    const host = await hostOf([typeOf(app, { idleMs: 20 })])
    const about = { type: 'Py', id: '1' }
    let result: unknown
    app.handlers.go = async () => { await upsert(host, '1', 'k', '1'); return '' }
    app.forget = async () => {
      const beganMs = performance.now()
      await host.manage({ ...about, operation: 'timers.delete', args: ['t'] })
      await host.manage({ ...about, operation: 'reminders.setData', args: ['r', { in: '1h' }, undefined, { dueTime: '1h', period: '', ttl: '' }] })
      const read = await stateOf(host, '1', 'k')
      await upsert(host, '1', 'k', '2')
      result = { read, quick: performance.now() - beganMs < 1000 }
    }
    await call(host, '1', 'go')
    await until(() => result !== undefined, 'the hook has ended')
    expect(result).toEqual({ read: '1', quick: true })
    await until(() => host.hostStatus().activations.Py === 0, 'the actor is gone')
    app.forget = () => undefined
    expect(await stateOf(host, '1', 'k')).toBe('2')
    expect((await host.manage({ ...about, operation: 'reminders.get', args: ['r'] })).value).toMatchObject({ name: 'r' })
  })

  it('keeps calls waiting while it runs, and never for longer than two seconds', async () => {
    const app = new TestApplication()
    const host = await hostOf([typeOf(app, { idleMs: 20 })])
    app.forget = (_, signal) => new Promise((_, reject) => { signal.onabort = () => reject(signal.reason as Error) })
    await call(host, '1', 'one')
    await until(() => app.asked.includes('1 deactivate'), 'it is told')
    const beganMs = performance.now()
    const two = call(host, '1', 'two')
    await settle()
    expect(app.asked).toEqual(['1.one', '1 deactivate'])
    app.forget = () => undefined
    await two
    expect(performance.now() - beganMs).toBeLessThan(4000)
    expect(app.asked.slice(0, 3)).toEqual(['1.one', '1 deactivate', '1.two'])
  })

  it('is told once, also when a drain without patience cuts the telling short', async () => {
    const app = new TestApplication()
    const host = await hostOf([typeOf(app, { drainMs: 0 })], { drainTimeout: 0 })
    const slow = new Signal()
    app.forget = () => slow.wait()
    await call(host, '1', 'one')
    const stopped = host.stop()
    await until(() => app.asked.includes('1 deactivate'), 'it is told')
    slow.fire()
    await stopped
    expect(app.asked).toEqual(['1.one', '1 deactivate', '1 forgotten'])
  })
})

describe('a timer', () => {
  const timer = (host: Host) => host.manage({ type: 'Py', id: '1', operation: 'timers.set', args: ['t', {
    schedule: { first: 0, every: 10, keepAlive: true }, callback: 'cb', data: undefined, written: { dueTime: '0s', period: '10ms', ttl: '' } }] })

  it.each([true, false])('that is set while the actor is being forgotten is one of its next life (there was one before: %s)', async before => {
    const app = new TestApplication()
    const host = await hostOf([typeOf(app, { idleMs: 20 })])
    if (before) {
      await timer(host)
      await host.manage({ type: 'Py', id: '1', operation: 'timers.delete', args: ['t'] })
    }
    const forgotten = new Signal()
    app.forget = () => forgotten.wait()
    await call(host, '1', 'one')
    await until(() => app.asked.includes('1 deactivate'), 'it is told')
    const set = timer(host)
    await settle()
    app.forget = () => undefined
    forgotten.fire()
    await set
    const ticks = app.callbacks.length
    await until(() => app.callbacks.length > ticks + 2, 'it ticks')
    expect((await host.manage({ type: 'Py', id: '1', operation: 'timers.list', args: [] })).value).toMatchObject([{ name: 't' }])
  })

  it('that a turn sets whose actor is about to go is no failure: it goes with the actor', async () => {
    const app = new TestApplication()
    const host = await hostOf([typeOf(app)])
    await timer(host)
    const stopping = new Signal()
    app.handlers.set = async () => { await stopping.wait(); await timer(host); return '"set"' }
    const answer = call(host, '1', 'set')
    await until(() => app.running === 1, 'the turn runs')
    const stopped = host.stop()
    await settle(50)
    stopping.fire()
    expect(textOf((await answer).app?.body)).toBe('"set"')
    await stopped
  })
})

describe('a host', () => {
  it('that stops has told the application of all actors, those whose turns it cut as well', async () => {
    const app = new TestApplication()
    const host = await hostOf([typeOf(app, { drainMs: 20 })], { drainTimeout: 20 })
    app.handlers.hang = (_, signal) => new Promise((_, reject) => { signal.onabort = () => reject(signal.reason as Error) })
    app.forget = () => settle(50)
    const hung = failureOf(call(host, '1', 'hang'))
    await until(() => app.running === 1, 'the turn runs')
    await host.stop()
    await hung
    expect(app.asked).toEqual(['1.hang', '1 deactivate', '1 forgotten'])
  })

  it('that has lost its lease runs no actor again that the application is still being told to forget', async () => {
    const cluster = new MemoryClusterStore(new SystemClock())
    const app = new TestApplication()
    const host = await createHost({ actors: [typeOf(app)], store: { actors: new SharedStore(), cluster }, hostId: 'one', leaseTtl: 400 })
    onTestFinished(() => host.stop())
    await call(host, '1', 'one')
    const forgotten = new Signal()
    app.forget = () => forgotten.wait()
    const fenced = fence(host, cluster)
    await until(() => app.asked.includes('1 deactivate'), 'it is told')
    const two = call(host, '1', 'two')
    await new Promise(resolve => setTimeout(resolve, 1000))
    forgotten.fire()
    await fenced
    await two
    expect(app.asked).toEqual(['1.one', '1 deactivate', '1 forgotten', '1.two'])
  })

  it('whose actor ended with a write on its way tells the application before the actor is called again', async () => {
    const stores = adaptedStores()
    const app = new TestApplication()
    const host = await hostOf([typeOf(app, { turnTimeoutMs: 50 })], { store: stores })
    app.handlers.save = async () => {
      void upsert(host, '1', 'k', '1').catch(() => undefined)
      await new Signal().wait('nothing').catch(() => undefined)
      return ''
    }
    await call(host, '1', 'warm')
    const release = stores.actors.hold()
    const cut = failureOf(call(host, '1', 'save'))
    await stores.actors.committing(1)
    expect(await cut).toMatchObject({ code: 'TURN_TIMEOUT' })
    const next = call(host, '1', 'next')
    await until(() => app.asked.includes('1 forgotten'), 'it is told while the write is on its way')
    expect(app.asked).not.toContain('1.next')
    release()
    await next
    expect(app.asked).toEqual(['1.warm', '1.save', '1 deactivate', '1 forgotten', '1.next'])
    expect(textOf((await host.readState('Py', '1', 'k')).app?.body)).toBe('1')
  })
})
