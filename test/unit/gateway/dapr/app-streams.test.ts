// The session of an application's event stream, without sockets.
import { expect, test } from 'vitest'
import type { AppCallback, AppRequest } from '../../../../actors/app-channel.ts'
import { ManualClock } from '../../../../core/clock.ts'
import type { AppType } from '../../../../gateway/dapr/app-type.ts'
import type { StreamWire, StreamProblem } from '../../../../gateway/dapr/app-stream.ts'
import type { FromApp, InitialMessage, ToApp } from '../../../../gateway/dapr/app-stream-messages.ts'
import { AppStreams, type AppStreamsOptions } from '../../../../gateway/dapr/app-streams.ts'
import { pending } from '../serving.ts'

class TestWire implements StreamWire {
  readonly peer = 'test'
  readonly maxBytes = 10_000
  waitingBytes = 0
  readonly sent: ToApp[] = []
  ended: StreamProblem | 'ok' | undefined
  send(message: ToApp): void {
    if (this.ended !== undefined) throw new Error('it was sent after the end')
    this.sent.push(message)
  }
  end(problem?: StreamProblem): void {
    if (this.ended !== undefined) throw new Error('it was ended twice')
    this.ended = problem ?? 'ok'
  }
}

/** Lets promise jobs run. */
const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
const never = (): AbortSignal => new AbortController().signal
const invoke: AppRequest = { type: 'A', id: '1', method: 'm', query: '', headers: ['content-type', 'application/json', 'dapr-reentrancy-id', 'r1', 'x', '1', 'x', '2'], body: Buffer.from('[1]') }
const tick: AppCallback = { type: 'A', id: '1', name: 'n', data: '"foo"', dueTime: '1s', period: '10s', callback: 'cb', reentrancyId: 'r1' }

function open(options: Partial<AppStreamsOptions> = {}) {
  const clock = new ManualClock()
  const told: (string[] | 'gone')[] = []
  const streams = new AppStreams({
    clock, onRegistered: types => { told.push(types.map(({ name }) => name)) }, onGone: () => { told.push('gone') }, ...options,
  })
  const connect = (initial?: InitialMessage) => {
    const wire = new TestWire()
    const session = streams.accept(wire)
    if (initial !== undefined) session.message({ initialRequest: initial })
    return { wire, session, answer: (message: FromApp) => session.message(message) }
  }
  return { clock, told, streams, connect }
}

test('an application is told that its types are registered, once they are', async () => {
  const gate = pending()
  const types: AppType[][] = []
  const { connect } = open({ onRegistered: registered => { types.push(registered); return gate.promise } })
  const { wire } = connect({ entities: ['A', 'B'], actorIdleTimeout: { seconds: 90, nanos: 500_000_001 }, entitiesConfig: [{ entities: ['B'], reentrancy: { enabled: true, maxStackDepth: 5 } }] })
  await settle()
  expect(wire.sent).toEqual([])
  gate.resolve()
  await settle()
  expect(wire.sent).toEqual([{ initialResponse: {} }])
  expect(types[0]).toMatchObject([{ name: 'A', idleMs: 90_501, reentrant: false }, { name: 'B', idleMs: 3_600_000, reentrant: true, maxStackDepth: 5 }])
})

test('no types at all are legal', async () => {
  const { connect, told } = open()
  const { wire } = connect({})
  await settle()
  expect([told, wire.sent]).toEqual([[[]], [{ initialResponse: {} }]])
})

test('callbacks have ids of their stream, and answers in any order', async () => {
  const { connect, streams } = open()
  const { wire, answer } = connect({ entities: ['A'] })
  await settle()
  const answers = [streams.invoke(invoke, never()), streams.remind({ ...tick, dueTime: '', period: '', data: undefined, reentrancyId: undefined }, never()), streams.tick(tick, never()), streams.deactivate('A', '1', never())]
  await settle()
  const any = { type_url: 'type.googleapis.com/google.protobuf.BytesValue', value: Buffer.from([0x0a, 5, ...Buffer.from('"foo"')]) }
  expect(wire.sent.slice(1)).toEqual([
    { invokeRequest: { id: '1', actorType: 'A', actorId: '1', method: 'm', data: Buffer.from('[1]'), metadata: { 'content-type': 'application/json', 'Dapr-Reentrancy-Id': 'r1', x: '1, 2' } } },
    { reminderRequest: { id: '2', actorType: 'A', actorId: '1', name: 'n', dueTime: '', period: '' } },
    { timerRequest: { id: '3', actorType: 'A', actorId: '1', name: 'n', dueTime: '1s', period: '10s', callback: 'cb', data: any, metadata: { 'Dapr-Reentrancy-Id': 'r1' } } },
    { deactivateRequest: { id: '4', actorType: 'A', actorId: '1' } },
  ])
  answer({ deactivateResponse: { id: '4' } })
  answer({ timerResponse: { id: '3', cancel: true } })
  answer({ reminderResponse: { id: '2', cancel: false } })
  answer({ invokeResponse: { id: '1', data: Buffer.from('x'), metadata: { 'Content-Type': 'text/plain' }, error: true } })
  expect(await Promise.all(answers)).toEqual([
    { headers: ['content-type', 'text/plain', 'x-daprerrorresponseheader', 'true'], body: Buffer.from('x') }, { cancel: false }, { cancel: true }, undefined,
  ])
})

test('a failure says what failed', async () => {
  const { connect, streams } = open()
  const { answer } = connect({ entities: ['A'] })
  await settle()
  const fail = async (call: Promise<unknown>, id: string, code: number) => {
    await settle()
    answer({ requestFailed: { id, code, message: 'why' } })
    return call.catch((error: unknown) => error)
  }
  expect(await fail(streams.invoke(invoke, never()), '1', 2)).toMatchObject({ code: 'METHOD_FAILED', executed: 'yes', message: 'error from actor service: why' })
  expect(await fail(streams.invoke(invoke, never()), '2', 5)).toMatchObject({ code: 'UNKNOWN_METHOD', executed: 'no', message: 'actor method not found: actors/A/1/method/m' })
  expect(await fail(streams.remind(tick, never()), '3', 5)).toMatchObject({ code: 'UNKNOWN_METHOD', message: 'actor method not found: actors/A/1/method/remind/n' })
  expect(await fail(streams.tick(tick, never()), '4', 5)).toMatchObject({ code: 'UNKNOWN_METHOD', message: 'actor method not found: actors/A/1/method/timer/n' })
})

test('an answer of the wrong kind fails its callback, one to nothing is nobody\'s', async () => {
  const { connect, streams } = open()
  const { answer, wire } = connect({ entities: ['A'] })
  await settle()
  const call = streams.invoke(invoke, never())
  await settle()
  answer({ timerResponse: { id: '77' } })
  answer({ requestFailed: { id: '77', code: 2, message: '' } })
  answer({ timerResponse: { id: '1' } })
  await expect(call).rejects.toMatchObject({ code: 'PROTOCOL' })
  expect(wire.ended).toBeUndefined()
})

test('when the stream ends, what is in flight fails without proof, what comes later with proof', async () => {
  const { connect, streams, told } = open()
  await expect(streams.invoke(invoke, never())).rejects.toMatchObject({ code: 'APP_UNREACHABLE', executed: 'no', message: 'actor host is not connected' })
  const { session, wire } = connect({ entities: ['A'] })
  await settle()
  const call = streams.invoke(invoke, never())
  await settle()
  session.closed()
  session.closed()
  await expect(call).rejects.toMatchObject({ code: 'APP_UNREACHABLE', executed: 'unknown', message: 'actor host disconnected before responding' })
  await expect(streams.tick(tick, never())).rejects.toMatchObject({ code: 'APP_UNREACHABLE', executed: 'no' })
  expect([wire.ended, told]).toEqual(['ok', [['A'], 'gone']])
})

test('an aborted callback is dropped, and its late answer is nobody\'s', async () => {
  const { connect, streams } = open({ maxPending: 1 })
  const { answer, wire } = connect({ entities: ['A'] })
  await settle()
  const abort = new AbortController()
  const call = streams.invoke(invoke, abort.signal)
  await settle()
  abort.abort(new Error('enough'))
  await expect(call).rejects.toThrow('enough')
  await expect(streams.invoke(invoke, abort.signal)).rejects.toThrow('enough')
  // There is room for the next one.
  const next = streams.invoke(invoke, never())
  await settle()
  answer({ invokeResponse: { id: '1', data: Buffer.from('late') } })
  answer({ invokeResponse: { id: '2', data: Buffer.from('right') } })
  expect((await next).body.toString()).toBe('right')
  expect(wire.sent.length).toBe(3)
})

test('what is too much is refused before it is sent', async () => {
  const { connect, streams } = open({ maxPending: 1, maxWaitingBytes: 5000 })
  const { wire } = connect({ entities: ['A'] })
  await settle()
  await expect(streams.invoke({ ...invoke, body: Buffer.alloc(10_000) }, never())).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE', executed: 'no' })
  wire.waitingBytes = 4990
  await expect(streams.invoke(invoke, never())).rejects.toMatchObject({ code: 'OVERLOADED', executed: 'no' })
  wire.waitingBytes = 0
  const call = streams.invoke(invoke, never())
  await settle()
  await expect(streams.invoke(invoke, never())).rejects.toMatchObject({ code: 'OVERLOADED', executed: 'no', retryAfterMs: 500 })
  expect(wire.sent.length).toBe(2)
  streams.close()
  await expect(call).rejects.toMatchObject({ executed: 'unknown' })
})

test.each<[string, FromApp]>([
  ['an answer', { invokeResponse: { id: '1' } }],
  ['nothing that can be read', {}],
  ['an illegal type', { initialRequest: { entities: ['a/b'] } }],
  ['an idle time below nothing', { initialRequest: { entities: ['A'], actorIdleTimeout: { seconds: -1, nanos: 0 } } }],
])('a first message that is %s is an invalid argument', async (_, message) => {
  const { connect, told } = open()
  const { wire, session } = connect()
  session.message(message)
  expect(wire.ended).toMatchObject({ code: 'INVALID_ARGUMENT' })
  session.message({ initialRequest: { entities: ['A'] } })
  await settle()
  expect(told).toEqual([])
})

test('later messages that are none end the stream', async () => {
  for (const message of [{}, { initialRequest: { entities: ['A'] } }]) {
    const { connect } = open()
    const { wire, session } = connect({ entities: ['A'] })
    await settle()
    session.message(message)
    expect(wire.ended).toMatchObject({ code: 'INVALID_ARGUMENT' })
  }
})

test('a stream that says nothing is ended, one that spoke stays', async () => {
  const { connect, clock } = open({ greetingMs: 100 })
  const silent = connect()
  const spoke = connect({ entities: ['A'] })
  await clock.advance(100)
  expect([silent.wire.ended, spoke.wire.ended]).toEqual([{ code: 'DEADLINE_EXCEEDED', text: expect.any(String) as string }, undefined])
})

test('the newest stream gets what is new, older ones answer what they have', async () => {
  const { connect, streams, told } = open()
  const old = connect({ entities: ['A'] })
  await settle()
  const before = streams.invoke(invoke, never())
  await settle()
  const young = connect({ entities: ['A', 'B'] })
  await settle()
  const after = streams.invoke(invoke, never())
  await settle()
  expect([old.wire.sent.length, young.wire.sent.length, old.wire.ended]).toEqual([2, 2, undefined])
  young.answer({ invokeResponse: { id: '1', data: Buffer.from('young') } })
  old.answer({ invokeResponse: { id: '1', data: Buffer.from('old') } })
  expect([(await before).body.toString(), (await after).body.toString()]).toEqual(['old', 'young'])
  old.session.closed()
  await settle()
  expect(told).toEqual([['A'], ['A', 'B']])
})

test('when the newest one ends, the one before it is registered again', async () => {
  const { connect, streams, told } = open()
  const old = connect({ entities: ['A'] })
  await settle()
  const young = connect({ entities: ['B'] })
  await settle()
  young.session.closed()
  await settle()
  expect(told).toEqual([['A'], ['B'], ['A']])
  expect(old.wire.sent).toEqual([{ initialResponse: {} }])
  void streams.invoke(invoke, never()).catch(() => undefined)
  await settle()
  expect(old.wire.sent.length).toBe(2)
  streams.close()
})

test('registrations are told one after the other, and only those that still count', async () => {
  const gates: PromiseWithResolvers<void>[] = []
  const told: string[][] = []
  const gone: number[] = []
  const { connect } = open({
    onRegistered: types => { told.push(types.map(({ name }) => name)); gates.push(pending()); return gates.at(-1)!.promise },
    onGone: () => { gone.push(told.length) },
  })
  const first = connect({ entities: ['A'] })
  connect({ entities: ['B'] }).session.closed()
  const third = connect({ entities: ['C'] })
  first.session.closed()
  await settle()
  expect(told).toEqual([['A']])
  gates[0]!.resolve()
  await settle()
  expect([told, first.wire.sent]).toEqual([[['A'], ['C']], []])
  gates[1]!.resolve()
  await settle()
  expect([third.wire.sent, gone]).toEqual([[{ initialResponse: {} }], []])
})

test('callbacks wait for the first stream that is being registered', async () => {
  const gate = pending()
  const { connect, streams } = open({ onRegistered: () => gate.promise })
  const { wire, answer } = connect({ entities: ['A'] })
  const call = streams.invoke(invoke, never())
  const abort = new AbortController()
  const tired = streams.invoke(invoke, abort.signal)
  await settle()
  abort.abort(new Error('enough'))
  await expect(tired).rejects.toThrow('enough')
  expect(wire.sent).toEqual([])
  gate.resolve()
  await settle()
  answer({ invokeResponse: { id: '1' } })
  expect(await call).toEqual({ headers: [], body: new Uint8Array(0) })
})

test('types that cannot be registered, or not in time, end their stream so that it comes again', async () => {
  const { connect, clock, told, streams } = open({ registerMs: 1000, onRegistered: types => types[0]?.name === 'A' ? Promise.reject(new Error('no store')) : new Promise(() => undefined) })
  const refused = connect({ entities: ['A'] })
  const waiting = streams.invoke(invoke, never()).catch((error: unknown) => error)
  await settle()
  expect(refused.wire.ended).toEqual({ code: 'UNAVAILABLE', text: 'the actor types could not be registered: no store' })
  expect(await waiting).toMatchObject({ code: 'APP_UNREACHABLE', executed: 'no' })
  const slow = connect({ entities: ['B'] })
  await clock.advance(1000)
  await settle()
  expect(slow.wire.ended).toMatchObject({ code: 'UNAVAILABLE' })
  expect(told).toEqual(['gone', 'gone'])
})

test('streams are bounded, and after the end there are none', async () => {
  const { connect, streams, told } = open({ maxStreams: 1 })
  const one = connect({ entities: ['A'] })
  await settle()
  expect(connect({ entities: ['B'] }).wire.ended).toMatchObject({ code: 'UNAVAILABLE' })
  streams.close()
  expect(one.wire.ended).toMatchObject({ code: 'UNAVAILABLE' })
  expect(connect({ entities: ['A'] }).wire.ended).toMatchObject({ code: 'UNAVAILABLE' })
  await settle()
  expect(told).toEqual([['A']])
})
