// Metadata, health and shutdown over gRPC, by clients of the standards' own numbers.
import { makeGenericClientConstructor, credentials, Metadata, status as grpc, type Client, type ServiceError } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { openDoor } from './dapr-standard.ts'
import { pending, within } from '../unit/gateway/serving.ts'

test('what the host and its application are is told', async () => {
  const { ask } = await openDoor({
    facts: {
      appId: 'bank', components: [{ name: 'store', type: 'state.redis', version: 'v1', capabilities: ['ETAG', 'TRANSACTIONAL'] }], enabledFeatures: ['ActorStateTTL'],
      appConnection: { port: 3000, protocol: 'http', channelAddress: '127.0.0.1', maxConcurrency: 5, health: { healthCheckPath: '/healthz', healthProbeInterval: '5s', healthProbeTimeout: '500ms', healthThreshold: 3 } },
    },
  })
  const told = await ask('GetMetadata')
  expect(told).toMatchObject({
    id: 'bank', runtimeVersion: expect.stringMatching(/^\d/) as string, enabledFeatures: ['ActorStateTTL'],
    registeredComponents: [{ name: 'store', type: 'state.redis', version: 'v1', capabilities: ['ETAG', 'TRANSACTIONAL'] }],
    activeActorsCount: [{ type: 'Account', count: 2 }],
    appConnectionProperties: { port: 3000, protocol: 'http', channelAddress: '127.0.0.1', maxConcurrency: 5, health: { healthCheckPath: '/healthz', healthProbeInterval: '5s', healthProbeTimeout: '500ms', healthThreshold: 3 } },
    actorRuntime: { activeActors: [{ type: 'Account', count: 2 }], hostReady: true, placement: 'placement: connected' },
  })
  expect(told.actorRuntime.runtimeStatus).toBe(2)
})

test.each([['INITIALIZING', 0], ['DISABLED', 1], ['RUNNING', 2]] as const)('%s has the number %d', async (status, number) => {
  const { ask } = await openDoor({ facts: { runtimeStatus: () => status } })
  // A zero is not written.
  expect((await ask('GetMetadata')).actorRuntime.runtimeStatus ?? 0).toBe(number)
})

test('a host without an application has no connection to one, and entries of clients are kept', async () => {
  const { ask, fails, facts } = await openDoor()
  await ask('SetMetadata', { key: 'cliPID', value: '12' })
  expect(facts.extended.get('cliPID')).toBe('12')
  const told = await ask('GetMetadata')
  expect(told).toMatchObject({ id: 'h1', extendedMetadata: { cliPID: '12', daprRuntimeVersion: told.runtimeVersion }, actorRuntime: { runtimeStatus: 2 } })
  expect(told.appConnectionProperties ?? undefined).toBeUndefined()
  for (const bad of [{ key: '' }, { key: 'x'.repeat(257) }]) expect(await fails('SetMetadata', bad)).toMatchObject({ code: grpc.INVALID_ARGUMENT })
  expect(await fails('SetMetadata', { key: 'k', value: 'x'.repeat(100_000) })).toMatchObject({ code: grpc.RESOURCE_EXHAUSTED })
  for (let i = facts.extended.size; i < 1000; i++) facts.extended.set(`k${i}`, '')
  expect(await fails('SetMetadata', { key: 'one more' })).toMatchObject({ code: grpc.INVALID_ARGUMENT })
  await ask('SetMetadata', { key: 'cliPID', value: '13' })
})

test('a client ends the process where it may, after it was told so', async () => {
  const ended = pending()
  const { ask } = await openDoor({ facts: { shutdown: () => ended.resolve() } })
  await ask('Shutdown')
  await within(ended.promise, 'the shutdown')
  const locked = await openDoor()
  expect(await locked.fails('Shutdown')).toMatchObject({ code: grpc.PERMISSION_DENIED })
})

test('probes are told whether the host is ready, without a token', async () => {
  const { address, dispatcher } = await openDoor({ apiToken: 'secret' })
  const check = {
    path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false,
    // Field 1: the service; field 1: the status.
    requestSerialize: (service: string) => Buffer.from(service === '' ? [] : [0x0a, service.length, ...Buffer.from(service)]), requestDeserialize: String,
    responseSerialize: () => Buffer.alloc(0), responseDeserialize: (bytes: Buffer) => bytes[1] ?? 0,
  }
  const client = new (makeGenericClientConstructor({ check }, 'Health'))(address, credentials.createInsecure()) as Client & Record<string, any>
  onTestFinished(() => client.close())
  const ask = (service = ''): Promise<number> => new Promise((resolve, reject) => client.check(service, new Metadata(), (error: ServiceError | null, told: number) => error ? reject(error) : resolve(told)))
  expect(await ask()).toBe(1)
  expect(await ask('dapr.proto.runtime.v1.Dapr')).toBe(1)
  dispatcher.reasons = ['placement']
  expect(await ask()).toBe(2)
  await expect(ask('other')).rejects.toMatchObject({ code: grpc.NOT_FOUND })
})
