/**
 * One HTTP request and its one reply, over HTTP/1.1 or one stream of HTTP/2.
 *
 * It promises a reply at most once, an abort of `signal` when the client goes away before the reply is out, and that a
 * refused body cannot hurt: the connection, or the stream, then ends after the client had time to read why.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, type Http2ServerResponse } from 'node:http2'
import type { AppReply } from '../actors/app-channel.ts'
import type { Caller } from '../actors/authorize.ts'
import type { Clock } from '../core/clock.ts'
import { encode } from '../core/codec.ts'
import { TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { CallReply } from '../runtime/dispatch/dispatcher.ts'
import { CODEC_TYPE, JSON_TYPE, resultBody, saysCodec } from '../actors/call-body.ts'
import { joinedHeaders, legalHeaders, replyHeaders } from './dapr/passed-headers.ts'
import { failureOf, type ErrorBody } from './error-body.ts'
import { hasBody } from './request-body.ts'
import { endUnread, isStream, streamItems } from './http-stream.ts'
import { jsonText } from '../actors/json-values.ts'

/** What exchanges need from the gateway they belong to. */
export interface ExchangeOwner {
  readonly clock: Clock
  readonly log: Logger
  /** Replies ask the client to close its connection. */
  readonly draining: boolean
  /** Replies are those of the Dapr API and nothing more. */
  readonly strict: boolean
  /** How long a stream waits for a client that does not read. */
  readonly stallTimeoutMs: number
  /** A large answer waits for its client to take it; the same with less than 0 when it does no more. */
  answers(bytes: number): void
  /** Called once, when the connection is done with this exchange. */
  ended(exchange: HttpExchange): void
}

export interface FailureOverrides {
  readonly status?: number
  readonly errorCode?: string
  readonly message?: string
  readonly headers?: readonly string[]
}

/** How long a client that still sends a refused body may take to read the refusal. */
const LINGER_MS = 1000
/** Reading so much costs less than a new connection. */
const MOST_DROPPED_BYTES = 64 * 1024
/** Answers that are no larger are not counted while they wait to be taken. */
const SMALL_ANSWER_BYTES = 64 * 1024

export class HttpExchange {
  readonly request: IncomingMessage
  /** Of HTTP/2 it is the one of node's compatible interface. */
  readonly response: ServerResponse
  readonly #http2: boolean
  readonly #owner: ExchangeOwner
  readonly #abort = new AbortController()
  /** Set when the request's body has been taken, or needs no taking. */
  bodyTaken: boolean
  /** Who asks; set by the gateway before the handler sees it. */
  caller: Caller = { kind: 'outside', via: 'http' }
  /** The client waits for `100 Continue` before it sends the body. */
  readonly #expectsContinue: boolean
  #closed = false

  constructor(owner: ExchangeOwner, request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) {
    this.#owner = owner
    this.#expectsContinue = expectsContinue
    this.request = request
    this.response = response
    this.#http2 = request.httpVersionMajor === 2
    this.bodyTaken = !hasBody(request)
    response.on('close', () => this.#close())
  }

  /** Aborted when the client goes away before it has its reply. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** True when nobody reads a reply any more. */
  get closed(): boolean {
    return this.#closed
  }

  get wantsCodec(): boolean {
    return saysCodec(this.request.headers.accept)
  }

  #close(): void {
    this.#closed = true
    if (!this.#isOut()) this.#abort.abort(new TroupeError('CANCELLED', 'the client closed its connection'))
    this.#owner.ended(this)
  }

  /** The reply has left whole. */
  #isOut(): boolean {
    return this.#http2 ? this.#stream.writableFinished && this.#stream.rstCode === constants.NGHTTP2_NO_ERROR : this.response.writableFinished
  }

  /** Tells a client that asked that its body is wanted. */
  admitBody(): void {
    if (this.#expectsContinue) this.response.writeContinue()
  }

  /** Refuses the request when its body takes longer than this; for HTTP/2, whose server has no such watch. */
  bodyWithin(timeoutMs: number): void {
    const timer = this.#owner.clock.after(timeoutMs, () => {
      if (!this.bodyTaken) this.fail(new TroupeError('BAD_REQUEST', 'invalid request: the request took too long to arrive'), { status: 408 })
    })
    this.response.on('close', () => timer.cancel())
  }

  /** Replies with what a call gave: an application's answer, a value, nothing, or a stream of items. Never throws. */
  sendReply(reply: CallReply, emptyStatus: 200 | 204 = 204): void {
    const { app, value } = reply
    try {
      if (app !== undefined) {
        this.#sendApp(app, reply)
      } else if (isStream(value)) {
        if (this.#closed) endUnread(value)
        else void streamItems(this, this.#owner, value, this.originOf(reply))
      } else if (!this.#closed) {
        const codec = this.wantsCodec
        const body = resultBody(value, codec)
        if (body !== undefined) this.send(200, codec ? CODEC_TYPE : JSON_TYPE, body, this.originOf(reply))
        else this.sendBytes(emptyStatus, undefined, this.originOf(reply))
      }
    } catch (error) {
      this.fail(error)
    }
  }

  /** Byte for byte, empty ones too. */
  #sendApp({ headers, body }: AppReply, reply: CallReply): void {
    if (this.#closed) return
    // Half a head that was refused cannot be taken back over HTTP/2.
    const told = this.#http2 ? joinedHeaders(legalHeaders(replyHeaders(headers))) : replyHeaders(headers)
    told.push(...this.originOf(reply))
    const given = told.length
    try {
      this.sendBytes(200, body, told)
    } catch (error) {
      // Only headers that HTTP cannot carry are refused, before a byte has left.
      if (this.response.headersSent) throw error
      this.sendBytes(200, body, legalHeaders(told.slice(0, given)))
    }
  }

  /** Headers that say who answered; none where only the standard's are wanted. */
  originOf(reply: CallReply): string[] {
    return this.#owner.strict ? [] : ['troupe-host', headerText(reply.host), 'troupe-epoch', String(reply.epoch)]
  }

  sendJson(status: number, document: unknown): void {
    this.send(status, JSON_TYPE, jsonText(document))
  }

  /** JSON text that is ready. */
  sendText(status: number, json: string): void {
    this.send(status, JSON_TYPE, json)
  }

  /** Replies with an error; `overrides` replace what its code's row in the table says. */
  fail(thrown: unknown, overrides: FailureOverrides = {}): void {
    const { status, body, expected } = failureOf(thrown)
    if (!expected) this.#owner.log.error({ err: thrown, url: this.request.url }, 'a request failed for a reason that nobody expected')
    if (this.#closed || this.response.headersSent) return
    const { errorCode = body.errorCode, message = body.message } = overrides
    const told: ErrorBody = { ...body, errorCode, message }
    const headers = [...overrides.headers ?? []]
    if (told.retryAfterMs !== undefined) headers.push('retry-after', String(Math.ceil(told.retryAfterMs / 1000)))
    const codec = this.wantsCodec
    // Who accepts codec bytes is a client of Troupe's own.
    if (this.#owner.strict && !codec) this.#failStrictly(overrides.status ?? status, told, headers)
    else this.send(overrides.status ?? status, codec ? CODEC_TYPE : JSON_TYPE, errorBytes(told, codec), headers)
  }

  #failStrictly(status: number, { code, errorCode, message }: ErrorBody, headers: string[]): void {
    if (code === 'UNAUTHENTICATED') this.send(status, 'text/plain; charset=utf-8', 'invalid api token', headers)
    else this.send(status, JSON_TYPE, jsonText({ errorCode, message }), headers)
  }

  /** Replies with an error instead of reading the body: a small one is dropped as it comes, so that the connection can go on. */
  refuse(error: TroupeError): void {
    if (!this.bodyTaken && !this.#expectsContinue && Number(this.request.headers['content-length'] ?? Infinity) <= MOST_DROPPED_BYTES) {
      this.bodyTaken = true
      this.request.resume()
    }
    this.fail(error)
  }

  send(status: number, type: string | undefined, body: string | Uint8Array | undefined, headers: string[] = []): void {
    if (this.#closed) return
    if (type !== undefined && body !== undefined) {
      const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length
      headers.push('content-type', type, 'content-length', String(length))
    }
    this.#write(status, headers, body)
  }

  /** With the content type that is among `headers`. */
  sendBytes(status: number, body: Uint8Array | undefined, headers: string[]): void {
    if (this.#closed) return
    if (status !== 204) headers.push('content-length', String(body?.length ?? 0))
    this.#write(status, headers, body?.length === 0 ? undefined : body)
  }

  /** The reply's head; `last`: the client is told to close its connection. */
  writeHead(status: number, headers: string[], last: boolean): void {
    const { response } = this
    if (!this.#http2) response.writeHead(status, last ? [...headers, 'connection', 'close'] : headers)
    // A connection of HTTP/2 is told by the gateway.
    else this.#writeStreamHead(status, headers)
  }

  #writeStreamHead(status: number, headers: readonly string[]): void {
    const { response } = this
    try {
      response.writeHead(status, pairs(headers) as never)
    } catch (error) {
      // What it had taken before it refused would be among the headers of the error.
      for (const name of response.getHeaderNames()) response.removeHeader(name)
      throw error
    }
  }

  /** Ends the connection, or the stream, of a client that does not read. */
  cut(): void {
    if (this.#http2) this.#stream.close(constants.NGHTTP2_CANCEL)
    else this.request.socket.destroy()
  }

  get #stream(): Http2ServerResponse['stream'] {
    return (this.response as unknown as Http2ServerResponse).stream
  }

  #write(status: number, headers: string[], body: string | Uint8Array | undefined): void {
    const last = !this.bodyTaken || this.#owner.draining
    this.writeHead(status, headers, last)
    if (body !== undefined && body.length > SMALL_ANSWER_BYTES) this.#countAnswer(body.length)
    if (this.bodyTaken) this.response.end(body)
    else if (this.#http2) this.#endStream(body)
    else this.#endAfterBody(body)
  }

  /** Until the client has taken it, or has had its time. */
  #countAnswer(bytes: number): void {
    this.#owner.answers(bytes)
    const timer = this.#owner.clock.after(this.#owner.stallTimeoutMs, () => this.cut())
    this.response.once('close', () => {
      timer.cancel()
      this.#owner.answers(-bytes)
    })
  }

  /** The reply goes out whole; what the client still sends is dropped for a while, and only then its stream is closed. */
  #endStream(body: string | Uint8Array | undefined): void {
    const { request } = this
    const timer = this.#owner.clock.after(LINGER_MS, () => this.cut())
    request.once('end', () => timer.cancel()).once('close', () => timer.cancel()).resume()
    this.response.end(body)
  }

  /**
   * Closing a socket with unread bytes resets the connection, and the client never sees the reply. So the reply goes
   * out whole, what the client still sends is dropped for a while, and only then the connection ends.
   */
  #endAfterBody(body: string | Uint8Array | undefined): void {
    const { request, response } = this
    if (body === undefined) response.flushHeaders()
    else response.write(body)
    const end = (): void => {
      timer.cancel()
      if (!response.writableEnded) response.end()
    }
    const timer = this.#owner.clock.after(LINGER_MS, end)
    request.once('end', end).once('close', end).resume()
  }
}

const pairs = (flat: readonly string[]): [string, string][] => {
  const found: [string, string][] = []
  for (let i = 0; i < flat.length; i += 2) found.push([flat[i]!, flat[i + 1]!])
  return found
}

function errorBytes(body: ErrorBody, codec: boolean): string | Uint8Array {
  try {
    return codec ? encode(body, 'the error') : jsonText(body)
  } catch {
    // Only an author's data can be unencodable: the error itself still arrives.
    const { data: _, ...rest } = body
    return codec ? encode(rest, 'the error') : jsonText(rest)
  }
}

/** Header values are visible ASCII; other host ids travel percent-encoded. */
const headerText = (text: string): string => /^[\x21-\x7e]+$/.test(text) ? text : encodeURIComponent(text.toWellFormed())
