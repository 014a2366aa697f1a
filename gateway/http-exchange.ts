/**
 * One HTTP request and its one reply.
 *
 * It promises a reply at most once, an abort of `signal` when the client goes away before the reply is out, and that a
 * refused body cannot hurt: the connection then ends after the client had time to read why.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller } from '../actors/authorize.ts'
import type { Clock } from '../core/clock.ts'
import { encode } from '../core/codec.ts'
import { TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { CallReply } from '../runtime/dispatch/dispatcher.ts'
import { CODEC_TYPE, JSON_TYPE, resultBody, saysCodec } from '../actors/call-body.ts'
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
  /** How long a stream waits for a client that does not read. */
  readonly stallTimeoutMs: number
  /** Called once, when the connection is done with this exchange. */
  ended(exchange: HttpExchange): void
}

/** How long a client that still sends a refused body may take to read the refusal. */
const LINGER_MS = 1000
/** Reading so much costs less than a new connection. */
const MOST_DROPPED_BYTES = 64 * 1024

export class HttpExchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
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
    if (!this.response.writableFinished) this.#abort.abort(new TroupeError('CANCELLED', 'the client closed its connection'))
    this.#owner.ended(this)
  }

  /** Tells a client that asked that its body is wanted. */
  admitBody(): void {
    if (this.#expectsContinue) this.response.writeContinue()
  }

  /** Replies with what a call gave: its value, nothing, or a stream of items. Never throws. */
  sendReply(reply: CallReply): void {
    const { value } = reply
    try {
      if (isStream(value)) {
        if (this.#closed) endUnread(value)
        else void streamItems(this, this.#owner, value, this.#origin(reply))
      } else if (!this.#closed) {
        const codec = this.wantsCodec
        const body = resultBody(value, codec)
        if (body === undefined) this.send(204, undefined, undefined, this.#origin(reply))
        else this.send(200, codec ? CODEC_TYPE : JSON_TYPE, body, this.#origin(reply))
      }
    } catch (error) {
      this.fail(error)
    }
  }

  #origin(reply: CallReply): string[] {
    return ['troupe-host', headerText(reply.host), 'troupe-epoch', String(reply.epoch)]
  }

  sendJson(status: number, document: unknown): void {
    this.send(status, JSON_TYPE, jsonText(document))
  }

  /** Replies with an error; `overrides` replace what its code's row in the table says. */
  fail(thrown: unknown, overrides: { status?: number; errorCode?: string; headers?: readonly string[] } = {}): void {
    const { status, body, expected } = failureOf(thrown)
    if (!expected) this.#owner.log.error({ err: thrown, url: this.request.url }, 'a request failed for a reason that nobody expected')
    if (this.#closed || this.response.headersSent) return
    const told: ErrorBody = overrides.errorCode === undefined ? body : { ...body, errorCode: overrides.errorCode }
    const headers = [...overrides.headers ?? []]
    if (told.retryAfterMs !== undefined) headers.push('retry-after', String(Math.ceil(told.retryAfterMs / 1000)))
    const codec = this.wantsCodec
    this.send(overrides.status ?? status, codec ? CODEC_TYPE : JSON_TYPE, errorBytes(told, codec), headers)
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
    const { response } = this
    if (type !== undefined && body !== undefined) {
      const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length
      headers.push('content-type', type, 'content-length', String(length))
    }
    if (this.bodyTaken && !this.#owner.draining) {
      response.writeHead(status, headers)
      response.end(body)
      return
    }
    response.writeHead(status, [...headers, 'connection', 'close'])
    if (this.bodyTaken) response.end(body)
    else this.#endAfterBody(body)
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
