/**
 * The event streams of an application, as the channel to it: what `SubscribeActorEventsAlpha1` brings in becomes the port that
 * the runtime asks (actors/app-channel.ts).
 *
 * An application may have several streams open, one after the other as it restarts. The newest one that serves gets every
 * new callback; older ones answer what they have. What is registered follows the newest stream: `onRegistered` is told its
 * types, before it hears that they are, and `onGone` when the last stream has ended. These two never run at once, and none
 * of them is told of a state that has passed meanwhile: of streams that come and go, only the last counts.
 *
 * While the first stream still registers, callbacks wait for it: whoever hosts the types may have them called before
 * `onRegistered` has resolved.
 */
import type { AppCallback, AppCallbackReply, AppChannel, AppReply, AppRequest } from '../../actors/app-channel.ts'
import { SystemClock, type Clock } from '../../core/clock.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import { silentLogger, type Logger } from '../../core/logger.ts'
import type { AppType } from './app-type.ts'
import { AppStream, notConnected, type StreamWire, type StreamOwner } from './app-stream.ts'
import { deactivateMessage, invokeMessage, reminderMessage, timerMessage } from './app-stream-messages.ts'

export interface AppStreamsOptions {
  /** These are the types from now on, instead of those before. The application hears of it when this has resolved. */
  onRegistered(types: AppType[]): void | Promise<void>
  /** No stream is left. */
  onGone(): void | Promise<void>
  clock?: Clock
  log?: Logger
  /** How long a registration may take; 30 s by default: clients wait for twice that. */
  registerMs?: number
  /** How long a stream may say nothing at its start; 10 s by default. */
  greetingMs?: number
  /** Callbacks that wait for an answer, of each stream; 10,000 by default. */
  maxPending?: number
  /** Bytes that the application has not taken, of each stream; 64 MiB by default. */
  maxWaitingBytes?: number
  /** Open streams; 16 by default. */
  maxStreams?: number
}

const REGISTER_MS = 30_000
const GREETING_MS = 10_000
const MAX_PENDING = 10_000
const MAX_WAITING_BYTES = 64 * 1024 * 1024
const MAX_STREAMS = 16

export class AppStreams implements AppChannel {
  readonly name = 'the event stream of the application'
  readonly #clock: Clock
  readonly #owner: StreamOwner
  readonly #options: AppStreamsOptions
  readonly #log: Logger
  /** In the order they came. */
  readonly #streams: AppStream[] = []
  /** Whose types are registered, or being so. */
  #applied: AppStream | undefined
  /** Telling: `onRegistered` or `onGone` runs. */
  #phase: 'resting' | 'telling' | 'closed' = 'resting'

  constructor(options: AppStreamsOptions) {
    this.#options = options
    this.#clock = options.clock ?? new SystemClock()
    this.#log = options.log ?? silentLogger
    this.#owner = {
      clock: this.#clock,
      limits: {
        maxPending: options.maxPending ?? MAX_PENDING,
        maxWaitingBytes: options.maxWaitingBytes ?? MAX_WAITING_BYTES,
        greetingMs: options.greetingMs ?? GREETING_MS,
      },
      registering: (stream, warnings) => this.#registering(stream, warnings),
      gone: stream => this.#gone(stream),
    }
  }

  /** Takes a stream that a door has let in; what its wire receives goes to the session. */
  accept(wire: StreamWire): Pick<AppStream, 'message' | 'closed'> {
    const stream = new AppStream(wire, this.#owner)
    const { maxStreams = MAX_STREAMS } = this.#options
    this.#streams.push(stream)
    if (this.#phase === 'closed') stream.fail({ code: 'UNAVAILABLE', text: 'this host is stopping' })
    else if (this.#streams.length > maxStreams) stream.fail({ code: 'UNAVAILABLE', text: `there are ${maxStreams} event streams already` })
    return stream
  }

  /** Ends all streams, for good; nobody is told of it. */
  close(): void {
    this.#phase = 'closed'
    for (const stream of [...this.#streams]) stream.fail({ code: 'UNAVAILABLE', text: 'this host is stopping' })
  }

  // ---- the channel --------------------------------------------------------------------------------------------------

  async invoke(request: AppRequest, signal: AbortSignal): Promise<AppReply> {
    const stream = await this.#newest(signal)
    return stream.invoke(invokeMessage(request), routeOf(request, request.method), signal)
  }

  async remind(reminder: AppCallback, signal: AbortSignal): Promise<AppCallbackReply> {
    const stream = await this.#newest(signal)
    return stream.callback('reminderResponse', reminderMessage(reminder), routeOf(reminder, `remind/${reminder.name}`), signal)
  }

  async tick(timer: AppCallback, signal: AbortSignal): Promise<AppCallbackReply> {
    const stream = await this.#newest(signal)
    return stream.callback('timerResponse', timerMessage(timer), routeOf(timer, `timer/${timer.name}`), signal)
  }

  async deactivate(type: string, id: string, signal: AbortSignal): Promise<void> {
    const stream = await this.#newest(signal)
    await stream.deactivate(deactivateMessage(type, id), `actors/${type}/${id}`, signal)
  }

  /** @throws APP_UNREACHABLE, and what `signal` was aborted with */
  async #newest(signal: AbortSignal): Promise<AppStream> {
    for (;;) {
      const serving = this.#streams.findLast(({ phase }) => phase === 'serving')
      if (serving !== undefined) return serving
      const coming = this.#streams.findLast(({ phase }) => phase === 'registering')
      if (coming === undefined) throw notConnected()
      // When it ends first, another one may be there.
      await until(coming.served.catch(() => undefined), signal)
    }
  }

  // ---- what becomes of streams --------------------------------------------------------------------------------------

  #registering(stream: AppStream, warnings: readonly string[]): void {
    for (const warning of warnings) this.#log.warn({ peer: stream.peer }, warning)
    this.#log.info({ peer: stream.peer, types: stream.types.map(({ name }) => name) }, 'an application hosts actors by its event stream')
    void this.#tell()
  }

  #gone(stream: AppStream): void {
    const index = this.#streams.indexOf(stream)
    if (index >= 0) this.#streams.splice(index, 1)
    if (stream.types.length > 0) this.#log.info({ peer: stream.peer }, 'an event stream of the application has ended')
    void this.#tell()
  }

  /** Brings what is registered to what it should be, one step after the other. */
  async #tell(): Promise<void> {
    if (this.#phase !== 'resting') return
    this.#phase = 'telling'
    for (;;) {
      const wanted = this.#streams.findLast(({ phase }) => phase === 'registering' || phase === 'serving')
      if (wanted === this.#applied) break
      this.#applied = wanted
      const problem = await this.#within(() => wanted === undefined ? this.#options.onGone() : this.#options.onRegistered([...wanted.types]))
      if (this.#isClosed()) return
      if (problem === undefined) wanted?.serve()
      else {
        this.#log.error({ err: problem }, `the types of an application could not be ${wanted === undefined ? 'taken back' : 'registered'}`)
        wanted?.fail({ code: 'UNAVAILABLE', text: `the actor types could not be registered: ${messageOf(problem)}` })
      }
    }
    this.#phase = 'resting'
  }

  #isClosed(): boolean {
    return this.#phase === 'closed'
  }

  /** What it failed with, or that it took too long. */
  async #within(work: () => void | Promise<void>): Promise<unknown> {
    const { registerMs = REGISTER_MS } = this.#options
    const late = Promise.withResolvers<unknown>()
    const timer = this.#clock.after(registerMs, () => late.resolve(new TroupeError('NOT_READY', `it took longer than ${registerMs} ms`)))
    const worked = (async () => work())().then(() => undefined, (error: unknown) => error ?? new Error('no reason was given'))
    const problem = await Promise.race([worked, late.promise])
    timer.cancel()
    return problem
  }
}

/** As the route has it that this is over HTTP. */
const routeOf = ({ type, id }: { readonly type: string; readonly id: string }, method: string): string => `actors/${type}/${id}/method/${method}`

/** `promise`, or what the signal is aborted with. */
async function until<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
