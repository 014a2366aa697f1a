// State of actors over gRPC, by a client of the standard's own numbers.
import { status as grpc } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { TroupeError } from '../../core/errors.ts'
import type { Dispatcher } from '../../runtime/dispatch/dispatcher.ts'
import { openDoor } from './dapr-standard.ts'

const upsert = (key: string, text: string, metadata: Record<string, string> = {}) =>
  ({ operationType: 'upsert', key, value: { type_url: 'ignored', value: Buffer.from(text) }, metadata })

test('an application finds its bytes and when they expire, a class its value as JSON; what is not there is empty', async () => {
  const { ask, dispatcher } = await openDoor()
  const door: Dispatcher = dispatcher
  dispatcher.state.set(['Account', 'a', 'value'].join('\u0000'), { x: 1 })
  expect((await ask('GetActorState', { key: 'value' })).data.toString()).toBe('{"x":1}')
  const none = await ask('GetActorState', { key: 'none' })
  expect([none.data?.length ?? 0, none.metadata ?? {}]).toEqual([0, {}])
  const stored: Record<string, { headers: string[]; body: Uint8Array }> = {
    bytes: { headers: ['content-type', 'application/json', 'metadata.ttlexpiretime', '2026-03-01T00:00:00Z'], body: Buffer.from([1, 2, 3]) }, none: { headers: [], body: Buffer.alloc(0) },
  }
  door.readState = async (_, __, key) => ({ value: undefined, app: stored[key]!, host: 'h1', epoch: 1 })
  const found = await ask('GetActorState', { key: 'bytes' })
  expect([found.data, found.metadata]).toEqual([Buffer.from([1, 2, 3]), { ttlExpireTime: '2026-03-01T00:00:00Z' }])
  expect((await ask('GetActorState', { key: 'none' })).data?.length ?? 0).toBe(0)
})

test('a transaction is one list of changes, in order, its values the bytes in Any', async () => {
  const { ask, dispatcher } = await openDoor({ operations: { 'state.transact': () => undefined } })
  await ask('ExecuteActorStateTransaction', {
    operations: [upsert('k', '"v"'), { operationType: 'delete', key: 'old' }, upsert('t', '1', { ttlInSeconds: '10' }), upsert('zero', '', { ttlInSeconds: '0' }), { operationType: 'upsert', key: 'bare' }],
  })
  expect(dispatcher.managed[0]).toMatchObject({ type: 'Account', id: 'a', operation: 'state.transact' })
  expect(dispatcher.managed[0]!.args).toEqual([[
    { key: 'k', value: { bytes: new Uint8Array(Buffer.from('"v"')) } },
    { key: 'old', value: undefined },
    { key: 't', value: { bytes: new Uint8Array(Buffer.from('1')) }, ttlMs: 10_000 },
    { key: 'zero', value: { bytes: new Uint8Array(0) } },
    { key: 'bare', value: { bytes: new Uint8Array(0) } },
  ]])
  expect(dispatcher.managed[0]!.onlyHere).toBeUndefined()
  await ask('ExecuteActorStateTransaction', {})
  expect(dispatcher.managed[1]!.args).toEqual([[]])
})

test('errors have the codes and texts of the standard', async () => {
  let thrown: TroupeError = new TroupeError('NOT_ACTIVE', 'Account/a is not active on this host')
  const { fails, dispatcher } = await openDoor({ operations: { 'state.transact': () => { throw thrown } } })
  const told = async (operations: object[]) => {
    const { code, details } = await fails('ExecuteActorStateTransaction', { operations })
    return [code, details]
  }
  expect(await told([upsert('k', '1')])).toEqual([grpc.INTERNAL, 'actor instance is missing'])
  thrown = new TroupeError('UNKNOWN_TYPE', 'no host runs it')
  expect(await told([upsert('k', '1')])).toEqual([grpc.INTERNAL, 'actor instance is missing'])
  thrown = new TroupeError('STORE_UNAVAILABLE', 'why')
  expect(await told([upsert('k', '1')])).toEqual([grpc.UNAVAILABLE, 'error saving actor transaction state: why'])
  const asked = dispatcher.managed.length
  expect(await told([{ operationType: 'increment', key: 'k' }])).toEqual([grpc.UNIMPLEMENTED, 'operation type increment not supported'])
  expect(await told([upsert('', '1')])).toEqual([grpc.INTERNAL, 'error saving actor transaction state: missing key'])
  expect(await told([upsert('k', '1', { ttlInSeconds: '1.5' })])).toEqual([grpc.INTERNAL, expect.stringMatching(/^error saving actor transaction state: ttlInSeconds of key "k": "1.5" must be a whole number of seconds/)])
  expect(dispatcher.managed.length).toBe(asked)
  const door: Dispatcher = dispatcher
  door.readState = async () => { throw thrown }
  expect(await fails('GetActorState', { key: 'k' })).toMatchObject({ code: grpc.UNAVAILABLE, details: 'error getting actor state: why' })
  expect(await fails('GetActorState', { key: 'k', actorId: 'a/b' })).toMatchObject({ code: grpc.INVALID_ARGUMENT })
})

test('strict: expiry needs its feature, writes are only of actors here, and a store that fails is INTERNAL', async () => {
  const ttl = { operations: [upsert('k', '1', { ttlInSeconds: '10' })] }
  const operations = { 'state.transact': () => { throw new TroupeError('STORE_UNAVAILABLE', 'why') } }
  const strict = await openDoor({ facts: { strict: true }, operations })
  expect(await strict.fails('ExecuteActorStateTransaction', ttl)).toMatchObject({
    code: grpc.INTERNAL, details: 'error saving actor transaction state: ttlInSeconds is not supported without the "ActorStateTTL" feature enabled',
  })
  expect(await strict.fails('ExecuteActorStateTransaction', {})).toMatchObject({ code: grpc.INTERNAL, details: 'error saving actor transaction state: why' })
  expect(strict.dispatcher.managed[0]!.onlyHere).toBe(true)
  const enabled = await openDoor({ facts: { strict: true, enabledFeatures: ['ActorStateTTL'] }, operations: { 'state.transact': () => undefined } })
  await enabled.ask('ExecuteActorStateTransaction', ttl)
})

test('types of the workflow runtime are nobody else\'s', async () => {
  const { fails, dispatcher } = await openDoor()
  for (const rpc of [
    'GetActorState', 'ExecuteActorStateTransaction', 'RegisterActorTimer', 'UnregisterActorTimer', 'GetActorTimer', 'ListActorTimers', 'RegisterActorReminder', 'UnregisterActorReminder',
    'GetActorReminder', 'ListActorReminders', 'UnregisterActorRemindersByType',
  ]) {
    expect(await fails(rpc, { actorType: 'dapr.internal.x', name: 'n', key: 'k' }), rpc).toMatchObject({
      code: grpc.PERMISSION_DENIED, details: 'actor type "dapr.internal.x" is reserved for the Dapr workflow runtime; direct actor API access is not permitted',
    })
  }
  expect(dispatcher.managed).toEqual([])
})
