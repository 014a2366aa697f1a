// The timer routes of the Dapr actor API: what reaches the host, and the documents that are shown.
import { expect, test } from 'vitest'
import type { TimerInfo, TimerSetting } from '../../../actors/management.ts'
import { hostFacts } from '../../../gateway/dapr/door-facts.ts'
import { serve, type Serving } from './serving.ts'

const ALL = '/v1.0/actors/abc/foo/timers'
const at = (name: string): string => `${ALL}/${name}`
const put = (body: string): RequestInit => ({ method: 'PUT', body })
const info = (name: string, more: Partial<TimerInfo> = {}): TimerInfo =>
  ({ name, callback: 'cb', data: { json: '"hello"' }, written: { dueTime: '1000s', period: '10s', ttl: '2552-01-01T00:00:00Z' }, ...more })

async function serving(operations: Serving['dispatcher']['operations'] = {}, strict = false): Promise<Serving> {
  const served = await serve({}, { facts: { ...hostFacts(), strict } })
  served.dispatcher.status = { ...served.dispatcher.status, types: ['abc'] }
  Object.assign(served.dispatcher.operations, { 'timers.set': () => undefined, 'timers.delete': () => true, ...operations })
  return served
}
const settingOf = ({ dispatcher }: Serving, i = 0): TimerSetting => dispatcher.managed[i]!.args[1] as TimerSetting

test.each(['POST', 'PUT'])('%s registers: 204 without a body', async method => {
  const served = await serving()
  const answer = await served.ask(at('t%201'), { method, body: '{"dueTime":"2s", "period":"R5/PT10S", "callback":"cb", "data": { "n": 1.0 }, "unknown": 1}' })
  expect([answer.status, answer.text]).toEqual([204, ''])
  expect(served.dispatcher.managed[0]).toMatchObject({ type: 'abc', id: 'foo', operation: 'timers.set' })
  expect(served.dispatcher.managed[0]!.args).toEqual(['t 1', {
    schedule: { first: 2000, every: 10_000, times: 5, keepAlive: true }, callback: 'cb', data: { json: '{"n":1.0}' }, written: { dueTime: '2s', period: 'R5/PT10S', ttl: '' },
  }])
})

test.each<[string, string | undefined]>([
  ['{}', undefined], ['', undefined], ['{"data":null}', 'null'], ['{"data":"foo"}', '"foo"'], ['{"data":{  "foo": [ 12, 4 ] }}', '{"foo":[12,4]}'], ['{"data":true}', 'true'],
  ['{"data":123}', '123'], ['{"data":[]}', '[]'], ['{"data":12345678901234567890}', '12345678901234567890'],
])('data of %s', async (body, json) => {
  const served = await serving()
  expect((await served.ask(at('t'), put(body))).status).toBe(204)
  expect(settingOf(served).data).toEqual(json === undefined ? undefined : { json })
})

test('without a time it is due at once, and once', async () => {
  const served = await serving()
  await served.ask(at('t'), put('{"callback":"cb"}'))
  expect(settingOf(served)).toEqual({ schedule: { first: 0, keepAlive: true }, callback: 'cb', data: undefined, written: { dueTime: '', period: '', ttl: '' } })
})

test('an end as a length of time is shown as the instant that it is', async () => {
  const served = await serving()
  const before = Date.now()
  await served.ask(at('t'), put('{"dueTime":"1s","period":"1s","ttl":"1h"}'))
  await served.ask(at('u'), put('{"period":"1s","ttl":"2552-01-01T00:00:00+01:00"}'))
  const shown = Date.parse(settingOf(served).written.ttl) - before
  expect(shown).toBeGreaterThanOrEqual(3_601_000)
  expect(shown).toBeLessThan(3_606_000)
  expect(settingOf(served, 1).written.ttl).toBe('2552-01-01T00:00:00+01:00')
})

test('GET shows one, byte for byte as the standard has it', async () => {
  const { ask, dispatcher } = await serving({ 'timers.get': r => r.args[0] === 't1' ? info('t1') : undefined })
  const found = await ask(at('t1'))
  expect([found.status, found.headers.get('content-type')]).toEqual([200, 'application/json'])
  expect(found.text).toBe('{"actorType":"abc","actorID":"foo","dueTime":"1000s","period":"@every 10s","ttl":"2552-01-01T00:00:00Z","callback":"cb","data":"hello"}')
  expect(await ask(at('t2'))).toMatchObject({ status: 404, body: { errorCode: 'ERR_ACTOR_TIMER_NOT_FOUND', message: 'actor timer not found: t2', code: 'TIMER_NOT_FOUND' } })
  expect(dispatcher.managed.map(r => [r.operation, r.args])).toEqual([['timers.get', ['t1']], ['timers.get', ['t2']]])
})

test('the list is sorted by name; what was not given is left out; bytes are base64', async () => {
  const none = { dueTime: '', period: '', ttl: '' }
  const { ask } = await serving({
    'timers.list': () => [
      info('t10'), info('t1', { callback: '', data: undefined, written: none }), info('T', { data: { bytes: new TextEncoder().encode('{  "foo": [ 12, 4 ] }') }, written: { ...none, period: 'R2/PT1M' } }),
      info('é', { data: { json: '{"n":1.0}' }, written: { ...none, period: 'P1M' } }),
    ],
  })
  expect((await ask(ALL)).text).toBe('{"timers":['
    + '{"name":"T","actorType":"abc","actorID":"foo","period":"@every 1m0s","callback":"cb","data":"eyAgImZvbyI6IFsgMTIsIDQgXSB9"},'
    + '{"name":"t1","actorType":"abc","actorID":"foo"},'
    + '{"name":"t10","actorType":"abc","actorID":"foo","dueTime":"1000s","period":"@every 10s","ttl":"2552-01-01T00:00:00Z","callback":"cb","data":"hello"},'
    + '{"name":"é","actorType":"abc","actorID":"foo","period":"P1M","callback":"cb","data":{"n":1.0}}]}')
})

test('an empty list is one, strictly too', async () => {
  for (const strict of [false, true]) expect((await (await serving({ 'timers.list': () => [] }, strict)).ask(ALL)).text).toBe('{"timers":[]}')
})

test('DELETE is 204, whether it was there or not', async () => {
  const { ask, dispatcher } = await serving({ 'timers.delete': r => r.args[0] === 't1' })
  for (const name of ['t1', 't2']) expect(await ask(at(name), { method: 'DELETE' })).toMatchObject({ status: 204, text: '' })
  expect(dispatcher.managed.map(r => r.args)).toEqual([['t1'], ['t2']])
})

test.each<[string, string, number, string]>([
  ['no JSON', '{', 400, 'ERR_MALFORMED_REQUEST'], ['a list', '[]', 400, 'ERR_MALFORMED_REQUEST'], ['null', 'null', 400, 'ERR_MALFORMED_REQUEST'],
  ['a due time that is none', '{"dueTime":"soon"}', 400, 'ERR_ACTOR_TIMER_CREATE'], ['a number for a duration', '{"period":5}', 400, 'ERR_ACTOR_TIMER_CREATE'],
  ['a callback that is no name', '{"callback":5}', 400, 'ERR_ACTOR_TIMER_CREATE'], ['no repetitions', '{"period":"R0/1s"}', 400, 'ERR_ACTOR_TIMER_CREATE'],
  ['an end that is over', '{"period":"1s","ttl":"2001-01-01T00:00:00Z"}', 400, 'ERR_ACTOR_TIMER_CREATE'],
])('a body with %s is refused', async (_what, body, status, errorCode) => {
  const { ask, dispatcher } = await serving()
  expect(await ask(at('t'), put(body))).toMatchObject({ status, body: { errorCode, executed: 'no' } })
  expect(dispatcher.managed).toEqual([])
})
