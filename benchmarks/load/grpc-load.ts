/**
 * A child process: unary InvokeActor calls over one HTTP/2 connection. Plain `node:http2` with messages encoded once: a
 * grpc-js client costs more than a grpc-js server, so that it would be measured instead of the server.
 */
import { once } from 'node:events'
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { keepInFlight } from '../harness/keep-in-flight.ts'
import type { Sample } from '../harness/sample.ts'
import { serveParent } from '../harness/serve-parent.ts'
import { daprService, type InvokeRequest } from './dapr-service.ts'

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

const invokeActor = daprService().InvokeActor!
const headers = { ':method': 'POST', ':path': invokeActor.path, 'content-type': 'application/grpc', te: 'trailers' }

/** A length-prefixed message (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
function framed(request: InvokeRequest): Buffer {
  const message = invokeActor.requestSerialize(request)
  const frame = Buffer.alloc(5 + message.length)
  frame.writeUInt32BE(message.length, 1)
  message.copy(frame, 5)
  return frame
}

const call = (session: ClientHttp2Session, frame: Buffer): Promise<void> => new Promise((resolve, reject) => {
  const stream = session.request(headers)
  let status: string | undefined
  let bytes = 0
  const onHeaders = (received: IncomingHttpHeaders): void => {
    // An error without a message has its status in the first and only headers.
    if (received['grpc-status'] !== undefined) status = `${String(received['grpc-status'])} ${String(received['grpc-message'] ?? '')}`
  }
  stream.on('response', onHeaders)
  stream.on('trailers', onHeaders)
  stream.on('data', (chunk: Buffer) => { bytes += chunk.length })
  stream.on('error', reject)
  stream.on('close', () => {
    if (status?.startsWith('0 ') === true && bytes > 5) resolve()
    else reject(new Error(`the server answered ${bytes} bytes and status ${status ?? 'none'}`))
  })
  stream.end(frame)
})

async function measure(load: GrpcLoad): Promise<Sample> {
  const frames = Array.from({ length: load.ids }, (_, index) =>
    framed({ actorType: 'Counter', actorId: `c${index}`, method: load.method, data: Buffer.from(load.data) }))
  const { hostname, port } = new URL(`http://${load.address}`)
  const session = connect(`http://${load.address}`, { createConnection: () => connectTcp({ host: hostname, port: Number(port), noDelay: true }) })
  await once(session, 'connect')
  let turn = 0
  try {
    return await keepInFlight({ inFlight: load.inFlight, seconds: load.seconds, process: 'load' }, () => call(session, frames[turn++ % frames.length]!))
  } finally {
    session.destroy()
  }
}

const api = { measure }
export type GrpcLoadApi = typeof api

serveParent(api)
