/**
 * Connections of HTTP/2 (h2c): each stream is one request, given on in the shape that node has for HTTP/1.1.
 *
 * It bounds what one connection may ask for at once, ends those that are idle, tells all of them to go elsewhere (GOAWAY)
 * when the door drains, and ends them when it closes. What is counted and answered is the gateway's business.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, createServer, type Http2Server, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../core/clock.ts'

export interface SessionOptions {
  readonly clock: Clock
  /** Connections without an open stream are closed after it. */
  readonly idleMs: number
  readonly maxHeaderBytes: number
  answer(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void
}

interface Use {
  streams: number
  /** When its last stream ended. */
  idleSinceMs: number
}

/** Requests of one connection at once; a client that wants more waits, or opens another. */
const MAX_STREAMS = 1000
/** How much of one request's body may be on its way: more of it in one trip than the 64 KiB of the standard. */
const STREAM_WINDOW_BYTES = 1024 * 1024
const SESSION_WINDOW_BYTES = 16 * 1024 * 1024
/**
 * What node counts for one session: all that waits to be sent among it. It refuses streams over it, and after a hundred of them ends the
 * session with all its requests; what waits is bounded for all connections together (http.ts), so this stands far above.
 */
const SESSION_MEMORY_MB = 16 * 1024
/** Says that the connection is to end, and ends no request that is on its way (RFC 9113, 6.8). */
const NO_LAST_STREAM = 2 ** 31 - 1

export class Http2Sessions {
  readonly #server: Http2Server
  readonly #sessions = new Map<ServerHttp2Session, Use>()
  readonly #clock: Clock
  readonly #idleMs: number
  /** One for all of them, while there are any. */
  #watch: Timer | undefined
  #draining = false

  constructor({ clock, idleMs, maxHeaderBytes, answer }: SessionOptions) {
    this.#clock = clock
    this.#idleMs = idleMs
    this.#server = createServer({
      maxSessionMemory: SESSION_MEMORY_MB,
      settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: maxHeaderBytes, initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
    })
    this.#server
      .on('session', session => this.#opened(session))
      .on('request', (request, response) => answer(request as unknown as IncomingMessage, response as unknown as ServerResponse, false))
      .on('checkContinue', (request, response) => answer(request as unknown as IncomingMessage, response as unknown as ServerResponse, true))
      // What a client does wrong ends its connection, and is no news.
      .on('sessionError', () => undefined)
  }

  /** A connection that begins with the preface of HTTP/2. */
  take(socket: Socket): void {
    // A client that has ended its side is gone, and its calls with it.
    socket.allowHalfOpen = false
    this.#server.emit('connection', socket)
  }

  #opened(session: ServerHttp2Session): void {
    const use: Use = { streams: 0, idleSinceMs: this.#clock.monotonicMs() }
    this.#sessions.set(session, use)
    session.setLocalWindowSize(SESSION_WINDOW_BYTES)
    session.on('stream', stream => {
      use.streams++
      stream.once('close', () => {
        use.streams--
        use.idleSinceMs = this.#clock.monotonicMs()
      })
    })
    session.once('close', () => this.#sessions.delete(session))
    if (this.#draining) session.goaway(constants.NGHTTP2_NO_ERROR, NO_LAST_STREAM)
    this.#watch ??= this.#clock.after(this.#idleMs, () => this.#look())
  }

  /** Twice in the time that they may be idle. */
  #look(): void {
    const longAgoMs = this.#clock.monotonicMs() - this.#idleMs
    for (const [session, { streams, idleSinceMs }] of this.#sessions) if (streams === 0 && idleSinceMs <= longAgoMs) session.close()
    this.#watch = this.#sessions.size === 0 ? undefined : this.#clock.after(this.#idleMs / 2, () => this.#look())
  }

  drain(): void {
    if (this.#draining) return
    this.#draining = true
    for (const session of this.#sessions.keys()) if (!session.destroyed) session.goaway(constants.NGHTTP2_NO_ERROR, NO_LAST_STREAM)
  }

  /** Whatever is still open. */
  close(): void {
    this.#watch?.cancel()
    for (const session of this.#sessions.keys()) session.destroy()
  }
}
