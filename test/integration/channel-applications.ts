/** Applications on free ports for tests of channels: real servers of each protocol, and connections that answer by hand. Gone when the test is. */
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createH2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import type { AppCallback, AppRequest } from '../../actors/app-channel.ts'
import { SystemClock } from '../../core/clock.ts'
import { HttpChannel, type HttpChannelOptions } from '../../gateway/dapr/channel/http-channel.ts'
import { Certificates } from './certificates.ts'

export type Protocol = HttpChannelOptions['protocol']
export type Request = IncomingMessage | Http2ServerRequest
export type Response = ServerResponse & Http2ServerResponse

export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, unknown>
  readonly body: string
}

/** A server of one protocol on a free port. */
export async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

export function channelTo(port: number, protocol: Protocol = 'http', more: Partial<HttpChannelOptions> = {}): HttpChannel {
  const options = { protocol, address: '127.0.0.1', port, apiToken: undefined, maxConcurrency: 0, maxBodyBytes: 1_000_000, clock: new SystemClock() }
  const channel = new HttpChannel({ ...options, ...more })
  onTestFinished(() => channel.close())
  return channel
}

/** An application; `seen` is each request with its whole body. */
export async function app(protocol: Protocol, answer: (seen: Seen, response: Response, request: Request) => void, more: Partial<HttpChannelOptions> = {}) {
  const seen: Seen[] = []
  const onRequest = (request: Request, response: unknown): void => {
    const chunks: Buffer[] = []
    request.on('error', () => {}).on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      const one = { method: request.method!, url: request.url!, headers: request.headers, body: Buffer.concat(chunks).toString() }
      seen.push(one)
      answer(one, response as Response, request)
    })
  }
  let server: Server
  if (protocol === 'https') {
    const { cert, key } = (await Certificates.make()).files('host-a')
    server = createHttpsServer({ cert: readFileSync(cert), key: readFileSync(key) }, onRequest)
  } else {
    server = protocol === 'h2c' ? createH2Server(onRequest) : createHttpServer(onRequest)
  }
  const port = await listen(server)
  return { seen, port, channel: channelTo(port, protocol, more) }
}

/** What `respond` writes to a connection when a whole request head came. */
export async function rawApp(respond: (socket: Socket, requests: number) => void): Promise<{ requests: () => number; channel: HttpChannel }> {
  let requests = 0
  const port = await listen(createTcpServer(socket => {
    let text = ''
    socket.on('error', () => {}).on('data', chunk => {
      text += chunk.toString('latin1')
      if (!/\r\n\r\n.*!$/s.test(text)) return
      text = ''
      respond(socket, ++requests)
    })
  }))
  return { requests: () => requests, channel: channelTo(port) }
}

export const never = new AbortController().signal
/** Its body ends with `!`, by which `rawApp` knows its end. */
export const request = (more: Partial<AppRequest> = {}): AppRequest =>
  ({ type: 'T', id: 'i', method: 'm', query: '', headers: [], body: Buffer.from('hello!'), ...more })
export const callback = (more: Partial<AppCallback> = {}): AppCallback =>
  ({ type: 'T', id: 'i', name: 'n', data: undefined, dueTime: '', period: '', callback: '', reentrancyId: undefined, ...more })
export const text = (reply: { body: Uint8Array }): string => Buffer.from(reply.body).toString()
export const lost = (part: string) => expect.objectContaining({ code: 'APP_UNREACHABLE', executed: 'unknown', message: expect.stringContaining(part) as string }) as Error
