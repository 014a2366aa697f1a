/** Real gateways and sockets for tests, gone when the test is, passed or failed. */
import { once } from 'node:events'
import { connect as openSocket, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { silentLogger } from '../../../core/logger.ts'
import { httpGateway, type HttpGatewayOptions } from '../../../gateway/http.ts'
import type { Gateway } from '../../../runtime/gateway.ts'
import { TableDispatcher, type Method } from './table-dispatcher.ts'

export interface Serving {
  readonly url: string
  readonly port: number
  readonly gateway: Gateway
  readonly dispatcher: TableDispatcher
  /** `fetch` of a path, with the body parsed. */
  ask(path: string, init?: RequestInit): Promise<{ status: number; headers: Headers; body: any; text: string }>
}

export async function serve(methods: Record<string, Method> = {}, options: Partial<HttpGatewayOptions> = {}): Promise<Serving> {
  const gateway = httpGateway({ port: 0, ...options })
  const dispatcher = new TableDispatcher(methods)
  const { address } = await gateway.start(dispatcher, silentLogger)
  onTestFinished(() => gateway.stop(0))
  const ask: Serving['ask'] = async (path, init) => {
    const response = await fetch(address + path, { signal: AbortSignal.timeout(5000), ...init })
    const text = await response.text()
    let body: unknown
    try {
      body = JSON.parse(text)
    } catch {
      body = undefined
    }
    return { status: response.status, headers: response.headers, body, text }
  }
  return { url: address, port: Number(new URL(address).port), gateway, dispatcher, ask }
}

/** A socket to write raw bytes to; `received` grows as answers come. */
export class RawSocket {
  readonly socket: Socket
  received = ''

  constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1').on('data', (text: string) => { this.received += text }).on('error', () => undefined)
    onTestFinished(() => { socket.destroy() })
  }

  static async open(port: number): Promise<RawSocket> {
    const socket = openSocket({ port, host: '127.0.0.1', allowHalfOpen: true })
    const raw = new RawSocket(socket)
    await once(socket, 'connect', { signal: AbortSignal.timeout(5000) })
    return raw
  }

  write(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }

  /** All that came until the server closed. */
  async untilClosed(): Promise<string> {
    if (!this.socket.readableEnded && !this.socket.closed) {
      await Promise.race([once(this.socket, 'end', { signal: AbortSignal.timeout(5000) }), once(this.socket, 'close', { signal: AbortSignal.timeout(5000) })])
    }
    return this.received
  }

  /** Waits until what came so far matches. */
  async until(pattern: RegExp): Promise<string> {
    const signal = AbortSignal.timeout(5000)
    while (!pattern.test(this.received)) await once(this.socket, 'data', { signal })
    return this.received
  }
}

/** A promise with its handles. */
export const pending = <T = void>(): PromiseWithResolvers<T> => Promise.withResolvers<T>()

/** Resolves when the signal is aborted; for methods that run until they are cancelled. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  signal.aborted ? Promise.resolve() : new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))

/** `promise`, or an error after 5 s that says what did not happen. */
export function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error(`did not happen within 5 s: ${what}`)), 5000).unref())
  return Promise.race([promise, late])
}
