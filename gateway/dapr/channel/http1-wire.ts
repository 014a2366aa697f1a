/**
 * HTTP/1.1 to an application, by undici, of which this is the only importer.
 *
 * One request at a time on a connection: pipelined ones would share the fate of the first. Idle connections are kept in a stack and
 * not in undici's pool, whose search is linear and which never forgets: the warmest is used next, those below grow old and go.
 * There is no bound on connections here (http-channel.ts has one): turns wait for each other, and a bound that they can fill together
 * is a deadlock.
 */
import { buildConnector, Client, type Dispatcher } from 'undici'
import type { Clock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import {
  broken, CONNECT_TIMEOUT_MS, IDLE_MS, reasonOf, ReplyCollector, showRequest, stopped, unreached, type AppWire, type WireReply, type WireRequest,
} from './app-wire.ts'

export interface Http1WireOptions {
  /** `http://127.0.0.1:3000` or `https://…`. */
  readonly origin: string
  readonly maxBodyBytes: number
  readonly clock: Clock
}

interface Connection {
  readonly client: Client
  idleSince: number
}

export class Http1Wire implements AppWire {
  readonly name: string
  readonly #options: Http1WireOptions
  readonly #connect: buildConnector.connector
  /** The one used last is on top. */
  readonly #idle: Connection[] = []
  readonly #busy = new Set<Connection>()
  #closed = false

  constructor(options: Http1WireOptions) {
    this.name = options.origin
    this.#options = options
    // The application's certificate proves nothing that its being on this machine does not; Dapr does not look at it either.
    this.#connect = buildConnector({ timeout: CONNECT_TIMEOUT_MS, rejectUnauthorized: false })
  }

  send(request: WireRequest, signal: AbortSignal): Promise<WireReply> {
    if (this.#closed) return Promise.reject(unreached(this.name, showRequest(request), 'this side is stopping'))
    if (signal.aborted) return Promise.reject(stopped(signal, showRequest(request), 'no'))
    return new Promise((resolve, reject) => {
      const connection = this.#take()
      const exchange = new Exchange(this.name, request, signal, this.#options.maxBodyBytes, (outcome, reusable) => {
        this.#give(connection, reusable)
        if ('error' in outcome) reject(outcome.error)
        else resolve(outcome)
      })
      const { path, verb, headers, body } = request
      connection.client.dispatch({ path, method: verb, headers: headers as string[], body: body ?? null }, exchange)
    })
  }

  close(): void {
    this.#closed = true
    for (const { client } of [...this.#idle.splice(0), ...this.#busy]) end(client)
  }

  #take(): Connection {
    let connection = this.#idle.pop()
    if (connection !== undefined && this.#isOld(connection)) {
      // Those below are older still.
      for (const { client } of [connection, ...this.#idle.splice(0)]) end(client)
      connection = undefined
    }
    connection ??= { client: this.#open(), idleSince: 0 }
    this.#busy.add(connection)
    return connection
  }

  #give(connection: Connection, reusable: boolean): void {
    this.#busy.delete(connection)
    if (!reusable || this.#closed) return end(connection.client)
    const { clock } = this.#options
    connection.idleSince = clock.monotonicMs()
    // Not in this turn of the event loop: an application that closed right after its answer is seen before the next request is written.
    clock.soon(() => {
      if (this.#closed) return end(connection.client)
      this.#idle.push(connection)
      if (this.#isOld(this.#idle[0]!)) end(this.#idle.shift()!.client)
    })
  }

  #isOld(connection: Connection): boolean {
    return this.#options.clock.monotonicMs() - connection.idleSince > IDLE_MS
  }

  #open(): Client {
    return new Client(this.#options.origin, {
      connect: this.#connect,
      // The turn's deadline is the only one: it aborts the signal.
      headersTimeout: 0, bodyTimeout: 0,
      keepAliveTimeout: IDLE_MS, keepAliveMaxTimeout: IDLE_MS,
      // Where the application says how long it keeps a connection.
      keepAliveTimeoutThreshold: 500,
      pipelining: 1,
    })
  }
}

const end = (client: Client): void => void client.destroy().catch(() => {})

type Outcome = WireReply | { readonly error: Error }

/** One request and its answer, as undici tells of it. Settles once. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #app: string
  readonly #request: WireRequest
  readonly #signal: AbortSignal
  readonly #collector: ReplyCollector
  readonly #settle: (outcome: Outcome, reusable: boolean) => void
  readonly #onAbort = (): void => this.#end({ error: stopped(this.#signal, this.#what(), this.#left ? 'unknown' : 'no') }, false)
  #controller: Dispatcher.DispatchController | undefined
  /** Its first byte may have left. */
  #left = false
  #settled = false

  constructor(app: string, request: WireRequest, signal: AbortSignal, maxBodyBytes: number, settle: (outcome: Outcome, reusable: boolean) => void) {
    this.#app = app
    this.#request = request
    this.#signal = signal
    this.#collector = new ReplyCollector(maxBodyBytes)
    this.#settle = settle
    signal.addEventListener('abort', this.#onAbort)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // A second start would be a second send.
    if (this.#settled || this.#left) return controller.abort(new Error('it is over'))
    this.#left = true
    this.#controller = controller
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Record<string, string | string[] | undefined>): void {
    if (status >= 200) this.#collector.start(status, listOf(headers))
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#settled && !this.#collector.add(chunk)) this.#finish(false)
  }

  onResponseEnd(): void {
    this.#finish(true)
  }

  onResponseError(_: Dispatcher.DispatchController, cause: Error & { code?: string }): void {
    const why = reasonOf(cause)
    const error = cause.code === 'UND_ERR_INVALID_ARG' || cause.code === 'UND_ERR_NOT_SUPPORTED'
      ? new TroupeError('BAD_REQUEST', `invalid request: ${this.#what()}: HTTP cannot carry it to the application: ${why}`, { cause })
      : this.#left ? broken(this.#app, this.#what(), why, cause) : unreached(this.#app, this.#what(), why, cause)
    this.#end({ error }, false)
  }

  #finish(whole: boolean): void {
    try {
      this.#end(this.#collector.finish(this.#what()), whole)
    } catch (error) {
      this.#end({ error: error as Error }, false)
    }
  }

  #end(outcome: Outcome, reusable: boolean): void {
    if (this.#settled) return
    this.#settled = true
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#settle(outcome, reusable)
    if (!reusable) this.#controller?.abort(new Error('it is over'))
  }

  #what(): string {
    return showRequest(this.#request)
  }
}

function listOf(headers: Record<string, string | string[] | undefined>): string[] {
  const list: string[] = []
  for (const name of Object.keys(headers)) {
    const value = headers[name]
    if (typeof value === 'string') list.push(name, value)
    else for (const one of value ?? []) list.push(name, one)
  }
  return list
}
