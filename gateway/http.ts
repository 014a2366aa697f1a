/**
 * The HTTP gateway: any host answers for any actor, in the routes of the Dapr actor API and a few of Troupe's own. In plain
 * text it speaks HTTP/1.1 and HTTP/2 with prior knowledge on one port; `Upgrade: h2c` is answered over HTTP/1.1.
 *
 * This file binds the port and keeps count of what is in flight; routes are in http-handlers.ts, one request in
 * http-exchange.ts, connections of HTTP/2 in http2-sessions.ts. It promises a JSON error with the right status for everything that can be sent to it, an end to
 * everything within `stop`'s time, and that a client that is gone leaves no call behind.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https'
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Caller } from '../actors/authorize.ts'
import { sleep, SystemClock, type Clock } from '../core/clock.ts'
import { durationMs, type Duration } from '../core/duration.ts'
import { TroupeError } from '../core/errors.ts'
import { silentLogger, type Logger } from '../core/logger.ts'
import type { Grant } from '../core/tls-grants.ts'
import type { TlsIdentity } from '../core/tls-identity.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import type { Gateway } from '../runtime/gateway.ts'
import { TOKEN_HEADER } from './api-token.ts'
import { hostFacts, type DoorFacts } from './dapr/door-facts.ts'
import { DoorGuard, type DoorOptions } from './door-guard.ts'
import { checkOptions } from './gateway-options.ts'
import { httpRoutes, publicRoutes, type HandlerContext } from './http-handlers.ts'
import { HttpExchange, type ExchangeOwner } from './http-exchange.ts'
import type { HttpRoutes } from './http-routes.ts'
import { answerBrokenRequest } from './http-broken.ts'
import { HttpVersions } from './http-versions.ts'
import { listenProblem, portFlag } from './listen-problem.ts'
import { packageVersion } from './package-version.ts'
import { BodyBudget } from './request-body.ts'

export interface HttpGatewayOptions extends DoorOptions {
  /** 0: chosen by the system. */
  port: number
  /** Address to bind; `127.0.0.1` by default. Others need `apiToken`, `tls` that demands certificates, or `insecure`. */
  host?: string
  /** Largest request body; 4 MiB by default. */
  maxBodyBytes?: number
  /** Bytes of large bodies that are being read at once; 256 MiB by default. More get OVERLOADED. */
  maxBodyBytesInFlight?: number
  /** Open connections; 10,000 by default. More are closed at once. */
  maxConnections?: number
  /** Requests being answered; 10,000 by default. More get OVERLOADED. */
  maxInFlight?: number
  /** Bytes of large answers that clients have not taken; 256 MiB by default. While there are more, requests get OVERLOADED. */
  maxAnswerBytes?: number
  /** How long a client may take to send one request, body included; 60 s by default. */
  requestTimeout?: Duration
  /** How long a stream waits for a client that does not read, and how long a large answer may take to be taken; 5 minutes by default. */
  stallTimeout?: Duration
  /** What `?appid=` of the health route must be; the facts' id by default, or the host's. */
  appId?: string
  /** What the metadata routes tell, and how strictly the Dapr API is followed; those of a host without an application by default. */
  facts?: DoorFacts
  /** `health`: health and metadata alone, for a port of its own that strangers may see; `all` by default. */
  routes?: 'all' | 'health'
  clock?: Clock
}

/** @throws BAD_OPTION */
export function httpGateway(options: HttpGatewayOptions): Gateway {
  checkOptions('httpGateway', options, {
    port: 'port', host: 'text', maxBodyBytes: 'count', maxBodyBytesInFlight: 'count', maxConnections: 'count', maxInFlight: 'count', maxAnswerBytes: 'count',
    requestTimeout: 'duration', stallTimeout: 'duration', appId: 'text', facts: 'facts', routes: 'routes', clock: 'clock', apiToken: 'tokens', tls: 'tls', insecure: 'flag',
  }, ['port'])
  return new HttpGateway(options)
}

/** Room for an id of 1 KiB whose every byte is percent-encoded twice, beside ordinary headers. */
const MAX_HEADER_BYTES = 32 * 1024
/** Longer than load balancers keep connections (60 s), so that they and not we close idle ones: no reset under a request. */
const KEEP_ALIVE_MS = 72_000
/** How long the first bytes, and the head of a request, may take. */
const HEADERS_MS = 10_000
/** How often node looks for requests that are over their time. */
const CHECK_MS = 1000
const OVERLOAD_RETRY_MS = 500
/** A door that was asked something within this time before it stops takes leave of its clients: how long they may settle, and how long nothing must come. */
const BUSY_MS = 1_000
const SETTLE_MS = 50
const LINGER_MS = 50
const LOOK_MS = 10

class HttpGateway implements Gateway, ExchangeOwner {
  readonly name: string
  readonly clock: Clock
  readonly stallTimeoutMs: number
  readonly strict: boolean
  log: Logger = silentLogger
  draining = false
  readonly #options: HttpGatewayOptions
  readonly #maxInFlight: number
  readonly #maxAnswerBytes: number
  /** Of large answers that are not out yet. */
  #answerBytes = 0
  readonly #guard: DoorGuard
  /** Of connections with a certificate. */
  readonly #grants = new WeakMap<Socket, readonly Grant[]>()
  readonly #facts: DoorFacts
  readonly #requestTimeoutMs: number
  #server!: Server | SecureServer
  /** Of a server without TLS. */
  #versions: HttpVersions | undefined
  #unwatch: (() => void) | undefined
  readonly #inFlight = new Set<HttpExchange>()
  #routes: HttpRoutes | undefined
  /** When a request began or ended last. */
  #lastMs = -Infinity

  constructor(options: HttpGatewayOptions) {
    this.#options = options
    this.clock = options.clock ?? new SystemClock()
    this.stallTimeoutMs = durationMs(options.stallTimeout ?? '5m', 'stallTimeout')
    this.name = options.routes === 'health' ? 'http-health' : 'http'
    this.#facts = options.facts ?? hostFacts()
    this.strict = this.#facts.strict
    this.#requestTimeoutMs = durationMs(options.requestTimeout ?? '60s', 'requestTimeout')
    this.#maxInFlight = options.maxInFlight ?? 10_000
    this.#maxAnswerBytes = options.maxAnswerBytes ?? 256 * 1024 * 1024
    this.#guard = new DoorGuard('http', options)
  }

  /** Not yet listening. */
  #open(identity: TlsIdentity | undefined): Server | SecureServer {
    const requestTimeout = this.#requestTimeoutMs
    const headersTimeout = Math.min(requestTimeout, HEADERS_MS)
    const options: ServerOptions = {
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      requestTimeout,
      headersTimeout,
      connectionsCheckingInterval: Math.min(CHECK_MS, requestTimeout),
      noDelay: true,
    }
    if (identity === undefined) {
      const server = createServer(options)
      this.#versions = new HttpVersions(server, {
        clock: this.clock, silentMs: headersTimeout, idleMs: KEEP_ALIVE_MS, maxHeaderBytes: MAX_HEADER_BYTES,
        answer: (request, response, expectsContinue) => this.#answer(request, response, expectsContinue),
      })
      return server
    }
    const demands = this.#guard.demandsCertificate
    const server = createSecureServer({ ...options, ...identity.current().options, requestCert: demands, rejectUnauthorized: demands })
    this.#unwatch = identity.onChange(changed => server.setSecureContext(changed.options))
    return server
  }

  async start(dispatcher: Dispatcher, log: Logger): Promise<{ address: string }> {
    const { port, host = '127.0.0.1', maxBodyBytes = 4 * 1024 * 1024, maxBodyBytesInFlight = 256 * 1024 * 1024, appId, routes } = this.#options
    this.log = log
    const bodyBudget = new BodyBudget(maxBodyBytesInFlight)
    const context: HandlerContext = { dispatcher, clock: this.clock, facts: this.#facts, maxBodyBytes, bodyBudget, appId, version: packageVersion() }
    this.#routes = routes === 'health' ? publicRoutes(context) : httpRoutes(context)
    const identity = await this.#guard.open('the HTTP door', host, this.clock, log)
    const answer: RequestListener = (request, response) => this.#answer(request, response)
    this.#server = this.#open(identity)
    this.#server.maxConnections = this.#options.maxConnections ?? 10_000
    this.#server
      .on('request', answer)
      .on('checkContinue', (request, response) => this.#answer(request, response, true))
      .on('clientError', (error, socket) => answerBrokenRequest(error, socket as Socket, this.#inFlight))
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', error => reject(listenProblem(error, 'HTTP', host, port, portFlag('http', this.#options.facts))))
      this.#server.listen(port, host, resolve)
    })
    this.#server.on('error', error => log.error({ err: error }, 'the HTTP server reports an error'))
    const bound = this.#server.address() as AddressInfo
    return { address: `${identity === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${bound.port}` }
  }

  #answer(request: IncomingMessage, response: ServerResponse, expectsContinue = false): void {
    const exchange = new HttpExchange(this, request, response, expectsContinue)
    this.#inFlight.add(exchange)
    try {
      if (request.httpVersionMajor === 2 && !this.#startsWell(exchange)) return
      if (this.#inFlight.size > this.#maxInFlight) {
        throw new TroupeError('OVERLOADED', `this host answers ${this.#maxInFlight} requests already`, { retryAfterMs: OVERLOAD_RETRY_MS })
      }
      if (this.#answerBytes > this.#maxAnswerBytes && !isHealthPath(request.url!)) {
        throw new TroupeError('OVERLOADED', `clients of this host have not taken ${this.#answerBytes} bytes of its answers`, { retryAfterMs: OVERLOAD_RETRY_MS })
      }
      exchange.caller = this.#callerOf(request)
      const match = this.#routes!.match(request.method!, request.url!)
      if ('error' in match) exchange.fail(match.error, match.allow === undefined ? {} : { headers: ['allow', match.allow] })
      else match.handler(exchange, match.params)
    } catch (error) {
      exchange.fail(error)
    }
  }

  /** What node looks after by itself for HTTP/1.1. */
  #startsWell(exchange: HttpExchange): boolean {
    let bytes = 0
    for (const text of exchange.request.rawHeaders) bytes += text.length
    if (bytes <= MAX_HEADER_BYTES) {
      if (!exchange.bodyTaken) exchange.bodyWithin(this.#requestTimeoutMs)
      return true
    }
    exchange.fail(new TroupeError('BAD_REQUEST', 'invalid request: the request line and headers are too long'), { status: 431 })
    return false
  }

  /** @throws UNAUTHENTICATED · FORBIDDEN */
  #callerOf(request: IncomingMessage): Caller {
    const { socket, method, url, headers } = request
    let grants: readonly Grant[] = []
    if (this.#guard.demandsCertificate && socket instanceof TLSSocket) {
      grants = this.#grants.get(socket) ?? this.#guard.grantsIn(socket.getPeerCertificate().raw)
      this.#grants.set(socket, grants)
    }
    const token = headers[TOKEN_HEADER]
    return this.#guard.callerOf(token === undefined ? undefined : String(token), grants, method === 'GET' && isHealthPath(url!))
  }

  answers(bytes: number): void {
    this.#answerBytes += bytes
  }

  ended(exchange: HttpExchange): void {
    this.#inFlight.delete(exchange)
    if (this.draining || this.#inFlight.size === 0) this.#lastMs = this.clock.monotonicMs()
  }

  drain(): void {
    this.draining = true
    this.#versions?.drain()
  }

  async stop(timeoutMs: number): Promise<void> {
    this.#unwatch?.()
    if (this.#server?.listening !== true) {
      this.draining = true
      return
    }
    const busy = this.#inFlight.size > 0 || this.clock.monotonicMs() - this.#lastMs < BUSY_MS
    // A port that closes resets what it has not accepted yet, and clients that were told to go come back at once: let them stay for a moment.
    this.draining = false
    if (busy) await sleep(this.clock, SETTLE_MS)
    // Only the port: idle connections stay, a request may be on its way. From now on each is told to close with its next answer.
    const closed = new Promise<void>(resolve => NetServer.prototype.close.call(this.#server, () => resolve()))
    this.drain()
    if (busy) await this.#quiet(timeoutMs)
    this.#server.close()
    this.#server.closeAllConnections()
    this.#versions?.close()
    await closed
  }

  /** Until nothing is asked any more, for `timeoutMs` at most. */
  async #quiet(timeoutMs: number): Promise<void> {
    const untilMs = this.clock.monotonicMs() + timeoutMs
    while (this.clock.monotonicMs() < untilMs) {
      if (this.#inFlight.size === 0 && this.clock.monotonicMs() - this.#lastMs >= LINGER_MS) return
      await sleep(this.clock, Math.min(LOOK_MS, Math.max(1, untilMs - this.clock.monotonicMs())))
    }
  }
}

/** Exactly these, as they stand in the request line: nothing is cleaned or decoded before it is compared, so nothing can be made to look like them. */
const isHealthPath = (url: string): boolean => /^\/v1\.0\/healthz(?:\/outbound)?(?:\?|$)/.test(url)
