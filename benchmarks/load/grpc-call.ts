/**
 * Unary InvokeActor calls on plain `node:http2`, with messages encoded once: a grpc-js client costs more than a grpc-js server, so
 * that it would be measured instead of the server.
 */
import { once } from 'node:events'
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { daprService, type InvokeRequest } from './dapr-service.ts'

const invokeActor = daprService().InvokeActor!
const headers = { ':method': 'POST', ':path': invokeActor.path, 'content-type': 'application/grpc', te: 'trailers' }

/** A length-prefixed message (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
export function framed(request: InvokeRequest): Buffer {
  const message = invokeActor.requestSerialize(request)
  const frame = Buffer.alloc(5 + message.length)
  frame.writeUInt32BE(message.length, 1)
  message.copy(frame, 5)
  return frame
}

/** `address`: HOST:PORT. */
export async function openSession(address: string): Promise<ClientHttp2Session> {
  const { hostname, port } = new URL(`http://${address}`)
  const session = connect(`http://${address}`, {
    createConnection: () => connectTcp({ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port), noDelay: true }),
  })
  await once(session, 'connect')
  // Calls on a session that has broken fail by themselves.
  session.on('error', () => undefined)
  return session
}

/** Bytes of the answer, its prefix of 5 included. @throws when the status is not OK. */
export const invoke = (session: ClientHttp2Session, frame: Buffer): Promise<number> => new Promise((resolve, reject) => {
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
    if (status?.startsWith('0 ') === true) resolve(bytes)
    else reject(new Error(`the server answered ${bytes} bytes and status ${status ?? 'none'}`))
  })
  stream.end(frame)
})
