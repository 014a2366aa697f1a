/**
 * The gRPC gateway: what `dapr.proto.runtime.v1.Dapr` has for calls and reminders (grpc-reminders.ts), for clients of
 * that standard.
 *
 * Arguments and results are those of the HTTP gateway (call-body.ts). Deadlines and cancellation of the RPC are those of
 * the call; who answered, and what an error proves, is in the trailing metadata (grpc-status.ts).
 */
import { fileURLToPath } from 'node:url'
import {
  loadPackageDefinition, Metadata, Server,
  type GrpcObject, type sendUnaryData, type ServerUnaryCall, type ServiceClientConstructor,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { Caller } from '../actors/authorize.ts'
import { SystemClock, type Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import { checkId, checkType } from '../core/ids.ts'
import { silentLogger, type Logger } from '../core/logger.ts'
import { clientGrants, serverCredentials } from '../placement/grpc-tls.ts'
import type { CallReply, Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import type { Gateway } from '../runtime/gateway.ts'
import { TOKEN_HEADER } from './api-token.ts'
import { argumentsOf, resultBody, saysCodec } from '../actors/call-body.ts'
import { DoorGuard, type DoorOptions } from './door-guard.ts'
import { checkOptions } from './gateway-options.ts'
import { getReminder, listReminders, registerReminder, unregisterByType, unregisterReminder, type ReminderWork } from './grpc-reminders.ts'
import { metadataText, statusOf } from './grpc-status.ts'
import { cleanMethod } from './http-routes.ts'
import { endUnread, isStream } from './http-stream.ts'
import { readKey, refuseKey } from './idempotency-key.ts'
import { listenProblem } from './listen-problem.ts'
import { reminderFailure, type ReminderVerb } from './reminder-errors.ts'

export interface GrpcGatewayOptions extends DoorOptions {
  /** 0: chosen by the system. */
  port: number
  /** Address to bind; `127.0.0.1` by default. Others need `apiToken`, `tls` that demands certificates, or `insecure`. */
  host?: string
  /** Largest message in and out; 4 MiB by default. */
  maxMessageBytes?: number
  /** Calls being answered; 10,000 by default. More get OVERLOADED. */
  maxInFlight?: number
  clock?: Clock
}

/** @throws BAD_OPTION */
export function grpcGateway(options: GrpcGatewayOptions): Gateway {
  checkOptions('grpcGateway', options, {
    port: 'port', host: 'text', maxMessageBytes: 'count', maxInFlight: 'count', clock: 'clock', apiToken: 'tokens', tls: 'tls', insecure: 'flag',
  }, ['port'])
  return new GrpcGateway(options)
}

interface InvokeActorRequest {
  readonly actorType: string
  readonly actorId: string
  readonly method: string
  readonly data: Buffer
  readonly metadata: Readonly<Record<string, string>>
}
interface InvokeActorResponse {
  data?: Uint8Array
}
/** What all requests have. */
interface AboutActor {
  readonly actorType: string
  readonly actorId?: string
  readonly name?: string
}
type Call<Request> = ServerUnaryCall<Request, object>
type Callback = sendUnaryData<object>

/** Replies to one RPC: a message and its trailer. */
interface Answer {
  readonly message: object
  readonly trailer?: Metadata
}

const OVERLOAD_RETRY_MS = 500
/** Clients that do not leave a draining host by themselves stay until it stops. */
const DRAIN_GRACE_MS = 10 * 60_000

class GrpcGateway implements Gateway {
  readonly name = 'grpc'
  readonly #options: GrpcGatewayOptions
  readonly #clock: Clock
  readonly #maxBytes: number
  readonly #maxInFlight: number
  readonly #guard: DoorGuard
  readonly #server: Server
  #dispatcher: Dispatcher | undefined
  #log: Logger = silentLogger
  #inFlight = 0
  #address = ''
  #draining = false

  constructor(options: GrpcGatewayOptions) {
    this.#options = options
    this.#clock = options.clock ?? new SystemClock()
    this.#maxBytes = options.maxMessageBytes ?? 4 * 1024 * 1024
    this.#maxInFlight = options.maxInFlight ?? 10_000
    this.#guard = new DoorGuard('grpc', options)
    this.#server = new Server({
      'grpc.max_receive_message_length': this.#maxBytes,
      'grpc.max_send_message_length': this.#maxBytes,
    })
  }

  async start(dispatcher: Dispatcher, log: Logger): Promise<{ address: string }> {
    const { port, host = '127.0.0.1' } = this.#options
    this.#dispatcher = dispatcher
    this.#log = log
    const identity = await this.#guard.open('the gRPC door', host, this.#clock, log)
    this.#server.addService(daprService(), {
      InvokeActor: (call: Call<InvokeActorRequest>, callback: Callback) => this.#answer(call, callback, caller => this.#invoke(call, caller)),
      RegisterActorReminder: this.#reminders('CREATE', registerReminder),
      UnregisterActorReminder: this.#reminders('DELETE', unregisterReminder),
      UnregisterActorRemindersByType: this.#reminders('DELETE', unregisterByType),
      GetActorReminder: this.#reminders('GET', getReminder),
      ListActorReminders: this.#reminders('GET', (request: AboutActor, work) => listReminders(request, work, this.#maxBytes)),
    })
    const shown = host.includes(':') ? `[${host}]` : host
    const bound = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(`${shown}:${port}`, serverCredentials(identity, this.#guard.demandsCertificate ? 'demanded' : 'unasked'), (error, bound) => {
        if (error === null) resolve(bound)
        // grpc-js reports the system's error only inside its text.
        else reject(listenProblem(Object.assign(error, { code: /EADDRINUSE/.exec(error.message)?.[0] }), 'gRPC', host, port, '--grpc-port'))
      })
    })
    this.#address = `${shown}:${bound}`
    return { address: this.#address }
  }

  /** Runs `work` and replies with what comes of it, once. `verb`: it is about reminders, and so are its errors. */
  #answer<Request extends AboutActor>(call: Call<Request>, callback: Callback, work: (caller: Caller) => Promise<Answer>, verb?: ReminderVerb): void {
    if (this.#inFlight >= this.#maxInFlight) {
      const error = new TroupeError('OVERLOADED', `this host answers ${this.#maxInFlight} calls already`, { retryAfterMs: OVERLOAD_RETRY_MS })
      return this.#fail(call, callback, error, verb)
    }
    let caller: Caller
    try {
      caller = this.#callerOf(call)
    } catch (error) {
      return this.#fail(call, callback, error, undefined)
    }
    this.#inFlight++
    work(caller).finally(() => { this.#inFlight-- })
      .then(({ message, trailer }) => callback(null, message, trailer), (error: unknown) => this.#fail(call, callback, error, verb))
  }

  /** @throws UNAUTHENTICATED · FORBIDDEN */
  #callerOf(call: Call<unknown>): Caller {
    const tokens = call.metadata.get(TOKEN_HEADER)
    return this.#guard.callerOf(tokens.length === 0 ? undefined : tokens.join(', '), this.#guard.demandsCertificate ? clientGrants(call) : [])
  }

  #fail({ request }: Call<AboutActor>, callback: Callback, thrown: unknown, verb: ReminderVerb | undefined): void {
    const { actorType, actorId = '', name } = request
    const { error, grpc, prefix } = verb === undefined ? { error: thrown } : reminderFailure(thrown, verb, name)
    const { status, expected } = statusOf(error, actorType, actorId, prefix)
    if (!expected) this.#log.error({ err: thrown, actorType, actorId }, 'a gRPC call failed for a reason that nobody expected')
    callback(grpc === undefined ? status : { ...status, code: grpc })
  }

  #reminders<Request extends AboutActor>(verb: ReminderVerb, run: (request: Request, work: ReminderWork) => Promise<object>) {
    return (call: Call<Request>, callback: Callback): void => this.#answer(call, callback, async caller => {
      refuseKey(call.metadata.get('idempotency-key')[0])
      const work = { dispatcher: this.#dispatcher!, nowMs: this.#clock.wallMs(), timeoutMs: this.#timeLeft(call), signal: signalOf(call), caller }
      return { message: await run(call.request, work) }
    }, verb)
  }

  async #invoke(call: Call<InvokeActorRequest>, caller: Caller): Promise<Answer> {
    const { actorType, actorId, method, data, metadata } = call.request
    const refusal = this.#dispatcher!.refusal?.(data.length)
    if (refusal !== undefined) throw refusal
    checkType(actorType)
    checkId(actorId)
    const name = cleanMethod(method)
    const codec = saysCodec(metadata['content-type'] ?? metadata['Content-Type'])
    const reply = await this.#dispatcher!.call({
      type: actorType, id: actorId, method: name, args: argumentsOf(data, codec), timeoutMs: this.#timeLeft(call), signal: signalOf(call),
      idempotencyKey: keyOf(call), caller, bytes: data.length,
    })
    return this.#reply(reply, codec)
  }

  #reply({ value, host, epoch }: CallReply, codec: boolean): Answer {
    if (isStream(value)) {
      endUnread(value)
      throw new TroupeError('METHOD_NOT_ALLOWED', 'the method returns a stream, which InvokeActor cannot carry; '
        + 'call POST /v1.0/actors/TYPE/ID/method/METHOD over HTTP', { executed: 'unknown' })
    }
    const body = resultBody(value, codec)
    const data = typeof body === 'string' ? Buffer.from(body) : body
    if (data !== undefined && data.length > this.#maxBytes) {
      throw new TroupeError('RESULT_TOO_LARGE', `the result of ${data.length} bytes is over the limit of ${this.#maxBytes}`)
    }
    const trailer = new Metadata()
    trailer.set('troupe-host', metadataText(host))
    trailer.set('troupe-epoch', String(epoch))
    const message: InvokeActorResponse = data === undefined ? {} : { data }
    return { message, trailer }
  }

  /** grpc-js has the deadline as a wall clock instant of its own making, so this is the same clock on both sides. */
  #timeLeft(call: Call<unknown>): number | undefined {
    const deadline = Number(call.getDeadline())
    return Number.isFinite(deadline) ? Math.max(1, deadline - this.#clock.wallMs()) : undefined
  }

  drain(): void {
    if (this.#draining || this.#address === '') return
    this.#draining = true
    // GOAWAY: calls in flight go on, clients open their next connection elsewhere if they know where.
    this.#server.drain(this.#address, DRAIN_GRACE_MS)
  }

  async stop(timeoutMs: number): Promise<void> {
    await new Promise<void>(resolve => {
      const timer = this.#clock.after(timeoutMs, () => {
        this.#server.forceShutdown()
        resolve()
      }, true)
      this.#server.tryShutdown(() => {
        timer.cancel()
        resolve()
      })
    })
  }
}

function signalOf(call: Call<unknown>): AbortSignal {
  const abort = new AbortController()
  call.on('cancelled', () => abort.abort(new TroupeError('CANCELLED', 'the client cancelled the call')))
  return abort.signal
}

/** The idempotency key in the call's metadata, or in the request's map that stands for HTTP headers. @throws BAD_REQUEST */
function keyOf(call: Call<InvokeActorRequest>): string | undefined {
  const given = call.metadata.get('idempotency-key').map(String)
  for (const [name, value] of Object.entries(call.request.metadata)) if (name.toLowerCase() === 'idempotency-key') given.push(value)
  const keys = new Set(given.map(readKey))
  if (keys.size > 1) throw new TroupeError('BAD_REQUEST', 'invalid request: idempotency-key: two different ones are given; give one')
  return [...keys][0]
}

function daprService(): ServiceClientConstructor['service'] {
  const file = fileURLToPath(new URL('./dapr.proto', import.meta.url))
  let found: GrpcObject = loadPackageDefinition(loadSync(file, { defaults: true, longs: Number }))
  for (const part of ['dapr', 'proto', 'runtime', 'v1']) found = found[part] as GrpcObject
  return (found.Dapr as ServiceClientConstructor).service
}
