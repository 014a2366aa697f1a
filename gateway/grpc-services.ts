/** Loads the proto files of the gRPC door, which lie beside this file in the source and in the build. */
import { fileURLToPath } from 'node:url'
import { loadPackageDefinition, type GrpcObject, type ServiceClientConstructor, type ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

export const daprService = (): ServiceDefinition => serviceOf('./dapr.proto', 'dapr.proto.runtime.v1.Dapr')

export const healthService = (): ServiceDefinition => serviceOf('./health.proto', 'grpc.health.v1.Health')

function serviceOf(file: string, name: string): ServiceDefinition {
  let found: GrpcObject = loadPackageDefinition(loadSync(fileURLToPath(new URL(file, import.meta.url)), { defaults: true, longs: Number }))
  for (const part of name.split('.')) found = found[part] as GrpcObject
  return (found as unknown as ServiceClientConstructor).service
}
