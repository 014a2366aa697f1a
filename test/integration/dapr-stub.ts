/** A gRPC client of the Dapr runtime API for tests, as generated code would be; closed when the test is over. */
import { fileURLToPath } from 'node:url'
import { Client, credentials, loadPackageDefinition, Metadata, type ChannelCredentials, type ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { onTestFinished } from 'vitest'

export interface Invoke { actorType: string; actorId: string; method: string; data?: Uint8Array; metadata?: Record<string, string> }
type Done = (error: ServiceError | null, reply?: unknown) => void
type Unary = (request: object, metadata: Metadata, options: object, done: Done) => void

export interface DaprStub {
  readonly client: Client
  invoke(request: Invoke, metadata?: Metadata): Promise<{ data: Buffer }>
  /** Any of its calls, by name. */
  call(name: string, request: object, metadata?: Metadata): Promise<unknown>
}

export function daprStub(address: string, channel: ChannelCredentials = credentials.createInsecure(), options: object = {}): DaprStub {
  const file = fileURLToPath(new URL('../../gateway/dapr.proto', import.meta.url))
  const Dapr = (loadPackageDefinition(loadSync(file, { defaults: true })) as any).dapr.proto.runtime.v1.Dapr
  const client = new Dapr(address, channel, options) as Client & Record<string, Unary>
  onTestFinished(() => client.close())
  const call: DaprStub['call'] = (name, request, metadata = new Metadata()) => new Promise((resolve, reject) => {
    client[name]!(request, metadata, { deadline: Date.now() + 5000 }, (error, reply) => { if (error === null) resolve(reply); else reject(error) })
  })
  return { client, call, invoke: (request, metadata) => call('invokeActor', request, metadata) as Promise<{ data: Buffer }> }
}
