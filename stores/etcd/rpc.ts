/**
 * One etcd endpoint over gRPC: calls with a deadline, and nothing decided. The only importer of grpc-js in this folder.
 *
 * A call is sent once: no retries of the channel. After a failure of the connection the next call makes a new one, since a
 * channel whose peer fell silent would keep the dead connection for minutes, and one that was refused would wait in its back-off.
 */
import { createSecureContext } from 'node:tls'
import { fileURLToPath } from 'node:url'
import {
  Client, credentials, loadPackageDefinition, Metadata, status,
  type ChannelCredentials, type ClientDuplexStream, type ClientOptions, type ServiceClientConstructor, type ServiceError,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { Clock } from '../../core/clock.ts'

/** A row as etcd gives it; 64-bit numbers are strings, because lease ids use all their bits. */
export interface KeyValue {
  readonly key: Buffer
  readonly value: Buffer
  readonly mod_revision: string
  readonly lease: string
}

export interface Compare {
  readonly result: 'EQUAL'
  readonly target: 'MOD'
  readonly key: Buffer
  /** 0: there is no such row. */
  readonly mod_revision: string
}

export type Operation =
  | { readonly request_range: { readonly key: Buffer; readonly range_end?: Buffer } }
  | { readonly request_put: { readonly key: Buffer; readonly value: Uint8Array; readonly lease?: string } }
  | { readonly request_delete_range: { readonly key: Buffer; readonly range_end?: Buffer } }

export interface Calls {
  'KV/Txn': {
    request: { readonly compare?: readonly Compare[]; readonly success: readonly Operation[]; readonly failure?: readonly Operation[] }
    reply: { readonly succeeded: boolean; readonly responses: readonly { readonly response_range?: { readonly kvs: readonly KeyValue[] } }[] }
  }
  'Lease/LeaseGrant': { request: { readonly TTL: number }; reply: { readonly ID: string; readonly TTL: string } }
  'Lease/LeaseRevoke': { request: { readonly ID: string }; reply: object }
  'Lease/LeaseKeepAlive': { request: { readonly ID: string }; reply: { readonly TTL: string } }
  'Auth/Authenticate': { request: { readonly name: string; readonly password: string }; reply: { readonly token: string } }
}

export type Method = keyof Calls

/**
 * Why a call gave no reply. 'lost': nothing is known, it may have run. 'missing': etcd has no such lease. 'lasting': waiting does not
 * make it right (a wrong password, no permission, a server that is no etcd). 'refused': anything else that etcd says no to.
 */
export type FailureKind = 'lost' | 'missing' | 'lasting' | 'refused'

export class EtcdFailure extends Error {
  readonly kind: FailureKind
  constructor(kind: FailureKind, reason: string) {
    super(reason)
    this.kind = kind
  }
}

const kinds: Readonly<Partial<Record<status, FailureKind>>> = {
  [status.UNAVAILABLE]: 'lost', [status.DEADLINE_EXCEEDED]: 'lost', [status.CANCELLED]: 'lost', [status.INTERNAL]: 'lost', [status.UNKNOWN]: 'lost',
  [status.NOT_FOUND]: 'missing',
  [status.INVALID_ARGUMENT]: 'lasting', [status.UNAUTHENTICATED]: 'lasting', [status.PERMISSION_DENIED]: 'lasting',
  [status.FAILED_PRECONDITION]: 'lasting', [status.UNIMPLEMENTED]: 'lasting',
}

interface MethodDefinition {
  readonly path: string
  requestSerialize(value: object): Buffer
  responseDeserialize(bytes: Buffer): object
}

/** A table of the largest cluster comes in one reply. */
const MAX_REPLY_BYTES = 256 * 1024 * 1024 + 1024 * 1024

const settings: ClientOptions = {
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_receive_message_length': MAX_REPLY_BYTES,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_http_proxy': 0,
}

export const loadEtcdMethods = (): (method: Method) => MethodDefinition => {
  const file = fileURLToPath(new URL('./etcd.proto', import.meta.url))
  const definition = loadSync(file, { longs: String, enums: String, defaults: true, arrays: true, objects: true, keepCase: true })
  const { etcdserverpb } = loadPackageDefinition(definition) as unknown as { etcdserverpb: Record<string, ServiceClientConstructor> }
  return method => {
    const [service, name] = method.split('/') as [string, string]
    return etcdserverpb[service]!.service[name] as unknown as MethodDefinition
  }
}

export class EtcdEndpoint {
  readonly address: string
  readonly #credentials: ChannelCredentials
  readonly #clock: Clock
  readonly #method: (method: Method) => MethodDefinition
  #client: Client | undefined

  constructor(address: string, tls: boolean, clock: Clock, method: (method: Method) => MethodDefinition) {
    this.address = address
    // Node's own list of authorities, NODE_EXTRA_CA_CERTS included, as for every other connection of this process.
    this.#credentials = tls ? credentials.createFromSecureContext(createSecureContext()) : credentials.createInsecure()
    this.#clock = clock
    this.#method = method
  }

  /** @throws EtcdFailure, at the latest after `timeoutMs` */
  async call<M extends Method>(method: M, request: Calls[M]['request'], token: string | undefined, timeoutMs: number): Promise<Calls[M]['reply']> {
    const client = (this.#client ??= new Client(this.address, this.#credentials, settings))
    try {
      return await this.#send(client, method, request, token, timeoutMs)
    } catch (error) {
      if (error instanceof EtcdFailure && error.kind === 'lost' && this.#client === client) this.close()
      throw error
    }
  }

  /** The next call connects anew. */
  close(): void {
    this.#client?.close()
    this.#client = undefined
  }

  #send(client: Client, method: Method, request: object, token: string | undefined, timeoutMs: number): Promise<never> {
    const { path, requestSerialize, responseDeserialize } = this.#method(method)
    const metadata = new Metadata()
    // A member that is cut off from the others says so at once, instead of waiting for them.
    metadata.set('hasleader', 'true')
    if (token !== undefined) metadata.set('token', token)
    return new Promise((resolve, reject) => {
      const settle = (error: ServiceError | null, reply?: object): void => {
        timer.cancel()
        if (error === null) resolve(reply as never)
        else reject(new EtcdFailure(kinds[error.code] ?? 'refused', reasonOf(error)))
      }
      const call = method === 'Lease/LeaseKeepAlive'
        ? exchange(client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata), request, settle)
        : client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, settle)
      // A timer of the port, not gRPC's deadline: that one is a time of the wall clock, which may jump.
      const timer = this.#clock.after(timeoutMs, () => {
        reject(new EtcdFailure('lost', `${this.address} gave no answer within ${Math.ceil(timeoutMs)} ms`))
        call.cancel()
      }, true)
    })
  }
}

/** etcd has only a stream for this: one request, one reply, and its end. */
function exchange(stream: ClientDuplexStream<object, object>, request: object, settle: (error: ServiceError | null, reply?: object) => void): typeof stream {
  stream.on('data', reply => settle(null, reply as object))
  stream.on('error', error => settle(error as ServiceError))
  stream.on('end', () => settle(Object.assign(new Error(), { code: status.UNAVAILABLE, details: 'the stream ended without a reply', metadata: new Metadata() })))
  stream.write(request)
  stream.end()
  return stream
}

/** grpc-js ends what it says with a label for notes of the resolver, also when there are none. */
const reasonOf = (error: ServiceError): string => error.details.replace(/\s*Resolution note:\s*$/, '')
