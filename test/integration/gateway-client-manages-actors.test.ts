// The client's side of management and of idempotency keys, against a real gateway; and when a call is sent again.
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { Actor } from '../../actors/actor.ts'
import { ActorError } from '../../actors/errors.ts'
import { encode } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'
import { connect, type Client, type ClientOptions } from '../../gateway/client.ts'
import { serve } from '../unit/gateway/serving.ts'

class Account extends Actor {
  balance = 0
  deposit(cents: number): number { return this.balance += cents }
}
class Insufficient extends ActorError { static readonly code = 'INSUFFICIENT' }

function open(urls: string | readonly string[], options?: ClientOptions): Client {
  const client = connect(urls, options)
  onTestFinished(() => client.close())
  return client
}
const failure = (promise: PromiseLike<unknown>): Promise<any> =>
  Promise.resolve(promise).then(() => { throw new Error('it did not fail') }, (error: unknown) => error)

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void

/** A server that answers its n-th request by `answer`, and counts them with the headers that they had. */
async function scripted(answer: Answer): Promise<{ url: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = []
  const server = createHttpServer((request, response) => {
    requests.push(request)
    request.resume().on('end', () => answer(request, response, requests.length))
  }).listen(0, '127.0.0.1')
  onTestFinished(() => { server.close(); server.closeAllConnections() })
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}
const lose: Answer = request => { request.socket.destroy() }
const give = (value: unknown): Answer => (_, response) => response.writeHead(200, { 'content-type': 'application/x-msgpack' }).end(encode(value, 'value'))
const refuse = (code: string, executed: string, retryable = true): Answer => (_, response) =>
  response.writeHead(503, { 'content-type': 'application/json' }).end(JSON.stringify({ errorCode: 'X', message: 'refused', code, executed, retryable }))

test('management is part of a reference, and its values stay what they are', async () => {
  const { url, dispatcher } = await serve()
  const info = { name: 'r', schedule: { at: '2026-03-01T00:00:00Z' }, method: undefined, args: [new Date(1)], due: new Date(5), count: 0, failures: 0, dead: undefined }
  Object.assign(dispatcher.operations, {
    'reminders.set': () => undefined, 'reminders.get': () => info, 'reminders.list': () => [info], 'reminders.delete': () => true, 'reminders.retry': () => undefined,
    'sends.list': () => [], 'sends.retry': () => undefined, 'sends.delete': () => undefined,
  })
  const { reminders, sends } = open(url).actor<Account>('Account', 'a b').with({ timeout: 700 }).manage
  expect(await reminders.set('r', { at: new Date(5) }, undefined, new Map([[1, 2n]]))).toBeUndefined()
  expect(await reminders.get('r')).toEqual(info)
  expect(await reminders.list({ prefix: 'x', limit: 5 })).toEqual([info])
  expect(await reminders.delete('r')).toBe(true)
  await reminders.retry('r')
  expect(await sends.list()).toEqual([])
  await sends.retry(3)
  await sends.delete(4)
  expect(dispatcher.managed.map(r => [r.operation, r.args])).toEqual([
    ['reminders.set', ['r', { at: new Date(5) }, undefined, new Map([[1, 2n]])]], ['reminders.get', ['r']], ['reminders.list', [{ prefix: 'x', limit: 5 }]],
    ['reminders.delete', ['r']], ['reminders.retry', ['r']], ['sends.list', []], ['sends.retry', [3]], ['sends.delete', [4]],
  ])
  for (const managed of dispatcher.managed) expect(managed).toMatchObject({ type: 'Account', id: 'a b', timeoutMs: 700 })
})

test('errors of management come back typed; a key is refused before anything is sent', async () => {
  const { url, dispatcher } = await serve()
  dispatcher.operations['reminders.set'] = () => { throw new TroupeError('REMINDER_EXISTS', 'actor reminder already exists: r') }
  const ref = open(url).actor('Account', 'a')
  expect(await failure(ref.manage.reminders.set('r', { in: '1s', overwrite: false }))).toMatchObject({ code: 'REMINDER_EXISTS', executed: 'no' })
  expect(await failure(ref.with({ idempotencyKey: 'k' }).manage.reminders.get('r'))).toMatchObject({ code: 'BAD_REQUEST', executed: 'no' })
  expect(await failure(ref.manage.reminders.set('r', { in: '1s' }, undefined, () => 1))).toMatchObject({ code: 'NOT_ENCODABLE' })
  expect(dispatcher.managed.length).toBe(1)
})

test('types are read page by page', async () => {
  const { url, dispatcher } = await serve()
  dispatcher.reminders = ['a', 'b', 'c'].map(id => (
    { id, name: 'r', schedule: { every: 1000 }, method: undefined, args: [], due: new Date(5), count: 0, failures: 0, dead: undefined }))
  dispatcher.sends = [{ from: 'a', number: 1, type: 'T', id: 'x', method: 'm', args: [], failures: 0, problem: undefined, dead: { error: 'e', at: new Date(3) } }]
  const client = open(url)
  const first = await client.reminders('Account', { limit: 2 })
  expect(first).toEqual({ reminders: dispatcher.reminders.slice(0, 2), cursor: '2' })
  expect(await client.reminders('Account', { limit: 2, cursor: first.cursor })).toEqual({ reminders: dispatcher.reminders.slice(2), cursor: undefined })
  expect(await client.sends('Account', { dead: true })).toEqual({ sends: dispatcher.sends, cursor: undefined })
  expect(await failure(client.reminders('Nobody'))).toMatchObject({ code: 'UNKNOWN_TYPE' })
  expect(await failure(client.sends('a/b'))).toMatchObject({ code: 'BAD_REQUEST' })
  expect(await failure(client.reminders('Account', { limit: 5000 }))).toMatchObject({ code: 'BAD_REQUEST' })
})

test('of a page, what does not exist is refused by name, and nothing is sent', async () => {
  const { url, dispatcher } = await serve()
  const client = open(url)
  for (const what of ['reminders', 'sends'] as const) {
    expect(await failure(client[what]('Account', { deed: true } as never))).toMatchObject({
      code: 'BAD_OPTION', executed: 'no', message: `${what}: deed: unknown option; there are dead, cursor, limit`,
    })
    expect(await failure(client[what]('Account', { dead: 'yes', limit: 0 } as never))).toMatchObject({ message: expect.stringMatching(/dead: must be true or false · limit: 0/) as string })
  }
  // Of all, not of dead letters alone: who thinks otherwise must not lose them.
  expect(await failure(client.deleteReminders('Account', { dead: true } as never))).toMatchObject({
    code: 'BAD_OPTION', message: 'deleteReminders: dead: unknown option; there are cursor, limit',
  })
  expect(dispatcher.pages).toEqual([])
  expect(dispatcher.managed).toEqual([])
})

test('the reminders of a type are deleted page by page', async () => {
  const { url, dispatcher } = await serve()
  dispatcher.reminders = ['a', 'b', 'c'].map(id => (
    { id, name: 'r', schedule: { every: 1000 }, method: undefined, args: [], due: new Date(5), count: 0, failures: 0, dead: undefined }))
  dispatcher.operations['reminders.delete'] = ({ id }) => id !== 'b'
  const client = connect(url, { timeout: 800 })
  onTestFinished(() => client.close())
  const first = await client.deleteReminders('Account', { limit: 2 })
  expect(first).toEqual({ deleted: 1, cursor: '2' })
  expect(await client.deleteReminders('Account', { limit: 2, cursor: first.cursor })).toEqual({ deleted: 1, cursor: undefined })
  expect(dispatcher.managed.map(({ id, timeoutMs }) => [id, timeoutMs])).toEqual([['a', 800], ['b', 800], ['c', 800]])
  expect(await failure(client.deleteReminders('Nobody'))).toMatchObject({ code: 'UNKNOWN_TYPE' })
})

test('a schedule that is none is refused before any turn', async () => {
  const { url, dispatcher } = await serve()
  dispatcher.operations['reminders.set'] = () => undefined
  expect(await failure(open(url).actor('Account', 'a').manage.reminders.set('r', { every: 'soon' }))).toMatchObject({ code: 'BAD_SCHEDULE', executed: 'no' })
  expect(dispatcher.managed).toEqual([])
})

test('a key arrives as it is, whatever visible ASCII it holds; others are refused', async () => {
  const { url, dispatcher } = await serve({ deposit: () => 1 })
  const ref = open(url).actor<Account>('Account', 'a')
  const keys = ['order-1', 'a"b\\c', '~', 'x'.repeat(255)]
  for (const idempotencyKey of keys) await ref.with({ idempotencyKey }).deposit(5)
  expect(dispatcher.requests.map(r => r.idempotencyKey)).toEqual(keys)
  for (const idempotencyKey of ['', 'a b', 'ключ', 'x'.repeat(256), 5 as never]) {
    expect(() => ref.with({ idempotencyKey }), String(idempotencyKey)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  }
})

test('with a key a lost call is sent again, to another URL first; without one it is over', async () => {
  const lost = await scripted(lose)
  const good = await serve({ deposit: () => 7 })
  for (let i = 0; i < 4; i++) expect(await open([lost.url, good.url]).actor<Account>('Account', 'a').with({ idempotencyKey: `k${i}` }).deposit(1)).toBe(7)
  expect(lost.requests.length).toBeLessThanOrEqual(4)
  expect(good.dispatcher.requests.map(r => r.idempotencyKey)).toEqual(['k0', 'k1', 'k2', 'k3'])
  const before = lost.requests.length
  expect(await failure(open([lost.url, good.url]).actor<Account>('Account', 'a').deposit(1))).toMatchObject({ code: 'PEER_LOST', executed: 'unknown' })
  expect(lost.requests.length).toBe(before + 1)
})

test('three tries at most, in the time of one call', async () => {
  const lost = await scripted(lose)
  const ref = open(lost.url).actor<Account>('Account', 'a')
  expect(await failure(ref.with({ idempotencyKey: 'k' }).deposit(1))).toMatchObject({ code: 'PEER_LOST', executed: 'unknown' })
  expect(lost.requests.length).toBe(3)
  expect(new Set(lost.requests.map(r => r.headers['idempotency-key']))).toEqual(new Set(['"k"']))
  lost.requests.length = 0
  await failure(ref.with({ idempotencyKey: 'k', timeout: 5000 }).deposit(1))
  const times = lost.requests.map(r => Number(r.headers['troupe-timeout']))
  expect(times[0]).toBe(5000)
  expect(times[1]).toBeLessThan(5000)
  expect(times[2]).toBeLessThan(times[1]!)
})

test('what happened in between does not prove that the first try did not run', async () => {
  const broken = await scripted((request, response, count) => count === 1 ? lose(request, response, count) : refuse('OVERLOADED', 'no')(request, response, count))
  const error = await failure(open(broken.url).actor<Account>('Account', 'a').with({ idempotencyKey: 'k' }).deposit(1))
  expect(error).toMatchObject({ code: 'OVERLOADED', executed: 'unknown', retryable: true, message: expect.stringContaining('an earlier try') as string })
  expect(broken.requests.length).toBe(3)
})

test('an answer in the middle of which the connection breaks is asked for again', async () => {
  const cut: Answer = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/x-msgpack', 'content-length': '100' })
    response.write('abc', () => response.destroy())
  }
  const server = await scripted((request, response, count) => (count === 1 ? cut : give(9))(request, response, count))
  expect(await open(server.url).actor<Account>('Account', 'a').with({ idempotencyKey: 'k', timeout: '5s' }).deposit(1)).toBe(9)
  expect(server.requests.length).toBe(2)
})

test('outcomes that the host does not know, and calls that did not run, are asked for again; definite answers are not', async () => {
  const unknown = await scripted((request, response, count) => (count === 1 ? refuse('COMMIT_UNKNOWN', 'unknown') : give(3))(request, response, count))
  expect(await open(unknown.url).actor<Account>('Account', 'a').with({ idempotencyKey: 'k' }).deposit(1)).toBe(3)
  for (const [code, executed, retryable, tries] of [['IDEMPOTENCY_CONFLICT', 'no', false, 1], ['MAILBOX_FULL', 'no', true, 3], ['CALL_TIMEOUT', 'unknown', true, 1], ['STATE_NOT_STORABLE', 'yes', false, 1]] as const) {
    const definite = await scripted(refuse(code, executed, retryable))
    expect(await failure(open(definite.url).actor<Account>('Account', 'a').with({ idempotencyKey: 'k' }).deposit(1))).toMatchObject({ code, executed })
    expect([code, definite.requests.length]).toEqual([code, tries])
  }
  const author = await serve({ deposit: () => { throw new Insufficient() } })
  expect(Insufficient.is(await failure(open(author.url).actor<Account>('Account', 'a').with({ idempotencyKey: 'k' }).deposit(1)))).toBe(true)
  expect(author.dispatcher.requests.length).toBe(1)
})

test('the time limit, the signal and the end of the client stop the pauses too', async () => {
  const lost = await scripted(lose)
  const abort = new AbortController()
  const slow = await scripted(request => { abort.abort('enough'); request.socket.destroy() })
  const client = open(slow.url)
  expect(await failure(client.actor<Account>('Account', 'a').with({ idempotencyKey: 'k', signal: abort.signal }).deposit(1))).toMatchObject({ code: 'CANCELLED', executed: 'unknown' })
  expect(slow.requests.length).toBe(1)
  const other = open(lost.url)
  const call = failure(other.actor<Account>('Account', 'a').with({ idempotencyKey: 'k' }).deposit(1))
  while (lost.requests.length === 0) await new Promise(resolve => setImmediate(resolve))
  await other.close()
  expect(['CANCELLED', 'PEER_LOST']).toContain((await call).code)
  expect(lost.requests.length).toBeLessThan(3)
})
