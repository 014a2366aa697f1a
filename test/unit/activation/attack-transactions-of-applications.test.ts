// A transaction of an application's state is all or nothing, and nobody sees a part of it, however many of them one turn has under way
// (P2, P3).
import { setImmediate as nextTick } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Host } from '../../../index.ts'
import type { StateChange } from '../../../actors/management.ts'
import { adaptedStores, hostOf } from './running-host.ts'
import { failureOf } from './signal.ts'
import { call, stateOf, TestApplication, typeOf } from './test-application.ts'

const tooLong = 'x'.repeat(300)
const put = (key: string, json: string): StateChange => ({ key, value: { json } })
const transact = (host: Host, changes: StateChange[]) => host.manage({ type: 'Py', id: '1', operation: 'state.transact', args: [changes] })

async function inTurn<T>(work: (host: Host) => Promise<T>, stores = adaptedStores()): Promise<{ host: Host; result: T; stores: ReturnType<typeof adaptedStores> }> {
  const app = new TestApplication()
  const host = await hostOf([typeOf(app)], { store: stores })
  let result: T
  app.handlers.work = async () => { result = await work(host); return '' }
  await call(host, '1', 'work')
  return { host, result: result!, stores }
}

describe('a transaction that fails', () => {
  it('leaves nothing, though another one of the same turn is stored beside it', async () => {
    const { host } = await inTurn(host => Promise.all([
      failureOf(transact(host, [put('a', '1'), put(tooLong, '1')])), transact(host, [put('b', '2')]),
    ]))
    expect([await stateOf(host, '1', 'a'), await stateOf(host, '1', 'b')]).toEqual(['', '2'])
  })

  it('takes nothing of another one with it', async () => {
    const { host } = await inTurn(host => Promise.all([
      transact(host, [put('a', '1')]), failureOf(transact(host, [put('b', '2'), put(tooLong, '1')])), transact(host, [put('c', '3')]),
    ]))
    expect(await Promise.all(['a', 'b', 'c'].map(key => stateOf(host, '1', key)))).toEqual(['1', '', '3'])
  })

  it('is seen by no read beside it', async () => {
    const { result } = await inTurn(host => Promise.all([failureOf(transact(host, [put('a', '1'), put(tooLong, '1')])), stateOf(host, '1', 'a')]))
    expect(result[1]).toBe('')
  })
})

describe('an operation on reminders', () => {
  const remind = (host: Host, name: string, schedule: object) => host.manage({ type: 'Py', id: '1', operation: 'reminders.setData', args: [name, schedule, undefined, undefined] })
  const names = async (host: Host) => ((await host.manage({ type: 'Py', id: '1', operation: 'reminders.list', args: [] })).value as { name: string }[]).map(({ name }) => name)

  it('that was answered stays, though another one of the same turn fails beside it', async () => {
    const stores = adaptedStores()
    const { actors } = stores
    const loadEntries = actors.loadEntries.bind(actors)
    // As a store that is elsewhere.
    actors.loadEntries = reads => loadEntries(reads).map(async read => { await nextTick(); return read })
    const { host } = await inTurn(async host => {
      await remind(host, 'there', { in: '1h' })
      for (let i = 0; i < 5; i++) {
        await Promise.all([
          remind(host, `a${i}`, { in: '1h' }), failureOf(remind(host, 'there', { in: '2h', overwrite: false })), remind(host, `b${i}`, { in: '1h' }),
          failureOf(remind(host, 'there', { in: '2h', overwrite: false })), transact(host, [put(`k${i}`, '1')]),
        ])
      }
    }, stores)
    expect(await names(host)).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'b0', 'b1', 'b2', 'b3', 'b4', 'there'])
    expect(await Promise.all([0, 1, 2, 3, 4].map(i => stateOf(host, '1', `k${i}`)))).toEqual(['1', '1', '1', '1', '1'])
  })

  it('is seen by nobody before it is durable (P3)', async () => {
    const stores = adaptedStores()
    let durable = false
    const seen: { names: string[]; durable: boolean }[] = []
    await inTurn(async host => {
      await remind(host, 'first', { in: '1h' })
      const release = stores.actors.hold()
      const set = remind(host, 'second', { in: '1h' })
      const lists = []
      for (let i = 0; i < 12; i++) {
        lists.push(names(host).then(names => { seen.push({ names, durable }) }))
        await Promise.resolve()
      }
      await stores.actors.committing(2)
      durable = true
      release()
      await Promise.all([set, ...lists])
    }, stores)
    expect(seen.filter(({ names, durable }) => names.includes('second') && !durable)).toEqual([])
  })
})

it('what a read beside a transaction sees of it is durable (P3)', async () => {
  const stores = adaptedStores()
  let durable = false
  const { result } = await inTurn(async host => {
    const release = stores.actors.hold()
    const stored = transact(host, [put('a', '1')])
    const read = stateOf(host, '1', 'a').then(seen => ({ seen, durable }))
    await stores.actors.committing(1)
    durable = true
    release()
    await stored
    return read
  }, stores)
  expect([{ seen: '', durable: false }, { seen: '1', durable: true }]).toContainEqual(result)
})

it('one without changes is answered and stores nothing; the last of two changes of a key counts', async () => {
  const { host, stores } = await inTurn(async host => {
    await transact(host, [])
    await transact(host, [put('a', '1'), { key: 'a', value: undefined }, put('a', '3'), put('b', '1'), { key: 'b', value: undefined }])
  })
  expect(stores.actors.commits).toBe(1)
  expect([await stateOf(host, '1', 'a'), await stateOf(host, '1', 'b')]).toEqual(['3', ''])
})
