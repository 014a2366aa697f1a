/**
 * HTTP/2 without TLS to an application ("prior knowledge"), by node:http2.
 *
 * One session carries all requests. Another is opened only where the application's limit of streams is reached: turns wait for each
 * other, so a stream that waits for the end of another could wait for itself. A session that the application closes takes no new
 * requests; those which it says it did not look at (REFUSED_STREAM) are proved not to have run.
 */
import type { Clock } from '../../../core/clock.ts'
import { H2cSession } from './h2c-session.ts'
import { showRequest, stopped, unreached, type AppWire, type WireReply, type WireRequest } from './app-wire.ts'

export interface H2cWireOptions {
  /** `http://127.0.0.1:3000`. */
  readonly origin: string
  readonly maxBodyBytes: number
  readonly clock: Clock
}

/** What RFC 9113 recommends as the least. */
const STREAMS_BEFORE_SETTINGS = 100

export class H2cWire implements AppWire {
  readonly name: string
  readonly #options: H2cWireOptions
  /** Of the last session: the next will hardly allow more or fewer. */
  #maxStreams = STREAMS_BEFORE_SETTINGS
  readonly #sessions = new Set<H2cSession>()
  #closed = false

  constructor(options: H2cWireOptions) {
    this.name = options.origin
    this.#options = options
  }

  send(request: WireRequest, signal: AbortSignal): Promise<WireReply> {
    if (this.#closed) return Promise.reject(unreached(this.name, showRequest(request), 'this side is stopping'))
    if (signal.aborted) return Promise.reject(stopped(signal, showRequest(request), 'no'))
    return this.#session().send(request, signal)
  }

  close(): void {
    this.#closed = true
    for (const session of this.#sessions) session.destroy('this side is stopping')
  }

  #session(): H2cSession {
    for (const session of this.#sessions) if (session.hasRoom) return session
    const session = new H2cSession(this.#options, this.#maxStreams, {
      limit: streams => { this.#maxStreams = streams },
      over: () => this.#sessions.delete(session),
    })
    this.#sessions.add(session)
    return session
  }
}
