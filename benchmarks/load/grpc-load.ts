/** A child process: unary InvokeActor calls over one grpc-js channel. */
import { credentials, makeGenericClientConstructor, type ServiceError } from '@grpc/grpc-js'
import { keepInFlight } from '../harness/keep-in-flight.ts'
import type { Sample } from '../harness/sample.ts'
import { serveParent } from '../harness/serve-parent.ts'
import { daprService, type InvokeReply, type InvokeRequest } from './dapr-service.ts'

export interface GrpcLoad {
  readonly address: string
  readonly inFlight: number
  readonly seconds: number
  readonly ids: number
  readonly method: string
  readonly data: string
}

type Invoke = (request: InvokeRequest, done: (error: ServiceError | null, reply: InvokeReply) => void) => unknown

const Client = makeGenericClientConstructor(daprService(), 'Dapr')

async function measure(load: GrpcLoad): Promise<Sample> {
  const client = new Client(load.address, credentials.createInsecure())
  const invoke = (client as unknown as { InvokeActor: Invoke }).InvokeActor.bind(client) as Invoke
  const data = Buffer.from(load.data)
  let turn = 0
  const call = () => new Promise<void>((resolve, reject) => {
    const request = { actorType: 'Counter', actorId: `c${turn++ % load.ids}`, method: load.method, data }
    invoke(request, error => { if (error === null) resolve(); else reject(error) })
  })
  try {
    // The channel connects with its first call, which is no part of the measurement.
    await call()
    return await keepInFlight({ inFlight: load.inFlight, seconds: load.seconds, process: 'load' }, call)
  } finally {
    client.close()
  }
}

const api = { measure }
export type GrpcLoadApi = typeof api

serveParent(api)
