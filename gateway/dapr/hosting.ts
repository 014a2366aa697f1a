/**
 * The host behind a sidecar's doors: another one whenever the application hosts other types, or none any more.
 *
 * Doors stay open meanwhile. A call that finds no host, or one that stops, waits for the next; it is called again only when it
 * is proved that it did not run (P6); so is, for a while, one that a busy host refuses. What a host that stops is still asked by its
 * own turns goes to that host: they read and store until they have ended. Before the application has said what it hosts, calls
 * wait, as Dapr has it.
 */
import { ACTOR_ERROR_HEADER, headerOf } from '../../actors/app-channel.ts'
import type { ActorClass } from '../../actors/actor-type.ts'
import type { Caller } from '../../actors/authorize.ts'
import { sleep, type Clock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import type {
  ActorLocation, CallReply, CallRequest, ClusterStatus, Dispatcher, HostStatus, ManageRequest, PageRequest, ReminderPage, SendPage,
} from '../../runtime/dispatch/dispatcher.ts'
import { weightOf } from '../../runtime/dispatch/load-weight.ts'
import type { Host } from '../../runtime/host.ts'
import type { ActorResiliency } from './actor-resiliency.ts'

export interface HostingOptions {
  readonly appId: string
  /** Starts one. */
  readonly open: (actors: readonly ActorClass[]) => Promise<Host>
  readonly resiliency: ActorResiliency
  readonly clock: Clock
  readonly log: Logger
  /** A host could not be started, or stopped by itself. */
  readonly onFailed: (error: unknown) => void
}

/** The actor's own error counts as a failure of the call. */
const isActorsError = ({ app }: CallReply): boolean => app !== undefined && headerOf(app.headers, ACTOR_ERROR_HEADER) !== undefined

/** How long a call waits for a host when its caller does not say. */
const WAIT_MS = 60_000
/** How long a call is tried again that a busy host refuses: SDKs hand such a refusal to the application. */
const PATIENCE_MS = 5_000
/** Who is refused for load must not be part of it. */
const LEAST_PAUSE_MS = 100
const MOST_WAITING = 10_000
const MOST_WAITING_BYTES = 256 * 1024 * 1024
const RETRY_MS = 500

/** How long a call waits for a host, until who gives up, and what it takes meanwhile. */
interface Patience {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly bytes?: number
}

/** Calls that wait for a host are counted by none. */
class WaitingRoom {
  #calls = 0
  #bytes = 0

  refusal(bytes: number): TroupeError | undefined {
    if (this.#calls < MOST_WAITING && (this.#bytes + bytes <= MOST_WAITING_BYTES || this.#calls === 0)) return undefined
    return new TroupeError('OVERLOADED', `${this.#calls} calls of ${this.#bytes} bytes wait for the actors of this sidecar to be hosted, more may not; call later`, { retryAfterMs: RETRY_MS })
  }

  enter(bytes: number): void {
    this.#calls++
    this.#bytes += bytes
  }

  leave(bytes: number): void {
    this.#calls--
    this.#bytes -= bytes
  }
}

export class Hosting implements Dispatcher {
  readonly #options: HostingOptions
  #host: Host | undefined
  /** Settled with the host that calls may go to; a new one when that stops. */
  #next = Promise.withResolvers<Host>()
  #phase: 'starting' | 'serving' | 'changing' | 'closed' = 'starting'
  #changes: Promise<void> = Promise.resolve()
  /** Number of the change that was asked for last. */
  #wanted = 0
  readonly #waiting = new WaitingRoom()

  constructor(options: HostingOptions) {
    this.#options = options
    this.#next.promise.catch(() => undefined)
  }

  /** False before the first host. */
  get begun(): boolean {
    return this.#phase !== 'starting'
  }

  /**
   * Hosts these types from now on, and no others; resolves when the host serves. One change after the other, and of those that wait for
   * their turn only the last: what has passed by then is not hosted. Rejects when it cannot.
   */
  serve(actors: readonly ActorClass[]): Promise<void> {
    const number = ++this.#wanted
    const change = this.#changes.then(() => number === this.#wanted ? this.#change(actors) : undefined)
    this.#changes = change.catch((error: unknown) => {
      this.#next.reject(error)
      // Nobody needs what was about to be hosted.
      if (this.#phase !== 'closed') this.#options.onFailed(error)
    })
    return change
  }

  async #change(actors: readonly ActorClass[]): Promise<void> {
    const { open, onFailed } = this.#options
    if (!this.#isClosed()) await this.#leave('changing')
    if (this.#isClosed()) return
    const host = await open(actors)
    host.stopped.catch((error: unknown) => onFailed(error))
    this.#host = host
    if (this.#isClosed()) return host.stop()
    this.#phase = 'serving'
    this.#next.resolve(host)
  }

  /** Anything that is waited for may have been longer than the sidecar's life. */
  #isClosed(): boolean {
    return this.#phase === 'closed'
  }

  async #leave(phase: 'changing' | 'closed'): Promise<void> {
    const old = this.#host
    if (this.#phase === 'serving') this.#next = Promise.withResolvers()
    this.#next.promise.catch(() => undefined)
    if (this.#phase !== 'starting' || phase === 'closed') this.#phase = phase
    await old?.stop()
    this.#host = undefined
  }

  /** Ends the host in good order; calls that wait for one fail. */
  async stop(): Promise<void> {
    const closing = this.#leave('closed')
    this.#next.reject(new TroupeError('HOST_STOPPING', 'this sidecar stops; call another'))
    await closing
    await this.#changes
  }

  // ---- calls --------------------------------------------------------------------------------------------------------

  runsClass(): boolean {
    return false
  }

  runsType(type: string, timeoutMs?: number): Promise<boolean> {
    return this.#on(async host => host.hostStatus().types.includes(type), { timeoutMs })
  }

  /** A busy host is asked for a while: only what waits here is bounded. */
  refusal(bytes: number): TroupeError | undefined {
    return this.#waiting.refusal(bytes)
  }

  call(request: CallRequest): Promise<CallReply> {
    const bytes = request.bytes ?? weightOf(request.args)
    return this.#options.resiliency.run(request.type, request.id,
      signal => this.#on(host => host.call(signal === request.signal ? request : { ...request, signal }), { timeoutMs: request.timeoutMs, signal, bytes }), request.signal, isActorsError)
  }

  manage(request: ManageRequest): Promise<CallReply> {
    return this.#on(host => host.manage(request), { ...request, bytes: weightOf(request.args) })
  }

  /** State is there to be read whether or not anybody runs the type. */
  readState(type: string, id: string, key: string, caller?: Caller): Promise<CallReply> {
    return this.#on(host => host.readState(type, id, key, caller).catch((error: unknown) => {
      if (!TroupeError.is(error, 'UNKNOWN_TYPE') && !TroupeError.is(error, 'NO_HOST')) throw error
      return host.readStored(type, id, key, caller)
    }))
  }

  listReminders(type: string, page: PageRequest, caller?: Caller): Promise<ReminderPage> {
    return this.#on(host => host.listReminders(type, page, caller))
  }

  listSends(type: string, page: PageRequest, caller?: Caller): Promise<SendPage> {
    return this.#on(host => host.listSends(type, page, caller))
  }

  async #on<Reply>(ask: (host: Host) => Promise<Reply>, patience: Patience = {}): Promise<Reply> {
    let leftMs = Math.min(patience.timeoutMs ?? WAIT_MS, PATIENCE_MS)
    // One span for all waits: hosts may change under a call again and again.
    let untilMs: number | undefined
    for (;;) {
      const host = this.#host ?? await this.#whenNext(patience, untilMs ??= this.#latestMs(patience))
      try {
        return await ask(host)
      } catch (error) {
        if (!TroupeError.is(error) || error.executed !== 'no') throw error
        if (error.code === 'OVERLOADED') {
          const pauseMs = Math.max(LEAST_PAUSE_MS, error.retryAfterMs ?? 0)
          if (pauseMs > leftMs) throw error
          leftMs -= pauseMs
          await this.#wait(() => sleep(this.#options.clock, pauseMs), patience)
          continue
        }
        const wasReplaced = this.#host !== host || this.#phase === 'changing'
        if (error.code !== 'HOST_STOPPING' || !wasReplaced || this.#phase === 'closed') throw error
        if (this.#host === host) await this.#whenNext(patience, untilMs ??= this.#latestMs(patience))
      }
    }
  }

  #latestMs({ timeoutMs = WAIT_MS }: Patience): number {
    return this.#options.clock.monotonicMs() + Math.min(timeoutMs, WAIT_MS)
  }

  async #whenNext(patience: Patience, untilMs: number): Promise<Host> {
    const late = Promise.withResolvers<never>()
    const timer = this.#options.clock.after(Math.max(0, untilMs - this.#options.clock.monotonicMs()), () => late.reject(new TroupeError('NOT_READY',
      this.#phase === 'starting' ? 'the application has not said which actors it hosts yet: its port does not answer; is it running?' : 'the sidecar hosts nothing at the moment; call again')))
    try {
      return await this.#wait(() => Promise.race([this.#next.promise, late.promise]), patience)
    } finally {
      timer.cancel()
    }
  }

  /** Until what `event` begins has come, or the caller gives up. @throws OVERLOADED when too much waits already · CANCELLED */
  async #wait<Event>(event: () => Promise<Event>, { signal, bytes = 0 }: Patience): Promise<Event> {
    const refusal = this.#waiting.refusal(bytes)
    if (refusal !== undefined) throw refusal
    const over = Promise.withResolvers<never>()
    const givenUp = (): void => over.reject(new TroupeError('CANCELLED', 'the caller gave up before there was a host to call', { executed: 'no', cause: signal?.reason }))
    if (signal?.aborted === true) givenUp()
    signal?.addEventListener('abort', givenUp, { once: true })
    this.#waiting.enter(bytes)
    try {
      return await Promise.race([event(), over.promise])
    } finally {
      this.#waiting.leave(bytes)
      signal?.removeEventListener('abort', givenUp)
    }
  }

  // ---- what is known ------------------------------------------------------------------------------------------------

  hostStatus(): HostStatus {
    return this.#host?.hostStatus() ?? {
      id: this.#options.appId, incarnation: '', address: '', http: '', types: [], weight: 1, phase: this.#phase === 'closed' ? 'stopped' : 'starting',
      tableVersion: 0, shards: {}, activations: {}, placement: 'disconnected',
    }
  }

  clusterStatus(timeoutMs: number): Promise<ClusterStatus> {
    return this.#on(host => host.clusterStatus(timeoutMs), { timeoutMs })
  }

  locate(type: string, id: string): ActorLocation {
    if (this.#host !== undefined) return this.#host.locate(type, id)
    throw new TroupeError('NOT_READY', 'the application has not said which actors it hosts yet')
  }

  notReady(): readonly string[] {
    return this.#host?.notReady() ?? [this.#phase === 'starting' ? 'actors: the application has not answered yet' : `host: ${this.#phase}`]
  }
}
