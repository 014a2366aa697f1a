import { fileURLToPath } from 'node:url'
import { Client, credentials, loadPackageDefinition, Metadata, status as grpc, type ClientUnaryCall, type ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { expect, onTestFinished, test } from 'vitest'
import { ActorError } from '../../actors/errors.ts'
import { decode, encode } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'
import { silentLogger } from '../../core/logger.ts'
import { grpcGateway, type GrpcGatewayOptions } from '../../gateway/grpc.ts'
import type { Dispatcher } from '../../runtime/dispatch/dispatcher.ts'
import { TableDispatcher, type Method } from '../unit/gateway/table-dispatcher.ts'
import { aborted, pending, within } from '../unit/gateway/serving.ts'

interface Request { actorType: string; actorId: string; method: string; data?: Uint8Array; metadata?: Record<string, string> }
interface Answer { data: Buffer; trailer: Metadata }
type Done = (error: ServiceError | null, value?: { data: Buffer }) => void
type Stub = Client & { invokeActor(request: Request, metadata: Metadata, options: object, done: Done): ClientUnaryCall }

async function serve(methods: Record<string, Method>, options: Partial<GrpcGatewayOptions> = {}) {
  const gateway = grpcGateway({ port: 0, ...options })
  const dispatcher = new TableDispatcher(methods)
  const { address } = await gateway.start(dispatcher, silentLogger)
  onTestFinished(() => gateway.stop(0))
  const file = fileURLToPath(new URL('../../gateway/dapr.proto', import.meta.url))
  const Dapr = (loadPackageDefinition(loadSync(file, { defaults: true })) as any).dapr.proto.runtime.v1.Dapr
  const stub = new Dapr(address, credentials.createInsecure()) as Stub
  onTestFinished(() => stub.close())
  const start = (request: Partial<Request>, callOptions: object = {}, metadata = new Metadata()) => {
    let trailer = new Metadata()
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const sent = { actorType: 'Account', actorId: 'a', method: 'm', ...request }
    const call = stub.invokeActor(sent, metadata, { deadline: Date.now() + 5000, ...callOptions }, (error, value) => {
      // The status event, with its metadata, comes before or after the callback.
      setImmediate(() => error ? reject(error) : resolve({ data: value!.data, trailer }))
    })
    call.on('status', status => { trailer = status.metadata })
    return { call, answer: promise }
  }
  const ask = (request: Partial<Request>, callOptions?: object, metadata?: Metadata) => start(request, callOptions, metadata).answer
  return { gateway, dispatcher, address, start, ask }
}

const caught = (promise: Promise<unknown>): Promise<ServiceError> => promise.then(() => { throw new Error('it did not fail') }, (error: ServiceError) => error)
const plain = (error: ServiceError) => Object.fromEntries(Object.entries(error.metadata.getMap())
  .filter(([key]) => key.startsWith('troupe-')).map(([key, value]) => [key, String(value)]))

test('data is JSON as in HTTP, empty for nothing', async () => {
  const { ask, dispatcher } = await serve({ m: r => r.args.length === 0 ? undefined : r.args })
  const answer = await ask({ data: Buffer.from('[1,"a"]') })
  expect(answer.data.toString()).toBe('[1,"a"]')
  expect(answer.trailer.get('troupe-host')).toEqual(['h1'])
  expect(answer.trailer.get('troupe-epoch')).toEqual(['7'])
  expect((await ask({ data: Buffer.from('5') })).data.toString()).toBe('[5]')
  expect((await ask({})).data.length).toBe(0)
  expect(dispatcher.requests.map(r => r.args)).toEqual([[1, 'a'], [5], []])
})

test('codec bytes when the metadata says so', async () => {
  const { ask } = await serve({ m: r => r.args })
  const args = [new Map([[1, 2n]]), new Date(3)]
  const { data } = await ask({ data: encode(args, 'args'), metadata: { 'content-type': 'application/x-msgpack' } })
  expect(decode(data, 'reply')).toEqual(args)
})

test('names stay apart, bad ones and bad data are INVALID_ARGUMENT', async () => {
  const { ask, dispatcher } = await serve({ m: () => null })
  const ids = ['__proto__', 'A||B', '{x}', '😀', 'e\u0301', '\u00e9', 'a b', 'a+b', 'a%2Fb']
  for (const actorId of ids) await ask({ actorId })
  expect(dispatcher.requests.map(r => r.id)).toEqual(ids)
  for (const bad of [{ actorId: '' }, { actorId: 'a/b' }, { actorType: '..' }, { method: '' }, { method: 'a#b' }, { actorId: 'x'.repeat(1025) }]) {
    const error = await caught(ask(bad))
    expect(error).toMatchObject({ code: grpc.INVALID_ARGUMENT, details: expect.stringMatching(/^invalid request: /) as string })
    expect(plain(error)).toEqual({ 'troupe-code': 'BAD_REQUEST', 'troupe-executed': 'no', 'troupe-retryable': 'false' })
  }
  for (const data of ['{', '['.repeat(100_000) + ']'.repeat(100_000)]) {
    const { code, details } = await caught(ask({ data: Buffer.from(data) }))
    expect(code).toBe(grpc.INVALID_ARGUMENT)
    expect(details).toMatch(/^failed deserializing HTTP body: /)
  }
  expect(dispatcher.requests.length).toBe(ids.length)
})

test('errors have the codes and texts of the standard and say what they prove', async () => {
  class Insufficient extends ActorError<{ missing: number }> { static readonly code = 'INSUFFICIENT' }
  const thrown: Record<string, () => never> = {
    author: () => { throw new Insufficient({ missing: 5 }, 'too little') },
    depth: () => { throw new TroupeError('STACK_DEPTH', 'A/1 → …') },
    full: () => { throw new TroupeError('MAILBOX_FULL', 'wait', { retryAfterMs: 50 }) },
    type: () => { throw new TroupeError('UNKNOWN_TYPE', 'no host runs it') },
    standard: () => { throw new TroupeError('UNKNOWN_TYPE', "did not find address for actor 'Account/a': it knows none") },
    odd: () => { throw new Error('secret') },
    long: () => { throw new TroupeError('METHOD_FAILED', `${'x'.repeat(1e6)}\ud800`, { data: 'y'.repeat(1e6) }) },
    name: () => { throw Object.assign(new Insufficient({ missing: 1 }), { code: 'é\r\n' }) },
  }
  const { ask } = await serve(thrown)
  const failed = async (method: string) => {
    const error = await caught(ask({ method }))
    return { code: error.code, details: error.details, ...plain(error) }
  }
  expect(await failed('author')).toEqual({
    code: grpc.INTERNAL, details: 'error invoke actor method: error from actor service: (500) too little', 'troupe-code': 'INSUFFICIENT',
    'troupe-executed': 'yes', 'troupe-retryable': 'false', 'troupe-actor-error': 'true', 'troupe-data-bin': '{"missing":5}',
  })
  expect(await failed('depth')).toMatchObject({ code: grpc.RESOURCE_EXHAUSTED, details: 'maximum stack depth exceeded', 'troupe-executed': 'no' })
  expect(await failed('full')).toMatchObject({
    code: grpc.RESOURCE_EXHAUSTED, details: 'error invoke actor method: wait', 'troupe-retryable': 'true', 'troupe-retry-after-ms': '50',
  })
  expect(await failed('type')).toMatchObject({ code: grpc.FAILED_PRECONDITION, details: "did not find address for actor 'Account/a': no host runs it" })
  expect((await failed('standard')).details).toBe("did not find address for actor 'Account/a': it knows none")
  expect(await failed('unknown')).toMatchObject({ code: grpc.NOT_FOUND, 'troupe-code': 'UNKNOWN_METHOD' })
  const odd = await failed('odd')
  expect(odd).toMatchObject({ code: grpc.INTERNAL, 'troupe-code': 'INTERNAL', 'troupe-executed': 'unknown' })
  expect(odd.details).not.toContain('secret')
  expect(await failed('long')).toMatchObject({ code: grpc.INTERNAL, 'troupe-code': 'METHOD_FAILED' })
  expect(await failed('name')).toMatchObject({ 'troupe-code': '%C3%A9%0D%0A' })
})

test('a stream is refused with the route that has it, and ended', async () => {
  const left = pending()
  const { ask } = await serve({ m: () => ({ [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true }), return: async () => left.resolve() }) }) })
  expect(await caught(ask({}))).toMatchObject({ code: grpc.UNIMPLEMENTED, details: expect.stringContaining('over HTTP') as string })
  await within(left.promise, 'return()')
})

test('messages over the limit are RESOURCE_EXHAUSTED, in and out', async () => {
  const { ask, dispatcher } = await serve({ m: () => 'x'.repeat(2000) }, { maxMessageBytes: 1000 })
  expect(await caught(ask({ data: Buffer.alloc(2000, 0x20) }))).toMatchObject({ code: grpc.RESOURCE_EXHAUSTED })
  expect(dispatcher.requests).toEqual([])
  const error = await caught(ask({}))
  expect(error.code).toBe(grpc.RESOURCE_EXHAUSTED)
  expect(plain(error)).toMatchObject({ 'troupe-code': 'RESULT_TOO_LARGE', 'troupe-executed': 'yes' })
})

test('deadlines become timeouts, cancellation aborts the call', async () => {
  const entered = pending(), cancelled = pending()
  const { ask, start, dispatcher } = await serve({
    m: () => null,
    wait: async r => { entered.resolve(); await aborted(r.signal!); cancelled.resolve() },
  })
  await ask({}, { deadline: Date.now() + 3000 })
  expect(dispatcher.requests[0]!.timeoutMs).toBeGreaterThan(1000)
  expect(dispatcher.requests[0]!.timeoutMs).toBeLessThanOrEqual(3100)
  await ask({}, { deadline: Infinity })
  expect(dispatcher.requests[1]!.timeoutMs).toBeUndefined()
  const { call, answer } = start({ method: 'wait' })
  const failure = caught(answer)
  await within(entered.promise, 'the call')
  call.cancel()
  await within(cancelled.promise, 'the abort')
  expect(await failure).toMatchObject({ code: grpc.CANCELLED })
})

test('more calls than allowed are told to come back', async () => {
  const gate = pending(), entered = pending()
  const { ask } = await serve({ m: () => { entered.resolve(); return gate.promise } }, { maxInFlight: 1 })
  const first = ask({})
  await within(entered.promise, 'the first call')
  const error = await caught(ask({}))
  expect(plain(error)).toMatchObject({ 'troupe-code': 'OVERLOADED', 'troupe-retry-after-ms': '500' })
  gate.resolve()
  await first
})

test('a taken port is told with the remedy', async () => {
  const { address } = await serve({})
  const port = Number(address.split(':')[1])
  await expect(grpcGateway({ port }).start(new TableDispatcher({}), silentLogger))
    .rejects.toMatchObject({ code: 'PORT_TAKEN', message: expect.stringMatching(new RegExp(`${port}.*--grpc-port`)) as string })
  expect(() => grpcGateway({ port: -1 })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
})

test('a draining gateway still answers, a stopping one lets calls end', async () => {
  const gate = pending(), entered = pending()
  const { ask, gateway } = await serve({ m: () => 1, wait: async () => { entered.resolve(); await gate.promise; return 'done' } })
  const inFlight = ask({ method: 'wait' })
  await within(entered.promise, 'the call')
  gateway.drain()
  expect((await ask({})).data.toString()).toBe('1')
  const stopped = gateway.stop(5000)
  gate.resolve()
  expect((await inFlight).data.toString()).toBe('"done"')
  await within(stopped, 'stop')
  expect(await caught(ask({}))).toMatchObject({ code: grpc.UNAVAILABLE })
})

test('stop cuts off what does not end within its time', async () => {
  const entered = pending(), cancelled = pending()
  const { ask, gateway } = await serve({ m: async r => { entered.resolve(); await aborted(r.signal!); cancelled.resolve() } })
  const failure = caught(ask({}))
  await within(entered.promise, 'the call')
  await within(gateway.stop(50), 'stop')
  await within(cancelled.promise, 'the abort')
  expect([grpc.UNAVAILABLE, grpc.CANCELLED, grpc.INTERNAL]).toContain((await failure).code)
})

test('an idempotency key comes as metadata of the call, or in the map that stands for headers', async () => {
  const { ask, dispatcher } = await serve({ m: () => 1 })
  const withKey = (...keys: string[]): Metadata => {
    const metadata = new Metadata()
    for (const key of keys) metadata.add('idempotency-key', key)
    return metadata
  }
  await ask({}, {}, withKey('order-1'))
  await ask({ metadata: { 'Idempotency-Key': '"order-1"' } })
  await ask({ metadata: { 'idempotency-key': 'order-1' } }, {}, withKey('order-1'))
  await ask({})
  expect(dispatcher.requests.map(r => r.idempotencyKey)).toEqual(['order-1', 'order-1', 'order-1', undefined])
  for (const metadata of [withKey('a', 'b'), withKey('a b'), withKey('x'.repeat(256))]) {
    expect(await caught(ask({}, {}, metadata))).toMatchObject({ code: grpc.INVALID_ARGUMENT, details: expect.stringContaining('idempotency-key') as string })
  }
  expect(await caught(ask({ metadata: { 'idempotency-key': 'b' } }, {}, withKey('a')))).toMatchObject({ code: grpc.INVALID_ARGUMENT })
})

test('a host that takes no more calls says so before the arguments are read, and calls it takes are counted with their bytes', async () => {
  const { ask, dispatcher } = await serve({ m: r => r.args })
  const asked: number[] = []
  const door: Dispatcher = dispatcher
  door.refusal = bytes => {
    asked.push(bytes)
    return asked.length === 1 ? new TroupeError('OVERLOADED', 'this host is behind with its work', { retryAfterMs: 700 }) : undefined
  }
  const error = await caught(ask({ data: Buffer.from('{no json') }))
  expect(error.code).toBe(grpc.RESOURCE_EXHAUSTED)
  expect(plain(error)).toMatchObject({ 'troupe-code': 'OVERLOADED', 'troupe-executed': 'no' })
  expect(dispatcher.requests).toEqual([])
  await ask({ data: Buffer.from('[1]') })
  expect(asked).toEqual([8, 3])
  expect(dispatcher.requests.map(r => r.bytes)).toEqual([3])
})
