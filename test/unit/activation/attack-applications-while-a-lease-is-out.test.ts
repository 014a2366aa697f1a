// What an application asks for while its turn runs comes into the turn also when it had to wait for its host's lease: in the queue
// behind the turn, it would wait for the turn that waits for it. Real host, candidate and streams; renewals can be held back.
import { expect, it, onTestFinished } from 'vitest'
import { SystemClock } from '../../../core/clock.ts'
import { createHost, TroupeError, type Host } from '../../../index.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'
import { settle, Signal, until } from './signal.ts'
import { call, stateOf, TestApplication, textOf, typeOf, upsert } from './test-application.ts'

class SharedStore extends MemoryActorStore {
  override readonly shared = true as never
}

class HeldStore extends MemoryClusterStore {
  away = false
  override async renewLease(lease: Parameters<MemoryClusterStore['renewLease']>[0]): ReturnType<MemoryClusterStore['renewLease']> {
    if (this.away) throw new TroupeError('STORE_UNAVAILABLE', 'held back by the test')
    return super.renewLease(lease)
  }
  override async revokeLease(): ReturnType<MemoryClusterStore['revokeLease']> {
    return 'held'
  }
}

for (const reentrant of [false, true]) {
  it(`state and reminders of a running turn (${reentrant ? '' : 'not '}reentrant) go on when the lease is renewed`, async () => {
    const store = new HeldStore(new SystemClock())
    const app = new TestApplication()
    const host: Host = await createHost({ actors: [typeOf(app, { reentrant })], store: { actors: new SharedStore(), cluster: store }, hostId: 'one', leaseTtl: 400 })
    onTestFinished(() => host.stop())
    const runOut = new Signal()
    app.handlers.save = async () => {
      await runOut.wait()
      await Promise.all([
        upsert(host, '1', 'k', '1'),
        host.manage({ type: 'Py', id: '1', operation: 'reminders.setData', args: ['r', { in: '1h' }, undefined, { dueTime: '1h', period: '', ttl: '' }] }),
        stateOf(host, '1', 'other'),
      ])
      return JSON.stringify(await stateOf(host, '1', 'k'))
    }
    const saved = call(host, '1', 'save')
    await until(() => app.running === 1, 'the turn runs')
    const behind = call(host, '1', 'next')
    store.away = true
    await until(() => host.hostStatus().leaseLeftMs! < 0, 'the lease has run out')
    runOut.fire()
    await settle()
    store.away = false
    expect(textOf((await saved).app?.body)).toBe('"1"')
    await behind
    expect(app.asked).toEqual(['1.save', '1.next'])
    expect(app.mostAtOnce).toBe(1)
  })
}
