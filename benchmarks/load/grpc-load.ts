/** A child process: unary InvokeActor calls over one HTTP/2 connection. */
import { keepInFlight } from '../harness/keep-in-flight.ts'
import type { Sample } from '../harness/sample.ts'
import { serveParent } from '../harness/serve-parent.ts'
import { framed, invoke, openSession } from './grpc-call.ts'

export interface GrpcLoad {
  /** HOST:PORT */
  readonly address: string
  readonly inFlight: number
  readonly seconds: number
  /** Calls go to this many ids in turn. */
  readonly ids: number
  readonly method: string
  readonly data: string
}

async function measure(load: GrpcLoad): Promise<Sample> {
  const frames = Array.from({ length: load.ids }, (_, index) =>
    framed({ actorType: 'Counter', actorId: `c${index}`, method: load.method, data: Buffer.from(load.data) }))
  const session = await openSession(load.address)
  let turn = 0
  try {
    return await keepInFlight({ inFlight: load.inFlight, seconds: load.seconds, process: 'load' }, async () => {
      if (await invoke(session, frames[turn++ % frames.length]!) <= 5) throw new Error('the server answered no data')
    })
  } finally {
    session.destroy()
  }
}

const api = { measure }
export type GrpcLoadApi = typeof api

serveParent(api)
