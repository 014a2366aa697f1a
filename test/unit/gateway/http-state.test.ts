// The state routes of the Dapr actor API: transactions as they reach the host, and what is read back.
import { expect, test } from 'vitest'
import { hostFacts, type DoorFacts } from '../../../gateway/dapr/door-facts.ts'
import { serve, type Serving } from './serving.ts'
import { Answered } from './table-dispatcher.ts'

const STATE = '/v1.0/actors/Account/a/state'

async function serving(facts: Partial<DoorFacts> = {}): Promise<Serving> {
  const served = await serve({}, { facts: { ...hostFacts(), ...facts } })
  served.dispatcher.operations['state.transact'] = () => undefined
  return served
}
const changesOf = ({ dispatcher }: Serving): unknown => dispatcher.managed[0]!.args[0]
const post = (body: unknown): RequestInit => ({ method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) })

test.each(['POST', 'PUT'])('%s makes a transaction: 204 without a body, values as they were written', async method => {
  const served = await serving()
  const body = ` [ { "operation" : "upsert", "request": { "key": "k1", "value": { "z": 1.0, "a": [ 12345678901234567890, "\\u00e9  b" ] } } },
    {"request":{"key":"k2"},"operation":"delete"}, {"operation":"upsert","request":{"key":"k3","value":"x","etag":null,"metadata":{"ttlInSeconds":"10"}}} ]`
  const answer = await served.ask(STATE, { method, body })
  expect([answer.status, answer.text]).toEqual([204, ''])
  expect(served.dispatcher.managed).toEqual([expect.objectContaining({ type: 'Account', id: 'a', operation: 'state.transact', onlyHere: undefined })])
  expect(changesOf(served)).toEqual([
    { key: 'k1', value: { json: '{"z":1.0,"a":[12345678901234567890,"\\u00e9  b"]}' } }, { key: 'k2', value: undefined }, { key: 'k3', value: { json: '"x"' }, ttlMs: 10_000 },
  ])
})

test('what stands twice counts as when it is parsed: the last time', async () => {
  const served = await serving()
  await served.ask(STATE, post('[{"operation":"upsert","request":{"key":"a","value":0},"request":{"key":"x","key":"k","value":1,"v\\u0061lue":2}}]'))
  expect(changesOf(served)).toEqual([{ key: 'k', value: { json: '2' } }])
})

test('a value that is not there is null, an empty transaction is one', async () => {
  const served = await serving()
  await served.ask(STATE, post([{ operation: 'upsert', request: { key: 'k' } }]))
  expect(changesOf(served)).toEqual([{ key: 'k', value: { json: 'null' } }])
  expect((await served.ask(STATE, post([]))).status).toBe(204)
  expect(served.dispatcher.managed[1]!.args).toEqual([[]])
})

test.each<[unknown, number | undefined]>([['1', 1000], [2, 2000], ['0', undefined], ['-1', undefined], ['', undefined], [null, undefined]])('ttlInSeconds %j', async (ttlInSeconds, ttlMs) => {
  const served = await serving()
  expect((await served.ask(STATE, post([{ operation: 'upsert', request: { key: 'k', value: 1, metadata: { ttlInSeconds } } }]))).status).toBe(204)
  expect(changesOf(served)).toEqual([{ key: 'k', value: { json: '1' }, ...(ttlMs === undefined ? {} : { ttlMs }) }])
})

test.each<[string, object]>([
  ['ttlInSeconds', { metadata: { ttlInSeconds: '1.5' } }], ['ttlInSeconds', { metadata: { ttlInSeconds: 'soon' } }], ['ttlInSeconds', { metadata: { ttlInSeconds: '999999999999999' } }],
  ['ttlInSeconds', { metadata: { ttlInSeconds: {} } }], ['keeps no etags; leave it out', { etag: '5' }], ['is no text', { key: 5 }],
])('%s is refused: %j', async (says, more) => {
  const served = await serving()
  const { status, body } = await served.ask(STATE, post([{ operation: 'upsert', request: { key: 'k', value: 1, ...more } }]))
  expect([status, body.errorCode, body.executed]).toEqual([500, 'ERR_ACTOR_STATE_TRANSACTION_SAVE', 'no'])
  expect(body.message).toContain(says)
  expect(served.dispatcher.managed).toEqual([])
})

test.each(['', 'null', '5', '"x"', '{"operation":"delete","request":{"key":"k"}}', '[{]'])('the body %j is no transaction', async body => {
  const served = await serving()
  expect(await served.ask(STATE, post(body))).toMatchObject({ status: 400, body: { errorCode: 'ERR_MALFORMED_REQUEST', message: expect.stringMatching(/^failed deserializing HTTP body: /) as string } })
})

test('more changes than one commit takes are refused, ten thousand are not', async () => {
  const served = await serving()
  const changes = Array.from({ length: 10_001 }, (_, i) => ({ operation: 'delete', request: { key: String(i) } }))
  expect(await served.ask(STATE, post(changes))).toMatchObject({
    status: 500, body: { errorCode: 'ERR_ACTOR_STATE_TRANSACTION_SAVE', message: expect.stringMatching(/contains more operations than supported by the state store: 10001 of at most 10000$/) as string },
  })
  expect((await served.ask(STATE, post(changes.slice(1)))).status).toBe(204)
})

test('strictly, the actor must be active on this very host, and an end of values is a feature', async () => {
  const served = await serving({ strict: true, enabledFeatures: ['ActorStateTTL'] })
  expect((await served.ask(STATE, post([{ operation: 'upsert', request: { key: 'k', value: 1, metadata: { ttlInSeconds: '5' } } }]))).status).toBe(204)
  expect(served.dispatcher.managed[0]).toMatchObject({ onlyHere: true, args: [[{ key: 'k', value: { json: '1' }, ttlMs: 5000 }]] })
})

test('stored bytes of an application are told as they are, with their end', async () => {
  const { ask, dispatcher } = await serving()
  const put = (key: string, value: unknown) => dispatcher.state.set(['Account', 'a', key].join('\u0000'), value)
  put('k1', new Answered('{ "a": 1.0 }'))
  put('k2', new Answered('"x"', 'metadata.ttlexpiretime', '2026-03-01T00:00:00Z'))
  put('k3', new Answered(''))
  put('k4', { n: 1 })
  const first = await ask(`${STATE}/k1`)
  expect([first.status, first.text, first.headers.get('content-type'), first.headers.get('metadata.ttlExpireTime')]).toEqual([200, '{ "a": 1.0 }', 'application/json', null])
  expect((await ask(`${STATE}/k2`)).headers.get('metadata.ttlExpireTime')).toBe('2026-03-01T00:00:00Z')
  expect(await ask(`${STATE}/k3`)).toMatchObject({ status: 204, text: '' })
  expect(await ask(`${STATE}/k4`)).toMatchObject({ status: 200, text: '{"n":1}' })
  expect(await ask(`${STATE}/k5`)).toMatchObject({ status: 204, text: '' })
})
