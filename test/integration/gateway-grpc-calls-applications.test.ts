// InvokeActor for types that this host does not run as classes: bytes in, bytes out.
import { Metadata, status as grpc } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { TroupeError } from '../../core/errors.ts'
import type { CallRequest, CallReply, Dispatcher } from '../../runtime/dispatch/dispatcher.ts'
import { openDoor, type DoorSetting } from './dapr-standard.ts'

async function openApp(reply: (request: CallRequest) => Partial<CallReply>, setting: DoorSetting = {}) {
  const door = await openDoor(setting)
  const requests: CallRequest[] = []
  const dispatcher: Dispatcher = door.dispatcher
  dispatcher.runsClass = type => type !== 'App'
  dispatcher.call = async request => {
    requests.push(request)
    return { value: undefined, host: 'h1', epoch: 1, ...reply(request) }
  }
  const request = (more: object = {}) => ({ actorType: 'App', method: 'm', ...more })
  return { ...door, requests, invoke: (more?: object, metadata?: Metadata) => door.ask('InvokeActor', request(more), metadata), fails: (more?: object) => door.fails('InvokeActor', request(more)) }
}

const app = (body: string, headers: string[] = []) => ({ app: { headers, body: Buffer.from(body) } })

test('the body goes through as it is, the map as headers in lower case', async () => {
  const { invoke, requests } = await openApp(() => app('no { JSON'))
  const { data } = await invoke({ data: Buffer.from('{  "a":1'), metadata: { 'Content-Type': 'text/plain', 'X-Mine': 'ü' } })
  expect(data.toString()).toBe('no { JSON')
  expect(requests[0]).toMatchObject({ type: 'App', id: 'a', method: 'm', args: [], bytes: 8 })
  expect(requests[0]!.body).toEqual({ bytes: Buffer.from('{  "a":1'), codec: false, query: '', headers: ['content-type', 'text/plain', 'x-mine', 'ü'] })
  await invoke({ metadata: { 'content-type': 'application/x-msgpack' } })
  expect(requests[1]!.body).toMatchObject({ bytes: Buffer.alloc(0), codec: true })
})

test('the token of this door goes no further, wherever a client has put it', async () => {
  const { invoke, requests } = await openApp(() => app(''))
  await invoke({ metadata: { 'Dapr-Api-Token': 'secret', 'x-mine': '1' } })
  expect(requests[0]!.body!.headers).toEqual(['x-mine', '1', 'content-type', 'application/json'])
})

test.each(['', 'null', 'false', '0', '""'])('the answer %j goes through byte for byte', async body => {
  const { invoke } = await openApp(() => app(body))
  expect(((await invoke()).data ?? '').toString()).toBe(body)
})

test('an error of the actor\'s own is an ordinary answer', async () => {
  const { invoke } = await openApp(() => app('{"message":"x"}', ['x-daprerrorresponseheader', 'true']))
  expect((await invoke()).data.toString()).toBe('{"message":"x"}')
})

test('a class elsewhere answers with a value', async () => {
  const { invoke } = await openApp(() => ({ value: { a: 1 } }))
  expect((await invoke()).data.toString()).toBe('{"a":1}')
})

test('the id of a chain of calls comes in the map or as metadata of the call, for classes too', async () => {
  const { invoke, requests } = await openApp(() => ({ value: 1 }))
  const metadata = new Metadata()
  metadata.set('dapr-reentrancy-id', 'outer')
  await invoke({ metadata: { 'Dapr-Reentrancy-Id': 'inner' } }, metadata)
  await invoke({}, metadata)
  await invoke({ actorType: 'Class', metadata: { 'DAPR-REENTRANCY-ID': 'inner' } })
  await invoke()
  expect(requests.map(({ reentrancyId }) => reentrancyId)).toEqual(['inner', 'outer', 'inner', undefined])
})

test('what could be no header is refused', async () => {
  const { fails, requests } = await openApp(() => app(''))
  for (const metadata of [{ 'a b': '1' }, { ':path': '/' }, { a: 'x\r\ny: z' }, { '': '1' }]) {
    expect(await fails({ metadata }), JSON.stringify(metadata)).toMatchObject({ code: grpc.INVALID_ARGUMENT, details: expect.stringMatching(/^invalid request: metadata: /) as string })
  }
  expect(requests).toEqual([])
})

const thrown: [code: ConstructorParameters<typeof TroupeError>[0], text: string, usual: [number, string], strict: [number, string]][] = [
  ['METHOD_FAILED', 'error from actor service: (500) custom error', ...twice(grpc.INTERNAL, 'error invoke actor method: error from actor service: (500) custom error')],
  ['UNKNOWN_METHOD', 'actor method not found: actors/App/a/method/m', ...twice(grpc.INTERNAL, 'error invoke actor method: actor method not found: actors/App/a/method/m')],
  ['STACK_DEPTH', 'App/a → …', ...twice(grpc.RESOURCE_EXHAUSTED, 'maximum stack depth exceeded')],
  ['UNKNOWN_TYPE', 'no host runs App', [grpc.FAILED_PRECONDITION, "did not find address for actor 'App/a': no host runs App"],
    [grpc.INTERNAL, "error invoke actor method: failed to lookup actor: api error: code = FailedPrecondition desc = did not find address for actor 'App/a'"]],
  ['APP_UNREACHABLE', 'actor host is not connected', [grpc.UNAVAILABLE, 'error invoke actor method: actor host is not connected'], [grpc.INTERNAL, 'error invoke actor method: actor host is not connected']],
  ['HOST_STOPPING', 'this host stops', [grpc.UNAVAILABLE, 'actor runtime is closed: this host stops'], [grpc.UNAVAILABLE, 'actor runtime is closed']],
]

function twice(code: number, text: string): [[number, string], [number, string]] {
  return [[code, text], [code, text]]
}

test.each(thrown)('%s has its code and text', async (code, text, usual, strict) => {
  for (const [told, facts] of [[usual, {}], [strict, { strict: true }]] as const) {
    const { fails } = await openApp(() => { throw new TroupeError(code, text) }, { facts })
    const error = await fails()
    expect([error.code, error.details]).toEqual(told)
    expect(error.metadata.get('troupe-code')).toEqual([code])
  }
})

test('a message over the limit is refused in the words of the gRPC libraries', async () => {
  const { fails, requests } = await openApp(() => app(''), { maxMessageBytes: 1000 })
  const error = await fails({ data: Buffer.alloc(2000) })
  expect([error.code, error.details]).toEqual([grpc.RESOURCE_EXHAUSTED, expect.stringMatching(/^grpc: received message larger than max \(20\d\d vs\. 1000\)$/)])
  expect(requests).toEqual([])
})
