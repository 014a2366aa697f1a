// Troupe's own routes: management of one actor, pages of a type; and idempotency keys, which only calls take.
import { expect, test } from 'vitest'
import type { ReminderInfo } from '../../../actors/actor-reminders.ts'
import { managementOperations, type ManagementOperation } from '../../../actors/management.ts'
import { decode, encode } from '../../../core/codec.ts'
import { TroupeError } from '../../../core/errors.ts'
import { serve } from './serving.ts'

const CODEC = 'application/x-msgpack'
const actor = '/troupe/v1/actors/Account/a'
const reminder = (id: string, name: string, dead = false): ReminderInfo & { id: string } => ({
  id, name, schedule: { every: 1000 }, method: 'tick', args: [1], due: dead ? undefined : new Date(5), count: 0, failures: 0,
  dead: dead ? { error: 'boom', at: new Date(9) } : undefined,
})

const ofDoors: readonly ManagementOperation[] = ['reminders.setData', 'timers.set', 'timers.get', 'timers.list', 'timers.delete', 'state.transact']

test.each(managementOperations.filter(operation => !ofDoors.includes(operation)))('%s travels in codec bytes, there and back', async operation => {
  const { url, dispatcher } = await serve()
  const args = ['r', { at: new Date(5) }, undefined, new Map([[1, 2n]])]
  dispatcher.operations[operation] = r => ({ got: r.args, none: undefined, when: new Date(7) })
  const response = await fetch(`${url}${actor}/manage/${operation}`, {
    method: 'POST', body: encode(args, 'args') as Uint8Array<ArrayBuffer>, headers: { 'content-type': CODEC, accept: CODEC, 'troupe-timeout': '900' },
  })
  expect(response.status).toBe(200)
  expect(decode(new Uint8Array(await response.arrayBuffer()), 'reply')).toEqual({ got: args, none: undefined, when: new Date(7) })
  expect(dispatcher.managed[0]).toMatchObject({ type: 'Account', id: 'a', operation, args, timeoutMs: 900 })
})

test('JSON is understood as well, and undefined is 204', async () => {
  const { ask, dispatcher } = await serve()
  dispatcher.operations['reminders.get'] = r => r.args[0] === 'r1' ? reminder('a', 'r1') : undefined
  expect(await ask(`${actor}/manage/reminders.get`, { method: 'POST', body: '"r1"' })).toMatchObject({ status: 200, body: { name: 'r1', due: '1970-01-01T00:00:00.005Z' } })
  expect(await ask(`${actor}/manage/reminders.get`, { method: 'POST', body: '["r2"]' })).toMatchObject({ status: 204 })
})

test('operations that do not exist are 404 and name those that do', async () => {
  const { ask, dispatcher } = await serve()
  for (const operation of ['reminders.purge', 'constructor', '__proto__', 'set', ...ofDoors]) {
    expect(await ask(`${actor}/manage/${operation}`, { method: 'POST' })).toMatchObject({
      status: 404, body: { code: 'NOT_FOUND', message: expect.stringContaining('reminders.set, reminders.get') as string },
    })
  }
  expect(await ask(`${actor}/manage/reminders.get`)).toMatchObject({ status: 405 })
  expect(await ask('/troupe/v1/actors/Account/a%23/manage/reminders.get', { method: 'POST' })).toMatchObject({ status: 400 })
  expect(dispatcher.managed).toEqual([])
})

test('a dead reminder is retried, sends are listed, retried and dropped', async () => {
  const { ask, dispatcher } = await serve()
  const none = () => undefined
  Object.assign(dispatcher.operations, {
    'reminders.retry': none, 'sends.retry': none, 'sends.list': () => [{ number: 3 }],
    'sends.delete': () => { throw new TroupeError('NOT_FOUND', 'Account/a has no dead send 9') },
  })
  expect(await ask(`${actor}/reminders/r%201/retry`, { method: 'POST' })).toMatchObject({ status: 204 })
  expect(await ask(`${actor}/sends?dead&after=2&limit=10`)).toMatchObject({ status: 200, body: [{ number: 3 }] })
  expect(await ask(`${actor}/sends`)).toMatchObject({ status: 200 })
  expect(await ask(`${actor}/sends/7/retry`, { method: 'POST' })).toMatchObject({ status: 204 })
  expect(await ask(`${actor}/sends/9`, { method: 'DELETE' })).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
  expect(dispatcher.managed.map(r => [r.operation, r.args])).toEqual([
    ['reminders.retry', ['r 1']], ['sends.list', [{ dead: true, after: 2, limit: 10 }]], ['sends.list', [{}]], ['sends.retry', [7]], ['sends.delete', [9]],
  ])
  for (const path of ['/sends/x/retry', '/sends/0/retry', '/sends/-1/retry', '/sends/1.5/retry', '/reminders/a%2Fb/retry', `/sends/${'9'.repeat(17)}/retry`]) {
    expect(await ask(actor + path, { method: 'POST' }), path).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } })
  }
  for (const query of ['dead=yes', 'after=-1', 'limit=1001', 'cursor=x']) expect(await ask(`${actor}/sends?${query}`), query).toMatchObject({ status: 400 })
})

test('a type is read in pages, in JSON and in codec bytes', async () => {
  const { url, ask, dispatcher } = await serve()
  dispatcher.reminders = [reminder('a', 'r1'), reminder('b', 'r1', true), reminder('c', 'r2')]
  dispatcher.sends = [{ from: 'a', number: 1, type: 'T', id: 'x', method: 'm', args: [], failures: 0, problem: undefined, dead: undefined }]
  const first = await ask('/troupe/v1/reminders/Account?limit=2')
  expect(first).toMatchObject({ status: 200, body: { cursor: '2', reminders: [{ id: 'a', name: 'r1', method: 'tick', due: '1970-01-01T00:00:00.005Z' }, { id: 'b', dead: { error: 'boom' } }] } })
  expect((await ask(`/troupe/v1/reminders/Account?limit=2&cursor=${first.body.cursor}`)).body).toEqual({ reminders: [expect.objectContaining({ id: 'c' })] })
  expect((await ask('/troupe/v1/reminders/Account?dead=true')).body.reminders).toEqual([expect.objectContaining({ id: 'b' })])
  expect((await ask('/troupe/v1/sends/Account')).body).toEqual({ sends: [{ from: 'a', number: 1, type: 'T', id: 'x', method: 'm', args: [], failures: 0 }] })
  expect(dispatcher.pages).toEqual([
    { type: 'Account', limit: 2 }, { type: 'Account', limit: 2, cursor: '2' }, { type: 'Account', dead: true }, { type: 'Account' },
  ])
  const response = await fetch(`${url}/troupe/v1/reminders/Account?limit=1`, { headers: { accept: CODEC } })
  expect(decode(new Uint8Array(await response.arrayBuffer()), 'reply')).toEqual({ reminders: [dispatcher.reminders[0]], cursor: '1' })
  expect(await ask('/troupe/v1/reminders/Nobody')).toMatchObject({ status: 404, body: { code: 'UNKNOWN_TYPE' } })
  expect(await ask('/troupe/v1/reminders/a%23')).toMatchObject({ status: 400 })
  for (const query of ['limit=0', 'limit=1001', 'dead=1', 'x=1']) expect(await ask(`/troupe/v1/reminders/Account?${query}`), query).toMatchObject({ status: 400 })
})

test('deleting those of a type goes page by page, through each actor', async () => {
  const { ask, dispatcher } = await serve()
  dispatcher.reminders = Array.from({ length: 250 }, (_, i) => reminder(`a${i}`, 'r'))
  dispatcher.operations['reminders.delete'] = r => r.id !== 'a3'
  expect((await ask('/troupe/v1/reminders/Account?limit=200', { method: 'DELETE' })).body).toEqual({ deleted: 199, cursor: '200' })
  expect((await ask('/troupe/v1/reminders/Account?limit=200&cursor=200', { method: 'DELETE' })).body).toEqual({ deleted: 50 })
  expect(dispatcher.managed.length).toBe(250)
  expect(new Set(dispatcher.managed.map(r => r.id)).size).toBe(250)
  expect(await ask('/troupe/v1/reminders/Account?dead', { method: 'DELETE' })).toMatchObject({ status: 400, body: { message: expect.stringContaining('there are cursor, limit') as string } })
})

test('a page that cannot be deleted fails, and what is left of it is not tried', async () => {
  const { ask, dispatcher } = await serve()
  dispatcher.reminders = Array.from({ length: 100 }, (_, i) => reminder(`a${i}`, 'r'))
  dispatcher.operations['reminders.delete'] = () => { throw new TroupeError('STORE_UNAVAILABLE', 'away') }
  expect(await ask('/troupe/v1/reminders/Account', { method: 'DELETE' })).toMatchObject({ status: 503, body: { code: 'STORE_UNAVAILABLE' } })
  expect(dispatcher.managed.length).toBeLessThan(100)
})

test('a call takes an idempotency key, plain or quoted; a bad one is refused', async () => {
  const { ask, dispatcher } = await serve({ deposit: () => 1 })
  const call = (key: string) => ask('/v1.0/actors/Account/a/method/deposit', { method: 'POST', body: '5', headers: { 'Idempotency-Key': key } })
  for (const key of ['order-1', '"order-1"']) expect((await call(key)).status).toBe(200)
  await ask('/v1.0/actors/Account/a/method/deposit', { method: 'POST', body: '5' })
  expect(dispatcher.requests.map(r => r.idempotencyKey)).toEqual(['order-1', 'order-1', undefined])
  for (const key of ['', '""', 'a b', 'x'.repeat(256), '"open']) {
    expect(await call(key), key).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST', executed: 'no', message: expect.stringContaining('idempotency-key') as string } })
  }
  expect(dispatcher.requests.length).toBe(3)
})

test.each([
  ['GET', '/v1.0/actors/Account/a/state/k'], ['PUT', '/v1.0/actors/Account/a/reminders/r'], ['GET', '/v1.0/metadata'], ['GET', '/v1.0/healthz'],
  ['GET', '/troupe/v1/status'], ['POST', `${actor}/manage/reminders.set`], ['POST', `${actor}/sends/1/retry`], ['DELETE', '/troupe/v1/reminders/Account'],
])('%s %s takes none', async (method, path) => {
  const { ask, dispatcher } = await serve()
  const answer = await ask(path, { method, headers: { 'Idempotency-Key': 'k' } })
  expect(answer).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST', message: expect.stringContaining('no call of a method') as string } })
  expect([dispatcher.managed, dispatcher.pages]).toEqual([[], []])
})
