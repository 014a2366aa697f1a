/** One port of plain text for HTTP/1.1 and HTTP/2: node's HTTP/1.1 server, whose connections are looked at before it gets them. */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { PrefaceReader } from './http-preface.ts'
import { Http2Sessions, type SessionOptions } from './http2-sessions.ts'

export interface VersionsOptions extends SessionOptions {
  /** How long a connection may say nothing. */
  readonly silentMs: number
}

export class HttpVersions {
  readonly #preface: PrefaceReader
  readonly #sessions: Http2Sessions

  /** From now on `server`, which does not listen yet, gets only the connections of HTTP/1.1. */
  constructor(server: Server, options: VersionsOptions) {
    const [serveHttp1] = server.listeners('connection') as [(socket: Socket) => void]
    this.#sessions = new Http2Sessions(options)
    this.#preface = new PrefaceReader({ http1: socket => serveHttp1.call(server, socket), http2: socket => this.#sessions.take(socket) }, options.clock, options.silentMs)
    server.off('connection', serveHttp1).on('connection', (socket: Socket) => this.#preface.take(socket))
  }

  /** Clients of HTTP/2 are told to go elsewhere; those of HTTP/1.1 are by each answer. */
  drain(): void {
    this.#sessions.drain()
  }

  /** Ends what is none of the server's own: it knows only its HTTP/1.1. */
  close(): void {
    this.#preface.close()
    this.#sessions.close()
  }
}
