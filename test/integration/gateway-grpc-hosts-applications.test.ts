// The event stream of applications over real sockets, by a client of the standard's own numbers.
import { once } from 'node:events'
import { credentials, makeGenericClientConstructor, Metadata, status as grpc, type Client, type ClientDuplexStream } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import type { AppType } from '../../gateway/dapr/app-type.ts'
import { AppStreams } from '../../gateway/dapr/app-streams.ts'
import { openDoor, type DoorSetting } from './dapr-standard.ts'
import { pending, within } from '../unit/gateway/serving.ts'

/** An application: it answers what it gets by `respond`. */
class App {
  readonly received: any[] = []
  readonly ended = Promise.withResolvers<{ code: number; details: string }>()
  readonly stream: ClientDuplexStream<any, any>
  respond: (message: any) => object | undefined = () => undefined

  constructor(stream: ClientDuplexStream<any, any>) {
    this.stream = stream
    stream.on('data', message => {
      this.received.push(message)
      const answer = this.respond(message)
      if (answer !== undefined) stream.write(answer)
    })
    stream.on('error', () => undefined)
    stream.on('status', status => this.ended.resolve(status))
  }

  async registered(initialRequest: object): Promise<this> {
    this.stream.write({ initialRequest })
    await once(this.stream, 'data', { signal: AbortSignal.timeout(5000) })
    return this
  }
}

async function open(setting: DoorSetting = {}) {
  const registered: AppType[][] = []
  const gone = pending()
  const streams = new AppStreams({ onRegistered: types => { registered.push(types) }, onGone: gone.resolve })
  const door = await openDoor({ hosting: streams, ...setting })
  return { ...door, streams, registered, gone, connect: (metadata?: Metadata) => new App(door.subscribe(metadata)) }
}

const signal = (): AbortSignal => AbortSignal.timeout(5000)
const timer = { type: 'A', id: '1', name: 'n', data: '"foo"', dueTime: '1s', period: '10s', callback: 'cb', reentrancyId: 'r1' }

test('an application registers and answers calls, reminders, timers and deactivations', async () => {
  const { connect, streams, registered } = await open()
  const app = await connect().registered({
    entities: ['A', 'B'], actorIdleTimeout: { seconds: 60 }, drainOngoingCallTimeout: { seconds: 1, nanos: 500_000_000 }, drainRebalancedActors: false, reentrancy: { enabled: true },
    entitiesConfig: [{ entities: ['B'], drainRebalancedActors: true, reentrancy: { enabled: true, maxStackDepth: 5 } }],
  })
  expect(registered[0]).toMatchObject([
    { name: 'A', idleMs: 60_000, drainMs: 1500, drainRebalanced: false, reentrant: true, maxStackDepth: 32 }, { name: 'B', drainRebalanced: true, reentrant: true, maxStackDepth: 5 },
  ])
  expect(app.received[0].responseType).toBe('initialResponse')
  app.respond = ({ responseType, ...message }) => {
    const { id } = message[responseType]
    return {
      invokeRequest: { invokeResponse: { id, data: Buffer.from('{"a":1}'), metadata: { 'content-type': 'application/json' }, error: true } },
      reminderRequest: { reminderResponse: { id, cancel: true } }, timerRequest: { timerResponse: { id } }, deactivateRequest: { deactivateResponse: { id } },
    }[responseType as string]
  }
  const request = { type: 'A', id: '1', method: 'm', query: '', headers: ['content-type', 'text/plain', 'dapr-reentrancy-id', 'r1'], body: Buffer.from('x') }
  expect(await streams.invoke(request, signal())).toEqual({ headers: ['content-type', 'application/json', 'x-daprerrorresponseheader', 'true'], body: Buffer.from('{"a":1}') })
  expect(await streams.remind({ ...timer, dueTime: '', period: '', callback: '', reentrancyId: undefined }, signal())).toEqual({ cancel: true })
  expect(await streams.tick(timer, signal())).toEqual({ cancel: false })
  await streams.deactivate('A', '1', signal())
  const [, invoke, remind, tick, deactivate] = app.received
  expect(invoke.invokeRequest).toEqual({ id: '1', actorType: 'A', actorId: '1', method: 'm', data: Buffer.from('x'), metadata: { 'content-type': 'text/plain', 'Dapr-Reentrancy-Id': 'r1' } })
  expect(remind.reminderRequest).toMatchObject({ id: '2', actorType: 'A', actorId: '1', name: 'n', data: { type_url: 'type.googleapis.com/google.protobuf.BytesValue', value: Buffer.from([0x0a, 5, ...Buffer.from('"foo"')]) } })
  expect(tick.timerRequest).toMatchObject({ id: '3', name: 'n', dueTime: '1s', period: '10s', callback: 'cb', metadata: { 'Dapr-Reentrancy-Id': 'r1' } })
  expect(deactivate.deactivateRequest).toEqual({ id: '4', actorType: 'A', actorId: '1' })
})

test('an application that is killed is gone: its calls fail, its types are taken back', async () => {
  const { connect, streams, gone } = await open()
  const app = await connect().registered({ entities: ['A'] })
  const call = streams.tick(timer, signal())
  await once(app.stream, 'data', { signal: signal() })
  app.stream.cancel()
  await expect(call).rejects.toMatchObject({ code: 'APP_UNREACHABLE', executed: 'unknown' })
  await within(gone.promise, 'onGone')
  await expect(streams.tick(timer, signal())).rejects.toMatchObject({ code: 'APP_UNREACHABLE', executed: 'no' })
})

test('an application that ends its stream is answered with OK', async () => {
  const { connect, gone } = await open()
  const app = await connect().registered({ entities: ['A'] })
  app.stream.end()
  expect(await within(app.ended.promise, 'the end')).toMatchObject({ code: grpc.OK })
  await within(gone.promise, 'onGone')
})

test('a stopping door ends its streams, and says that it is worth to come again', async () => {
  const { connect, stop } = await open()
  const app = await connect().registered({ entities: ['A'] })
  await within(stop(5000), 'the stop')
  expect(await within(app.ended.promise, 'the end')).toMatchObject({ code: grpc.UNAVAILABLE })
})

test('what is no handshake is an invalid argument', async () => {
  const { connect } = await open()
  const app = connect()
  app.stream.write({ invokeResponse: { id: '1' } })
  expect(await within(app.ended.promise, 'the end')).toMatchObject({ code: grpc.INVALID_ARGUMENT, details: expect.stringContaining('initial_request') as string })
})

test('bytes that are no message end the stream as well, whatever was sent on it before', async () => {
  const { address, gone } = await open()
  const subscribe = { path: '/dapr.proto.runtime.v1.Dapr/SubscribeActorEventsAlpha1', requestStream: true, responseStream: true, requestSerialize: (bytes: Buffer) => bytes, requestDeserialize: String, responseSerialize: () => Buffer.alloc(0), responseDeserialize: (bytes: Buffer) => bytes }
  const client = new (makeGenericClientConstructor({ subscribe }, 'Dapr'))(address, credentials.createInsecure()) as Client & Record<string, any>
  onTestFinished(() => client.close())
  const app = new App(client.subscribe())
  // Field 1, a message whose field 1 is "A".
  app.stream.write(Buffer.from([0x0a, 3, 0x0a, 1, 0x41]))
  await once(app.stream, 'data', { signal: signal() })
  app.stream.write(Buffer.from([0xff, 0xff, 0xff]))
  expect(await within(app.ended.promise, 'the end')).toMatchObject({ code: grpc.INVALID_ARGUMENT })
  await within(gone.promise, 'onGone')
})

test('a host without a channel for streams takes none, and strangers get in nowhere', async () => {
  const closed = new App((await openDoor()).subscribe())
  expect(await within(closed.ended.promise, 'the end')).toMatchObject({ code: grpc.FAILED_PRECONDITION, details: 'actor callback streaming requires a gRPC app channel' })
  const { connect, registered } = await open({ apiToken: 'secret' })
  const stranger = connect()
  stranger.stream.write({ initialRequest: { entities: ['A'] } })
  expect(await within(stranger.ended.promise, 'the end')).toMatchObject({ code: grpc.UNAUTHENTICATED })
  expect(registered).toEqual([])
  const token = new Metadata()
  token.set('dapr-api-token', 'secret')
  await connect(token).registered({ entities: ['A'] })
})

test('a message over the limit ends the stream, and the calls that it had', async () => {
  const { connect, streams, gone } = await open({ maxMessageBytes: 10_000 })
  const app = await connect().registered({ entities: ['A'] })
  app.respond = ({ timerRequest }) => ({ invokeResponse: { id: timerRequest.id, data: Buffer.alloc(20_000) } })
  await expect(streams.tick(timer, signal())).rejects.toMatchObject({ code: 'APP_UNREACHABLE', executed: 'unknown' })
  expect(await within(app.ended.promise, 'the end')).toMatchObject({ code: grpc.RESOURCE_EXHAUSTED, details: expect.stringContaining('grpc: received message larger than max') as string })
  await within(gone.promise, 'onGone')
})
