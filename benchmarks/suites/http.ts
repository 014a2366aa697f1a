/**
 * `http`: calls through a gateway, from a load generator in a process of its own, beside a bare server of the same
 * protocol that answers the same requests with the same number of bytes. Server, host and generator are three processes.
 */
import type { GrpcEchoApi } from '../floors/grpc-echo.ts'
import type { HttpEchoApi } from '../floors/http-echo.ts'
import { withCpuOf } from '../harness/cpu.ts'
import type { Scope } from '../harness/scope.ts'
import type { RateCase, Suite } from '../harness/suite.ts'
import type { GrpcLoadApi } from '../load/grpc-load.ts'
import type { HttpLoadApi } from '../load/http-load.ts'
import type { GatewayHostApi } from '../subjects/gateway-host.ts'

const module = (path: string) => new URL(path, import.meta.url)
const connections = 64
// One JSON number: the argument of `increment` and of `echo`, and the echo's reply.
const body = '1'

async function startHost(scope: Scope, store: Store) {
  const host = await scope.child<GatewayHostApi>(module('../subjects/gateway-host.ts'))
  return { host, addresses: await host.ask('start', store === 'lmdb' ? `lmdb:${scope.folder()}` : 'memory:') }
}

type Store = 'lmdb' | 'memory'

export const http = (name: string, method: string, ids: number, atLeast?: number, store: Store = 'lmdb'): RateCase => ({
  kind: 'rate', name: `HTTP, ${name}`, inFlight: connections, floor: 'HTTP: bare node:http echo of the same requests',
  ...atLeast !== undefined && { atLeast },
  warmUp: 3,
  async open(scope) {
    const { host, addresses } = await startHost(scope, store)
    const echo = await scope.child<HttpEchoApi>(module('../floors/http-echo.ts'))
    const echoPort = await echo.ask('start')
    const load = await scope.child<HttpLoadApi>(module('../load/http-load.ts'))
    const from = (port: number, seconds: number) =>
      load.ask('measure', { port, connections, seconds, ids, body, path: `/v1.0/actors/Counter/{id}/method/${method}` })
    return {
      floor: seconds => withCpuOf({ server: echo }, () => from(echoPort, seconds)),
      subject: seconds => withCpuOf({ server: host }, () => from(addresses.http, seconds)),
    }
  },
})

export const grpc = (name: string, method: string, ids: number, atLeast?: number, store: Store = 'lmdb'): RateCase => ({
  kind: 'rate', name: `gRPC InvokeActor, ${name}`, inFlight: connections, floor: 'gRPC: bare grpc-js unary echo of the same messages',
  ...atLeast !== undefined && { atLeast },
  warmUp: 3,
  async open(scope) {
    const { host, addresses } = await startHost(scope, store)
    const echo = await scope.child<GrpcEchoApi>(module('../floors/grpc-echo.ts'))
    const echoAddress = await echo.ask('start')
    const load = await scope.child<GrpcLoadApi>(module('../load/grpc-load.ts'))
    const from = (address: string, seconds: number) =>
      load.ask('measure', { address, inFlight: connections, seconds, ids, method, data: body })
    return {
      floor: seconds => withCpuOf({ server: echo }, () => from(echoAddress, seconds)),
      subject: seconds => withCpuOf({ server: host }, () => from(addresses.grpc, seconds)),
    }
  },
})

export const suite: Suite = {
  name: 'http',
  title: 'calls through the gateways, 64 at a time',
  cases: [
    http('readonly', 'echo', 1000, 0.6),
    http('durable on LMDB, 1,000 actors', 'increment', 1000, 0.45),
    http('durable on LMDB, one hot actor', 'increment', 1, 0.45),
    http('durable on LMDB, first calls', 'increment', 0),
    grpc('readonly', 'echo', 1000, 0.6),
    grpc('durable on LMDB, 1,000 actors', 'increment', 1000),
  ],
}
