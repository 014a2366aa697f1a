// The reminder routes on the wire: paths, verbs, statuses, texts and bodies of the Dapr API, and what reaches the host.
import { expect, test } from 'vitest'
import type { ReminderInfo } from '../../../actors/actor-reminders.ts'
import { TroupeError } from '../../../core/errors.ts'
import { serve, type Serving } from './serving.ts'

const at = (name = '', id = 'a'): string => `/v1.0/actors/Account/${id}/reminders${name === '' ? '' : `/${name}`}`
const json = (body: unknown): RequestInit => ({ method: 'POST', body: JSON.stringify(body) })
const info = (name: string, more: Partial<ReminderInfo> = {}): ReminderInfo =>
  ({ name, schedule: { every: 1000, first: '2026-03-01T00:00:00.000Z' }, method: undefined, args: [], due: new Date(0), count: 0, failures: 0, dead: undefined, ...more })

async function serving(operations: Serving['dispatcher']['operations'] = {}): Promise<Serving> {
  const served = await serve()
  Object.assign(served.dispatcher.operations, { 'reminders.set': () => undefined, 'reminders.setData': () => undefined, 'reminders.delete': () => true, ...operations })
  return served
}

test.each(['POST', 'PUT'])('%s creates: 204 without a body', async method => {
  const { ask, dispatcher } = await serving()
  const answer = await ask(at('r 1%7C'), { method, body: '{"period":"R2/PT1S", "data": { "x": 1.0 }}' })
  expect(answer).toMatchObject({ status: 204, text: '' })
  expect(dispatcher.managed[0]).toMatchObject({
    type: 'Account', id: 'a', operation: 'reminders.setData',
    args: ['r 1|', { every: 1000, times: 2 }, { json: '{"x":1.0}' }, { dueTime: '', period: 'R2/PT1S', ttl: '' }],
  })
})

test('a method gets its arguments, as values', async () => {
  const { ask, dispatcher } = await serving()
  expect((await ask(at('r'), json({ period: '1s', method: 'tick', args: [1, { x: 2 }] }))).status).toBe(204)
  expect(dispatcher.managed[0]).toMatchObject({ operation: 'reminders.set', args: ['r', { every: 1000 }, 'tick', 1, { x: 2 }] })
})

test('the caller\'s timeout and its leaving reach the host', async () => {
  const { ask, dispatcher } = await serving()
  await ask(at('r'), { ...json({ period: '1s' }), headers: { 'troupe-timeout': '700ms' } })
  expect(dispatcher.managed[0]!.timeoutMs).toBe(700)
  expect(dispatcher.managed[0]!.signal).toBeInstanceOf(AbortSignal)
})

test('an existing one that may not be overwritten is 409 in the words of the standard', async () => {
  const { ask } = await serving({ 'reminders.setData': () => { throw new TroupeError('REMINDER_EXISTS', 'it is there') } })
  const { status, body } = await ask(at('r1'), json({ period: '1s', overwrite: false }))
  expect(status).toBe(409)
  expect(body).toMatchObject({ errorCode: 'ERR_ACTOR_REMINDER_ALREADY_EXISTS', message: 'actor reminder already exists: r1', code: 'REMINDER_EXISTS', executed: 'no' })
})

test('GET shows it, 404 in the words of the standard when there is none', async () => {
  const { ask } = await serving({ 'reminders.get': r => r.args[0] === 'r1' ? info('r1', { args: ['x'], count: 3 }) : undefined })
  const found = await ask(at('r1'))
  expect(found.status).toBe(200)
  expect(found.headers.get('content-type')).toBe('application/json')
  expect(found.body).toEqual({
    actorID: 'a', actorType: 'Account', data: 'x', dueTime: '2026-03-01T00:00:00Z', period: '@every 1s',
    schedule: { every: 1000, first: '2026-03-01T00:00:00.000Z' }, due: '1970-01-01T00:00:00.000Z', count: 3, failures: 0,
  })
  const missing = await ask(at('other'))
  expect(missing.status).toBe(404)
  expect(missing.body).toMatchObject({ errorCode: 'ERR_ACTOR_REMINDER_NOT_FOUND', message: 'actor reminder not found: other', code: 'REMINDER_NOT_FOUND' })
})

test('DELETE is 204, whether it was there or not', async () => {
  const { ask, dispatcher } = await serving({ 'reminders.delete': r => r.args[0] === 'r1' })
  for (const name of ['r1', 'r2']) expect(await ask(at(name), { method: 'DELETE' })).toMatchObject({ status: 204, text: '' })
  expect(dispatcher.managed.map(r => r.args)).toEqual([['r1'], ['r2']])
})

test('the list has them all, page by page behind the door; ?limit asks for one', async () => {
  const names = Array.from({ length: 2500 }, (_, i) => `r${String(i).padStart(4, '0')}`)
  const { ask, dispatcher } = await serving({
    'reminders.list': r => {
      const { after = '', prefix = '', limit } = r.args[0] as { after?: string; prefix?: string; limit: number }
      return names.filter(name => name > after && name.startsWith(prefix)).slice(0, limit).map(name => info(name))
    },
  })
  const all = await ask(at())
  expect(all.status).toBe(200)
  expect(all.body.reminders.map((r: { name: string }) => r.name)).toEqual(names)
  expect(all.body.reminders[0]).toMatchObject({ name: 'r0000', actorType: 'Account', actorID: 'a', period: '@every 1s' })
  expect(dispatcher.managed.length).toBe(13)
  const page = await ask(`${at()}?prefix=r1&after=r1005&limit=2`)
  expect(page.body.reminders.map((r: { name: string }) => r.name)).toEqual(['r1006', 'r1007'])
  expect((await ask(`${at()}?prefix=none`)).text).toBe('{"reminders":[]}')
})

test('a list that is too large for one reply says how to page', async () => {
  const data = 'x'.repeat(100_000)
  const { ask } = await serving({ 'reminders.list': () => Array.from({ length: 1000 }, (_, i) => info(`r${i}`, { args: [data] })) })
  const { status, body } = await ask(at())
  expect(status).toBe(500)
  expect(body).toMatchObject({ code: 'RESULT_TOO_LARGE', errorCode: 'ERR_ACTOR_REMINDER_GET', message: expect.stringContaining('?limit=') as string })
})

test('names with what no name may hold are refused before the host is asked', async () => {
  const { ask, dispatcher } = await serving()
  for (const name of ['a%2Fb', 'a%5Cb', 'a%23', 'a%3Fb', '%00', '%0a', 'x'.repeat(257), '%F0%9F%98%80'.repeat(65)]) {
    for (const method of ['PUT', 'GET', 'DELETE']) {
      const { status, body } = await ask(at(name), { method, ...(method === 'PUT' ? { body: '{"period":"1s"}' } : {}) })
      expect([name, status, body.errorCode]).toEqual([name, 400, 'ERR_BAD_REQUEST'])
      expect(body.message).toMatch(/^invalid request: invalid reminder: it (holds a character|is longer than 256 bytes)/)
    }
  }
  for (const path of ['/v1.0/actors/a%5Cb/i/reminders/r', '/v1.0/actors/Account/a%23/reminders/r', '/v1.0/actors/Account/a%23/reminders']) {
    expect(await ask(path)).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } })
  }
  expect(dispatcher.managed).toEqual([])
})

test.each<[string, string, number, string, string]>([
  ['no JSON', '{', 400, 'MALFORMED_BODY', 'ERR_MALFORMED_REQUEST'],
  ['a list', '[]', 400, 'MALFORMED_BODY', 'ERR_MALFORMED_REQUEST'],
  ['no time', '{}', 400, 'BAD_SCHEDULE', 'ERR_ACTOR_REMINDER_CREATE'],
  ['no body', '', 400, 'BAD_SCHEDULE', 'ERR_ACTOR_REMINDER_CREATE'],
  ['both styles', '{"dueTime":"1s","schedule":{"in":"1s"}}', 400, 'BAD_SCHEDULE', 'ERR_ACTOR_REMINDER_CREATE'],
  ['a number that is none', '{"period":1e309}', 400, 'BAD_SCHEDULE', 'ERR_ACTOR_REMINDER_CREATE'],
  ['an unknown field', '{"schedule":{"in":"1s"},"x":1}', 400, 'BAD_REQUEST', 'ERR_BAD_REQUEST'],
])('a body with %s is refused', async (_what, body, status, code, errorCode) => {
  const { ask, dispatcher } = await serving()
  expect(await ask(at('r'), { method: 'POST', body })).toMatchObject({ status, body: { code, errorCode, executed: 'no' } })
  expect(dispatcher.managed).toEqual([])
})

test('a body over the limit is 413, an unknown verb 405', async () => {
  const { ask } = await serve({}, { maxBodyBytes: 100 })
  expect(await ask(at('r'), json({ period: '1s', data: 'x'.repeat(200) }))).toMatchObject({ status: 413, body: { code: 'PAYLOAD_TOO_LARGE' } })
  const answer = await ask(at(), { method: 'POST' })
  expect(answer).toMatchObject({ status: 405, body: { code: 'METHOD_NOT_ALLOWED' } })
  expect(answer.headers.get('allow')).toBe('GET')
})

test('a type that nobody runs is 403, other failures have the code of their operation', async () => {
  const { ask, dispatcher } = await serve()
  const unknown = await ask(at('r'))
  expect(unknown.status).toBe(403)
  expect(unknown.body).toMatchObject({ errorCode: 'ERR_ACTOR_REMINDER_NON_HOSTED', code: 'UNKNOWN_TYPE', message: expect.stringMatching(/^operations on actor reminders are only possible on hosted actor types/) as string })
  const down = () => { throw new TroupeError('STORE_UNAVAILABLE', 'the store is away', { retryAfterMs: 100 }) }
  Object.assign(dispatcher.operations, { 'reminders.setData': down, 'reminders.get': down, 'reminders.delete': down, 'reminders.list': down })
  for (const [verb, init] of [['CREATE', json({ period: '1s' })], ['GET', {}], ['DELETE', { method: 'DELETE' }]] as const) {
    expect(await ask(at('r'), init)).toMatchObject({ status: 503, body: { errorCode: `ERR_ACTOR_REMINDER_${verb}`, code: 'STORE_UNAVAILABLE', retryable: true } })
  }
  expect(await ask(at())).toMatchObject({ status: 503, body: { errorCode: 'ERR_ACTOR_REMINDER_GET' } })
  Object.assign(dispatcher.operations, { 'reminders.get': () => { throw new TroupeError('HOST_STOPPING', 'away') } })
  expect((await ask(at('r'))).body.errorCode).toBe('ERR_ACTOR_RUNTIME_CLOSED')
})

test('queries that mean nothing are refused', async () => {
  const { ask } = await serving({ 'reminders.list': () => [] })
  for (const query of ['limit=0', 'limit=1001', 'limit=x', 'limit=', 'limt=5', 'limit=1&limit=2']) {
    expect(await ask(`${at()}?${query}`), query).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } })
  }
})
