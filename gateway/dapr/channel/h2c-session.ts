/**
 * One HTTP/2 session with an application, and the requests on it.
 *
 * It is made with its first request, takes more while `hasRoom`, and ends by itself when it lies idle, cannot be made in time, or the
 * other side says nothing for a minute though it was pinged.
 */
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import type { Clock, Timer } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import {
  broken, CONNECT_TIMEOUT_MS, IDLE_MS, reasonOf, ReplyCollector, showRequest, stopped, unreached, type WireReply, type WireRequest,
} from './app-wire.ts'

export interface H2cSessionOptions {
  readonly origin: string
  readonly maxBodyBytes: number
  readonly clock: Clock
}

/** Told by a session. */
export interface H2cSessionEvents {
  /** How many streams the application allows. */
  limit(streams: number): void
  /** The session takes no more requests. */
  over(): void
}

const PING_MS = 30_000
/** Node refuses answers while more than this waits to be sent; bodies are bounded by the calls that a host takes on (runtime/dispatch/overload.ts). */
const SESSION_MEMORY_MB = 16 * 1024
const NO_ERROR = constants.NGHTTP2_NO_ERROR

export class H2cSession {
  readonly #options: H2cSessionOptions
  readonly #session: ClientHttp2Session
  readonly #events: H2cSessionEvents
  #phase: 'connecting' | 'open' | 'over' = 'connecting'
  #maxStreams: number
  #streams = 0
  /** Of the connection, then of idleness or of the next ping. */
  #timer: Timer
  #why: string | undefined

  /** `maxStreams`: until the application says otherwise. */
  constructor(options: H2cSessionOptions, maxStreams: number, events: H2cSessionEvents) {
    this.#options = options
    this.#maxStreams = maxStreams
    this.#events = events
    this.#session = connect(options.origin, { maxSessionMemory: SESSION_MEMORY_MB })
    this.#timer = options.clock.after(CONNECT_TIMEOUT_MS, () => this.destroy(`no connection within ${CONNECT_TIMEOUT_MS} ms`))
    this.#session
      .on('connect', () => this.#opened())
      .on('remoteSettings', settings => {
        this.#maxStreams = settings.maxConcurrentStreams ?? Infinity
        events.limit(this.#maxStreams)
      })
      .on('goaway', () => this.#over('the application closed the session'))
      .on('error', error => this.#over(reasonOf(error)))
      .on('close', () => this.#over('the application closed the connection'))
  }

  get hasRoom(): boolean {
    return this.#phase !== 'over' && this.#streams < this.#maxStreams
  }

  send(request: WireRequest, signal: AbortSignal): Promise<WireReply> {
    const what = showRequest(request)
    return new Promise((resolve, reject) => {
      let stream: ClientHttp2Stream
      const body = request.body !== undefined && request.body.length > 0 ? request.body : undefined
      try {
        stream = this.#session.request(headersOf(request, body), { endStream: body === undefined })
      } catch (cause) {
        return reject(this.#refused(what, cause))
      }
      this.#begun()
      const collector = new ReplyCollector(this.#options.maxBodyBytes)
      const finish = (code: number): void => {
        try {
          resolve(collector.finish(what))
        } catch (error) {
          reject(error)
        }
        if (!stream.closed && (code !== NO_ERROR || !stream.writableFinished)) stream.close(code)
      }
      let cause: unknown
      const onAbort = (): void => {
        reject(stopped(signal, what, stream.pending ? 'no' : 'unknown'))
        stream.close(constants.NGHTTP2_CANCEL)
      }
      signal.addEventListener('abort', onAbort)
      stream
        .on('response', headers => collector.start(Number(headers[':status']), listOf(headers)))
        .on('data', (chunk: Buffer) => { if (!collector.add(chunk)) finish(constants.NGHTTP2_CANCEL) })
        // The end of what came: a reset ends it too.
        .on('end', () => { if (stream.rstCode === NO_ERROR && collector.isWhole) finish(NO_ERROR) })
        .on('error', error => { cause = error })
        .on('close', () => {
          signal.removeEventListener('abort', onAbort)
          this.#ended()
          // Nothing to whoever has its answer already.
          reject(this.#failed(what, !stream.pending && stream.rstCode !== constants.NGHTTP2_REFUSED_STREAM, cause))
        })
      if (body !== undefined) stream.end(body)
    })
  }

  destroy(why: string): void {
    this.#over(why)
    this.#session.destroy()
  }

  #opened(): void {
    if (this.#phase !== 'connecting') return
    this.#phase = 'open'
    this.#watch()
  }

  #begun(): void {
    this.#streams++
    if (this.#streams === 1 && this.#phase === 'open') this.#watch()
  }

  #ended(): void {
    this.#streams--
    if (this.#streams > 0) return
    if (this.#phase === 'open') this.#watch()
    else if (this.#phase === 'over') this.#session.close()
  }

  /** Idle: until it is given up. Else until the next ping. */
  #watch(): void {
    this.#timer.cancel()
    this.#timer = this.#options.clock.after(this.#streams === 0 ? IDLE_MS : PING_MS, () => {
      if (this.#streams > 0) return this.#ping()
      this.#over('it was idle')
      this.#session.close()
    })
  }

  #ping(): void {
    this.#timer = this.#options.clock.after(PING_MS, () => this.destroy(`it did not answer a ping within ${PING_MS} ms`))
    this.#session.ping(() => { if (this.#phase === 'open') this.#watch() })
  }

  #over(why: string): void {
    this.#why ??= why
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#timer.cancel()
    this.#events.over()
  }

  #refused(what: string, cause: unknown): TroupeError {
    const why = reasonOf(cause)
    const { code } = cause as { code?: string }
    return code?.startsWith('ERR_HTTP2_INVALID') === true && code !== 'ERR_HTTP2_INVALID_SESSION' || cause instanceof TypeError
      ? new TroupeError('BAD_REQUEST', `invalid request: ${what}: HTTP cannot carry it to the application: ${why}`, { cause })
      : unreached(this.#options.origin, what, why, cause)
  }

  #failed(what: string, left: boolean, cause: unknown): TroupeError {
    const why = cause === undefined ? this.#why ?? 'the application reset the stream' : reasonOf(cause)
    return (left ? broken : unreached)(this.#options.origin, what, why, cause)
  }
}

/**
 * A header that came twice becomes one; HTTP/2 in Node refuses several of most names.
 * @throws TypeError for what no header can hold: HTTP/2 in Node would let it out
 */
function headersOf(request: WireRequest, body: Uint8Array | undefined): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = Object.create(null) as OutgoingHttpHeaders
  headers[':method'] = request.verb
  headers[':path'] = request.path
  for (let i = 0; i < request.headers.length; i += 2) {
    const name = request.headers[i]!
    const value = request.headers[i + 1]!
    validateHeaderName(name)
    validateHeaderValue(name, value)
    const before = headers[name]
    if (before === undefined) headers[name] = value
    else if (name !== 'content-type') headers[name] = `${String(before)}${name === 'cookie' ? '; ' : ', '}${value}`
  }
  if (request.verb === 'PUT') headers['content-length'] = String(body?.length ?? 0)
  return headers
}

function listOf(headers: IncomingHttpHeaders): string[] {
  const list: string[] = []
  for (const name of Object.keys(headers)) {
    const value = headers[name]
    if (typeof value === 'string') list.push(name, value)
    else if (Array.isArray(value)) for (const one of value) list.push(name, one)
  }
  return list
}
