// Timers over gRPC, by a client of the standard's own numbers.
import { status as grpc } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import type { TimerInfo, TimerSetting } from '../../actors/management.ts'
import { TroupeError } from '../../core/errors.ts'
import { openDoor } from './dapr-standard.ts'

const info = (name: string, more: Partial<TimerInfo> = {}): TimerInfo =>
  ({ name, callback: 'cb', data: undefined, written: { dueTime: '1000s', period: 'R3/PT10S', ttl: '2552-01-01T00:00:00Z' }, ...more })

test('a timer is registered with what it says, and its ticks count as use', async () => {
  const { ask, dispatcher } = await openDoor({ operations: { 'timers.set': () => undefined } })
  await ask('RegisterActorTimer', { name: 't', dueTime: '1s', period: 'R5/PT10S', ttl: '1h', callback: 'tick', data: Buffer.from('"foo"') })
  const [{ args, timeoutMs, ...request }] = dispatcher.managed as [typeof dispatcher.managed[0]]
  expect(request).toMatchObject({ type: 'Account', id: 'a', operation: 'timers.set', caller: { kind: 'outside', via: 'grpc' } })
  expect(timeoutMs).toBeLessThanOrEqual(5100)
  const [name, { written, ...setting }] = args as [string, TimerSetting]
  expect(name).toBe('t')
  expect(setting).toEqual({
    schedule: { first: 1000, every: 10_000, times: 5, until: 3_601_000, keepAlive: true }, callback: 'tick', data: { bytes: new Uint8Array(Buffer.from('"foo"')) },
  })
  expect(written).toEqual({ dueTime: '1s', period: 'R5/PT10S', ttl: expect.stringMatching(/^\d{4}-.*Z$/) as string })
  await ask('RegisterActorTimer', { name: 't' })
  expect(dispatcher.managed[1]!.args).toEqual(['t', { schedule: { first: 0, keepAlive: true }, callback: '', data: undefined, written: { dueTime: '', period: '', ttl: '' } }])
})

test('what was registered is shown, sorted by name, its data as JSON in a BytesValue', async () => {
  const timers = { b: info('b', { data: { json: '{"x":1}' } }), a: info('a', { data: { bytes: new Uint8Array(Buffer.from('"foo"')) } }), c: info('c', { callback: '', written: { dueTime: '', period: '', ttl: '' } }) }
  const { ask } = await openDoor({ operations: { 'timers.get': r => (timers as Record<string, TimerInfo>)[r.args[0] as string], 'timers.list': () => Object.values(timers) } })
  const one = await ask('GetActorTimer', { name: 'b' })
  expect(one).toMatchObject({ actorType: 'Account', actorId: 'a', dueTime: '1000s', period: '@every 10s', ttl: '2552-01-01T00:00:00Z', callback: 'cb' })
  expect(one.data.type_url).toBe('type.googleapis.com/google.protobuf.BytesValue')
  expect(one.data.value).toEqual(Buffer.from([0x0a, 7, ...Buffer.from('{"x":1}')]))
  const { timers: listed } = await ask('ListActorTimers')
  expect(listed.map((t: any) => [t.name, t.timer.actorId, t.timer.period])).toEqual([['a', 'a', '@every 10s'], ['b', 'a', '@every 10s'], ['c', 'a', undefined]])
  expect(listed[0].timer.data.value.subarray(2).toString()).toBe('"ImZvbyI="')
  for (const field of ['dueTime', 'period', 'ttl', 'callback', 'data']) expect(listed[2].timer[field]).toBeUndefined()
})

test('no timers are an empty list, and one that is not there is deleted as well', async () => {
  const { ask } = await openDoor({ operations: { 'timers.list': () => [], 'timers.delete': () => false } })
  expect((await ask('ListActorTimers')).timers ?? []).toEqual([])
  await ask('UnregisterActorTimer', { name: 't' })
})

test('errors have the codes and texts of the standard', async () => {
  const { fails } = await openDoor({
    operations: {
      'timers.get': () => undefined, 'timers.set': () => { throw new TroupeError('STORE_UNAVAILABLE', 'why') },
      'timers.delete': () => { throw new TroupeError('UNKNOWN_TYPE', 'no host runs Account') }, 'timers.list': () => Array.from({ length: 100 }, (_, i) => info(`t${i}`, { data: { json: JSON.stringify('x'.repeat(200)) } })),
    },
    maxMessageBytes: 10_000,
  })
  const told = async (rpc: string, request: object) => {
    const { code, details } = await fails(rpc, request)
    return [code, details]
  }
  expect(await told('GetActorTimer', { name: 't' })).toEqual([grpc.NOT_FOUND, 'actor timer not found: t'])
  expect(await told('RegisterActorTimer', { name: 't' })).toEqual([grpc.UNAVAILABLE, 'error creating actor timer: why'])
  expect(await told('UnregisterActorTimer', { name: 't' })).toEqual([grpc.PERMISSION_DENIED, 'operations on actor timers are only possible on hosted actor types: no host runs Account'])
  expect(await told('ListActorTimers', {})).toEqual([grpc.RESOURCE_EXHAUSTED, expect.stringMatching(/^error getting actor timer: the list of \d+ bytes is over the limit of 10000/)])
  expect(await told('RegisterActorTimer', { name: 't', period: 'R0/PT1S' })).toEqual([grpc.INVALID_ARGUMENT, expect.stringMatching(/^error creating actor timer: .*has zero repetitions/)])
  for (const bad of [{ name: '' }, { name: 'a/b' }, { name: 't', actorId: '' }, { name: 't', actorType: '..' }]) {
    expect(await told('RegisterActorTimer', bad)).toEqual([grpc.INVALID_ARGUMENT, expect.stringMatching(/^invalid request: /)])
  }
})

test('strict: timers of types that this host does not run are refused', async () => {
  const { fails, dispatcher } = await openDoor({ facts: { strict: true } })
  for (const rpc of ['RegisterActorTimer', 'UnregisterActorTimer', 'GetActorTimer', 'ListActorTimers']) {
    expect(await fails(rpc, { actorType: 'Other', name: 't' }), rpc).toMatchObject({ code: grpc.PERMISSION_DENIED, details: 'operations on actor timers are only possible on hosted actor types' })
  }
  expect(dispatcher.managed).toEqual([])
})
