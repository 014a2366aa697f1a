/**
 * The gRPC gateway: the actor, metadata and health part of `dapr.proto.runtime.v1.Dapr`, for clients of that standard and for
 * applications that host actors over its event stream.
 *
 * This file binds the port, counts what is in flight, asks who calls, and gives each request one answer. What an RPC does is
 * in grpc-invoke.ts, grpc-state.ts, grpc-timers.ts, grpc-reminders.ts and grpc-metadata.ts; streams go to grpc-app-stream.ts.
 * Deadlines and cancellation of an RPC are those of the call; who answered, and what an error proves, is in the trailing
 * metadata (grpc-status.ts).
 */
import { Server, status as codes, type sendUnaryData, type ServerInterceptingCall, type ServerInterceptor, type ServerUnaryCall } from '@grpc/grpc-js'
import type { Caller } from '../actors/authorize.ts'
import { SystemClock, type Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import { silentLogger, type Logger } from '../core/logger.ts'
import { clientGrants, serverCredentials } from '../placement/grpc-tls.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import type { Gateway } from '../runtime/gateway.ts'
import { TOKEN_HEADER } from './api-token.ts'
import type { AppStreams } from './dapr/app-streams.ts'
import { doorAnswer } from './dapr/door-errors.ts'
import { hostFacts, type DoorFacts } from './dapr/door-facts.ts'
import { DoorGuard, type DoorOptions } from './door-guard.ts'
import { checkOptions } from './gateway-options.ts'
import { refuseAppStream, refuseCaller, serveAppStream, tolerant, type AppCall } from './grpc-app-stream.ts'
import { healthCheck } from './grpc-health.ts'
import { invokeActor } from './grpc-invoke.ts'
import { getMetadata, setMetadata, shutdown } from './grpc-metadata.ts'
import { getActorReminder, listActorReminders, registerActorReminder, unregisterActorReminder, unregisterActorRemindersByType } from './grpc-reminders.ts'
import type { GrpcAnswer, GrpcWork, Rpc } from './grpc-rpc.ts'
import { daprService, healthService } from './grpc-services.ts'
import { executeActorStateTransaction, getActorState } from './grpc-state.ts'
import { statusOf } from './grpc-status.ts'
import { getActorTimer, listActorTimers, registerActorTimer, unregisterActorTimer } from './grpc-timers.ts'
import { refuseKey } from './idempotency-key.ts'
import { listenProblem, portFlag } from './listen-problem.ts'

export interface GrpcGatewayOptions extends DoorOptions {
  /** 0: chosen by the system. */
  port: number
  /** Address to bind; `127.0.0.1` by default. Others need `apiToken`, `tls` that demands certificates, or `insecure`. */
  host?: string
  /** Largest message in and out; 4 MiB by default. */
  maxMessageBytes?: number
  /** Calls being answered; 10,000 by default. More get OVERLOADED. */
  maxInFlight?: number
  /** What the metadata API shows, and how strictly the standard is followed; those of a host without an application by default. */
  facts?: DoorFacts
  /** Takes the event streams of an application; they are refused by default. */
  hosting?: AppStreams
  clock?: Clock
}

/** @throws BAD_OPTION */
export function grpcGateway(options: GrpcGatewayOptions): Gateway {
  checkOptions('grpcGateway', options, {
    port: 'port', host: 'text', maxMessageBytes: 'count', maxInFlight: 'count', clock: 'clock', apiToken: 'tokens', tls: 'tls', insecure: 'flag',
    facts: 'facts', hosting: 'streams',
  }, ['port'])
  return new GrpcGateway(options)
}

const rpcs: Readonly<Record<string, Rpc<never>>> = {
  InvokeActor: invokeActor,
  GetActorState: getActorState,
  ExecuteActorStateTransaction: executeActorStateTransaction,
  RegisterActorTimer: registerActorTimer,
  UnregisterActorTimer: unregisterActorTimer,
  GetActorTimer: getActorTimer,
  ListActorTimers: listActorTimers,
  RegisterActorReminder: registerActorReminder,
  UnregisterActorReminder: unregisterActorReminder,
  UnregisterActorRemindersByType: unregisterActorRemindersByType,
  GetActorReminder: getActorReminder,
  ListActorReminders: listActorReminders,
  GetMetadata: getMetadata,
  SetMetadata: setMetadata,
  Shutdown: shutdown,
}

/** What requests about actors have, for messages. */
interface AboutActor {
  readonly actorType?: string
  readonly actorId?: string
  readonly method?: string
  readonly name?: string
}
type Call = ServerUnaryCall<AboutActor, object>
type Callback = sendUnaryData<object>

const OVERLOAD_RETRY_MS = 500
/** Clients that do not leave a draining host by themselves stay until it stops. */
const DRAIN_GRACE_MS = 10 * 60_000
const KEEPALIVE_MS = 15_000

class GrpcGateway implements Gateway {
  readonly name = 'grpc'
  readonly #options: GrpcGatewayOptions
  readonly #clock: Clock
  readonly #maxBytes: number
  readonly #maxInFlight: number
  readonly #facts: DoorFacts
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
    this.#facts = options.facts ?? hostFacts()
    this.#guard = new DoorGuard('grpc', options)
    this.#server = new Server({
      interceptors: [standardTexts],
      // An application that is gone without a word is noticed: its stream is all there is of it.
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
      'grpc.max_receive_message_length': this.#maxBytes,
      'grpc.max_send_message_length': this.#maxBytes,
    })
  }

  async start(dispatcher: Dispatcher, log: Logger): Promise<{ address: string }> {
    const { port, host = '127.0.0.1' } = this.#options
    this.#dispatcher = dispatcher
    this.#log = log
    const identity = await this.#guard.open('the gRPC door', host, this.#clock, log)
    this.#server.addService(tolerant(daprService()), {
      ...Object.fromEntries(Object.entries(rpcs).map(([name, rpc]) => [name, this.#handler(rpc as Rpc<AboutActor>)])),
      SubscribeActorEventsAlpha1: (call: AppCall) => this.#stream(call),
    })
    this.#server.addService(healthService(), { Check: healthCheck(dispatcher) })
    const shown = host.includes(':') ? `[${host}]` : host
    const bound = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(`${shown}:${port}`, serverCredentials(identity, this.#guard.demandsCertificate ? 'demanded' : 'unasked'), (error, bound) => {
        if (error === null) resolve(bound)
        // grpc-js reports the system's error only inside its text.
        else reject(listenProblem(Object.assign(error, { code: /EADDRINUSE/.exec(error.message)?.[0] }), 'gRPC', host, port, portFlag('grpc', this.#options.facts)))
      })
    })
    this.#address = `${shown}:${bound}`
    return { address: this.#address }
  }

  /** Runs an RPC and replies with what comes of it, once. */
  #handler(rpc: Rpc<AboutActor>) {
    return (call: Call, callback: Callback): void => {
      if (this.#inFlight >= this.#maxInFlight) {
        const error = new TroupeError('OVERLOADED', `this host answers ${this.#maxInFlight} calls already`, { retryAfterMs: OVERLOAD_RETRY_MS })
        return this.#fail(call, callback, error, rpc)
      }
      let caller: Caller
      try {
        caller = this.#callerOf(call)
      } catch (error) {
        return this.#fail(call, callback, error, undefined)
      }
      this.#inFlight++
      this.#run(rpc, call, caller).finally(() => { this.#inFlight-- }).then(({ message, trailer, after }) => {
        callback(null, message, trailer)
        if (after !== undefined) this.#clock.soon(after)
      }, (error: unknown) => this.#fail(call, callback, error, rpc))
    }
  }

  async #run(rpc: Rpc<AboutActor>, call: Call, caller: Caller): Promise<GrpcAnswer> {
    if (rpc.keyed !== true) refuseKey(call.metadata.get('idempotency-key')[0])
    const work: GrpcWork = {
      dispatcher: this.#dispatcher!, facts: this.#facts, nowMs: this.#clock.wallMs(), maxBytes: this.#maxBytes,
      metadata: call.metadata, timeoutMs: this.#timeLeft(call), signal: signalOf(call), caller,
    }
    return rpc.run(call.request, work)
  }

  /** @throws UNAUTHENTICATED · FORBIDDEN */
  #callerOf(call: Call | AppCall): Caller {
    const tokens = call.metadata.get(TOKEN_HEADER)
    return this.#guard.callerOf(tokens.length === 0 ? undefined : tokens.join(', '), this.#guard.demandsCertificate ? clientGrants(call) : [])
  }

  #fail({ request }: Call, callback: Callback, thrown: unknown, rpc: Rpc<AboutActor> | undefined): void {
    const { actorType: type = '', actorId: id = '', method, name = method } = request
    const { status, expected } = statusOf(thrown, rpc?.work && doorAnswer(thrown, rpc.work, { type, id, name }, this.#facts.strict))
    if (!expected) this.#log.error({ err: thrown, actorType: type, actorId: id }, 'a gRPC call failed for a reason that nobody expected')
    callback(status)
  }

  #stream(call: AppCall): void {
    const { hosting } = this.#options
    try {
      this.#callerOf(call)
    } catch (error) {
      return refuseCaller(call, statusOf(error).status)
    }
    if (hosting === undefined) refuseAppStream(call)
    else serveAppStream(call, hosting, this.#maxBytes)
  }

  /** grpc-js has the deadline as a wall clock instant of its own making, so this is the same clock on both sides. */
  #timeLeft(call: Call): number | undefined {
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
    this.#options.hosting?.close()
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

function signalOf(call: Call): AbortSignal {
  const abort = new AbortController()
  call.on('cancelled', () => abort.abort(new TroupeError('CANCELLED', 'the client cancelled the call')))
  return abort.signal
}

const tooLarge = /^Received message larger than max \((\d+) vs (\d+)\)$/

/**
 * grpc-js answers a message over the limit by itself, below all interceptors; clients know the words that the other gRPC
 * libraries have for it.
 */
const standardTexts: ServerInterceptor = (_, call) => {
  const sendStatus = call.sendStatus.bind(call)
  call.sendStatus = status => sendStatus(status.code === codes.RESOURCE_EXHAUSTED
    ? { ...status, details: status.details.replace(tooLarge, 'grpc: received message larger than max ($1 vs. $2)') }
    : status)
  return call as unknown as ServerInterceptingCall
}
