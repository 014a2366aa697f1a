/** The Dapr service's InvokeActor as grpc-js sees it: for the client that makes load, and for the bare server. */
import { loadPackageDefinition, type ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { fileURLToPath } from 'node:url'

export interface InvokeRequest {
  readonly actorType: string
  readonly actorId: string
  readonly method: string
  readonly data: Uint8Array
}

export interface InvokeReply {
  readonly data: Uint8Array
}

interface DaprPackage {
  readonly dapr: { readonly proto: { readonly runtime: { readonly v1: { readonly Dapr: { readonly service: ServiceDefinition } } } } }
}

export function daprService(): ServiceDefinition {
  const loaded = loadPackageDefinition(loadSync(fileURLToPath(new URL('../../gateway/dapr.proto', import.meta.url))))
  return (loaded as unknown as DaprPackage).dapr.proto.runtime.v1.Dapr.service
}
