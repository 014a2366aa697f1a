/** A child process: one host with an HTTP and a gRPC gateway. */
import { grpcGateway, httpGateway } from 'troupe'
import { Scope } from '../harness/scope.ts'
import { serveParent } from '../harness/serve-parent.ts'
import { openHost } from './open-host.ts'

const scope = new Scope()

const api = {
  /** Addresses of the gateways: the port of HTTP, HOST:PORT of gRPC. */
  start: async (store: string): Promise<{ http: number; grpc: string }> => {
    const { addresses } = await openHost(scope, { store, gateways: [httpGateway({ port: 0 }), grpcGateway({ port: 0 })] })
    return { http: Number(new URL(addresses.http!).port), grpc: addresses.grpc! }
  },
  stop: () => scope[Symbol.asyncDispose](),
}
export type GatewayHostApi = typeof api

serveParent(api)
