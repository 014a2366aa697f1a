/**
 * Watches an application that is reached over HTTP: waits for it, asks what it hosts, and sees it fall ill, go and come back.
 *
 * Phases, one after the other: *waiting* until its port takes connections (and, with a health check, until that succeeds) → *asking* for
 * `/dapr/config` → *up*. From *up* back to *waiting* when so many health checks in a row failed, or when a connection was refused
 * (`suspect`) and is refused again: then its process is gone. Whatever comes back is asked anew, so an application that was restarted
 * with other types is known for them. Every look at it has a deadline; waiting has none, an application may take minutes to start.
 */
import { messageOf } from '../../core/errors.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import type { Logger } from '../../core/logger.ts'
import type { HeaderList } from '../../actors/app-channel.ts'
import { readAppConfig, resolveAppTypes } from './app-config.ts'
import type { AppType } from './app-type.ts'
import type { PortState } from './channel/port-look.ts'

/** The application as it is watched; `HttpChannel` is one. */
export interface WatchedApp {
  readonly name: string
  look(signal: AbortSignal): Promise<PortState>
  get(path: string, headers: HeaderList, signal: AbortSignal): Promise<{ readonly status: number; readonly body: Uint8Array }>
}

/** `--enable-app-health-check` and what belongs to it. */
export interface HealthCheck {
  readonly path: string
  readonly intervalMs: number
  readonly timeoutMs: number
  /** So many failures in a row make it unhealthy; the first success makes it healthy again. */
  readonly threshold: number
}

export const defaultHealthCheck: HealthCheck = { path: '/healthz', intervalMs: 5000, timeoutMs: 500, threshold: 3 }

/** Called one at a time, in the order of events. */
export interface AppListener {
  /** The application is there for the first time; it may host nothing. */
  ready(types: AppType[]): void
  /** It can run nothing now. */
  unhealthy(): void
  /** It is back, or was restarted between two looks and hosts other types: then no `unhealthy` came before. */
  healthy(types: AppType[]): void
}

export interface AppWatchOptions {
  readonly app: WatchedApp
  readonly port: number
  readonly appId: string
  /** Undefined: its health route is never called. */
  readonly health: HealthCheck | undefined
  /** As Dapr: an application that is gone is not noticed without a health check. */
  readonly strict: boolean
  readonly clock: Clock
  readonly log: Logger
}

const LOOK_MS = 1000
const CONFIG_MS = 10_000
const FIRST_WAIT_MS = 50
/** After which it is told that nobody answers. */
const PATIENCE_MS = 10_000
const LONGEST_WAIT_MS = 500
/** Between two suspicions that are looked into: a port that is open for us alone must not be asked in a circle. */
const SUSPICION_GAP_MS = 1000
const SILENT_LOOKS = 3

export class AppWatch {
  readonly #options: AppWatchOptions
  readonly #listener: AppListener
  readonly #stopping = new AbortController()
  #known = ''
  #suspected = false
  /** Of health checks, in a row. */
  #failures = 0
  #pause: { readonly timer: Timer | undefined; readonly end: () => void; readonly forSuspicion: boolean } | undefined
  #told = false

  constructor(options: AppWatchOptions, listener: AppListener) {
    this.#options = options
    this.#listener = listener
  }

  start(): void {
    void this.#run().catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#options.log.error({ error: messageOf(error) }, 'watching the application ended; calls go on, changes of it are not seen')
    })
  }

  stop(): void {
    this.#stopping.abort()
    this.#endPause()
  }

  /** A connection to it was refused: look whether it is still there. */
  suspect(): void {
    if (this.#options.strict) return
    this.#suspected = true
    if (this.#pause?.forSuspicion === true) this.#endPause()
  }

  async #run(): Promise<void> {
    const { app, log } = this.#options
    this.#listener.ready(await this.#return())
    for (;;) {
      if (await this.#untilGone()) {
        log.warn({}, `the application at ${app.name} is away: its actors are not run here until it is back`)
        this.#listener.unhealthy()
        const types = await this.#return()
        log.info({}, 'the application is back')
        this.#listener.healthy(types)
      } else {
        const before = this.#known
        const types = await this.#ask()
        if (types === undefined) this.#suspected = true
        else if (this.#known !== before) this.#listener.healthy(types)
      }
      await this.#wait(SUSPICION_GAP_MS)
    }
  }

  /** Waits until the application is there, and asks what it hosts. */
  async #return(): Promise<AppType[]> {
    const begunMs = this.#options.clock.monotonicMs()
    let warned = false
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      const isThere = await this.#look() === 'open' && (this.#options.health === undefined || await this.#isHealthy())
      const types = isThere ? await this.#ask() : undefined
      if (types !== undefined) {
        this.#told = this.#suspected = false
        this.#failures = 0
        return types
      }
      if (!this.#told) this.#options.log.info({}, `waiting for the application on port ${this.#options.port}`)
      this.#told = true
      if (!warned && this.#options.clock.monotonicMs() - begunMs >= PATIENCE_MS) {
        warned = true
        this.#options.log.warn({}, `the application does not answer on port ${this.#options.port} yet, and calls of its actors wait; is it started, and is --app-port its port?`)
      }
      await this.#wait(waitMs)
    }
  }

  /** True: it is away. False: it was suspected, but its port is open. */
  async #untilGone(): Promise<boolean> {
    const { health } = this.#options
    for (;;) {
      if (!this.#suspected) await this.#wait(health?.intervalMs, true)
      if (this.#suspected) {
        this.#suspected = false
        return this.#isGone()
      }
      this.#failures = await this.#isHealthy() ? 0 : this.#failures + 1
      if (this.#failures >= (health?.threshold ?? Infinity)) return true
    }
  }

  /** Refused is proof; silence may be a busy application, and is believed only when it lasts. */
  async #isGone(): Promise<boolean> {
    for (let silent = 0; silent < SILENT_LOOKS; silent++) {
      const state = await this.#look()
      if (state !== 'silent') return state === 'refused'
    }
    return true
  }

  #look(): Promise<PortState> {
    return this.#within(LOOK_MS, signal => this.#options.app.look(signal))
  }

  async #isHealthy(): Promise<boolean> {
    const { health, app } = this.#options
    if (health === undefined) return true
    try {
      const { status } = await this.#within(health.timeoutMs, signal => app.get(health.path, [], signal))
      return status >= 200 && status < 300
    } catch {
      this.#stopping.signal.throwIfAborted()
      return false
    }
  }

  /** Undefined: it took the connection and broke it; it may be starting. An answer that says nothing is one of no types. */
  async #ask(): Promise<AppType[] | undefined> {
    const { app, appId, log } = this.#options
    const warnings: string[] = []
    let types: AppType[] = []
    try {
      const { status, body } = await this.#within(CONFIG_MS, signal => app.get('/dapr/config', ['dapr-app-id', appId], signal))
      const document = status === 200 ? parsed(body) : undefined
      if (document === undefined) warnings.push(`/dapr/config answered ${status === 200 ? 'no JSON' : status}; the application hosts no actors`)
      else {
        const resolved = resolveAppTypes(readAppConfig(document, warnings))
        types = resolved.types
        warnings.push(...resolved.warnings)
      }
    } catch (error) {
      this.#stopping.signal.throwIfAborted()
      log.debug({ error: messageOf(error) }, '/dapr/config could not be read, it is asked again')
      return undefined
    }
    const known = JSON.stringify([types, warnings])
    if (known !== this.#known) for (const warning of warnings) log.warn({}, `application: ${warning}`)
    this.#known = known
    return types
  }

  /** Runs `use` with a signal that is aborted after `ms`, or by `stop`; after that nothing goes on. */
  async #within<T>(ms: number, use: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const over = new AbortController()
    const abort = (): void => over.abort()
    const timer = this.#options.clock.after(ms, abort, true)
    this.#stopping.signal.addEventListener('abort', abort)
    try {
      return await use(over.signal)
    } finally {
      timer.cancel()
      this.#stopping.signal.removeEventListener('abort', abort)
      this.#stopping.signal.throwIfAborted()
    }
  }

  /** For `ms`, or for ever when undefined; until a suspicion when `forSuspicion`. */
  async #wait(ms: number | undefined, forSuspicion = false): Promise<void> {
    await new Promise<void>(resolve => {
      if (this.#stopping.signal.aborted) return resolve()
      const timer = ms === undefined ? undefined : this.#options.clock.after(ms, () => this.#endPause())
      this.#pause = { timer, end: resolve, forSuspicion }
    })
    this.#stopping.signal.throwIfAborted()
  }

  #endPause(): void {
    const pause = this.#pause
    this.#pause = undefined
    pause?.timer?.cancel()
    pause?.end()
  }
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()) ?? undefined
  } catch {
    return undefined
  }
}
