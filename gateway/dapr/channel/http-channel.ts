/**
 * The channel to an application that is reached over HTTP: `--app-protocol http`, `https` or `h2c`.
 *
 * Each call is one request, sent once and never again by this file: `PUT /actors/TYPE/ID/method/METHOD` with the caller's bytes, its
 * headers and its query; reminders and timers under `method/remind/NAME` and `method/timer/NAME`; `DELETE /actors/TYPE/ID` when the
 * actor goes. Only status 200 is success. How long an answer may take is the caller's to say, by its signal.
 */
import { ACTOR_CANCEL_HEADER, failureOf, type CallPurpose } from './app-answer.ts'
import { AppGate } from './app-gate.ts'
import { replyHeaders, requestHeaders } from '../passed-headers.ts'
import { actorPath, methodPath, reminderPath, timerPath } from './app-paths.ts'
import type { AppWire, WireReply, WireRequest } from './app-wire.ts'
import { reminderBody, timerBody } from './callback-body.ts'
import { H2cWire } from './h2c-wire.ts'
import { Http1Wire } from './http1-wire.ts'
import { lookAt, type PortState } from './port-look.ts'
import {
  headerOf, REENTRANCY_HEADER, type AppCallback, type AppCallbackReply, type AppChannel, type AppReply, type AppRequest, type HeaderList,
} from '../../../actors/app-channel.ts'
import type { Clock } from '../../../core/clock.ts'

export const httpAppProtocols = ['http', 'https', 'h2c'] as const

export interface HttpChannelOptions {
  readonly protocol: (typeof httpAppProtocols)[number]
  readonly address: string
  readonly port: number
  /** Sent as `dapr-api-token`, so that the application knows its sidecar ($APP_API_TOKEN). */
  readonly apiToken: string | undefined
  /** Requests at once; 0: no limit. With a limit of 1 no actor of the application can call another of it: it would wait for itself. */
  readonly maxConcurrency: number
  /** Of an answer. */
  readonly maxBodyBytes: number
  readonly clock: Clock
}

/** Without a limit of its own: what a process can have of sockets, not what an application should be asked at once. */
const MOST_AT_ONCE = 10_000
const MOST_WAITING = 10_000
/** Of actors that end: beside the limit, or a turn that hangs would keep the application from hearing of them. */
const MOST_FAREWELLS_AT_ONCE = 256
const MOST_FAREWELLS_WAITING = 100_000

export class HttpChannel implements AppChannel {
  readonly name: string
  readonly #options: HttpChannelOptions
  readonly #wire: AppWire
  readonly #gate: AppGate
  readonly #farewells = new AppGate(MOST_FAREWELLS_AT_ONCE, MOST_FAREWELLS_WAITING)
  readonly #token: HeaderList

  constructor(options: HttpChannelOptions) {
    const host = options.address.includes(':') ? `[${options.address}]` : options.address
    const origin = `${options.protocol === 'https' ? 'https' : 'http'}://${host}:${options.port}`
    this.#options = options
    this.#wire = options.protocol === 'h2c' ? new H2cWire({ ...options, origin }) : new Http1Wire({ ...options, origin })
    this.name = this.#wire.name
    this.#gate = new AppGate(options.maxConcurrency > 0 ? options.maxConcurrency : MOST_AT_ONCE, MOST_WAITING)
    this.#token = options.apiToken === undefined ? [] : ['dapr-api-token', options.apiToken]
  }

  async invoke(request: AppRequest, signal: AbortSignal): Promise<AppReply> {
    const base = methodPath(request.type, request.id, request.method)
    const headers = requestHeaders(request.headers)
    headers.push('dapr-api-call', 'true', ...this.#token)
    const path = request.query === '' ? base : `${base}?${request.query}`
    const reply = await this.#ask({ verb: 'PUT', path, headers, body: request.body }, 'method', base, signal)
    return { headers: replyHeaders(reply.headers), body: reply.body }
  }

  remind(reminder: AppCallback, signal: AbortSignal): Promise<AppCallbackReply> {
    return this.#callBack(reminderPath(reminder.type, reminder.id, reminder.name), reminderBody(reminder), reminder.reentrancyId, signal)
  }

  tick(timer: AppCallback, signal: AbortSignal): Promise<AppCallbackReply> {
    return this.#callBack(timerPath(timer.type, timer.id, timer.name), timerBody(timer), timer.reentrancyId, signal)
  }

  async deactivate(type: string, id: string, signal: AbortSignal): Promise<void> {
    const path = actorPath(type, id)
    const headers = ['content-type', 'application/x-protobuf', ...this.#token]
    await this.#ask({ verb: 'DELETE', path, headers, body: undefined }, 'deactivation', path, signal, this.#farewells)
  }

  /** What the application says at a route of its own, `/dapr/config` or `/healthz`; past the limit of requests at once. */
  get(path: string, headers: HeaderList, signal: AbortSignal): Promise<WireReply> {
    return this.#wire.send({ verb: 'GET', path, headers: [...headers, ...this.#token], body: undefined }, signal)
  }

  /** Whether somebody listens at the port. */
  look(signal: AbortSignal): Promise<PortState> {
    return lookAt(this.#options.address, this.#options.port, signal)
  }

  /** Drops connections, and requests that are under way. */
  close(): void {
    this.#wire.close()
  }

  async #callBack(path: string, body: string, reentrancyId: string | undefined, signal: AbortSignal): Promise<AppCallbackReply> {
    const headers = ['content-type', 'application/json', ...this.#token]
    if (reentrancyId !== undefined) headers.push(REENTRANCY_HEADER, reentrancyId)
    const reply = await this.#ask({ verb: 'PUT', path, headers, body: Buffer.from(body) }, 'callback', path, signal)
    return { cancel: headerOf(reply.headers, ACTOR_CANCEL_HEADER)?.toLowerCase() === 'true' }
  }

  async #ask(request: WireRequest, purpose: CallPurpose, path: string, signal: AbortSignal, gate = this.#gate): Promise<WireReply> {
    const turn = gate.enter(path, signal)
    if (turn !== undefined) await turn
    try {
      const reply = await this.#wire.send(request, signal)
      if (reply.status !== 200) throw failureOf(reply, purpose, path)
      return reply
    } finally {
      gate.leave()
    }
  }
}
