/**
 * One event stream of an application: its handshake, and the callbacks that it was sent and has not answered.
 *
 * The life of a stream: greeting (nothing came yet) → registering (it said which types it hosts) → serving (it was told that
 * they are registered) → gone. Each callback gets one answer or one error: when its signal is aborted it is dropped, and an
 * answer that comes later is nobody's; when the stream ends, all of its callbacks fail, with no proof whether they ran.
 *
 * Which stream gets a callback, and when types are registered, is app-streams.ts; sockets are the wire's.
 */
import type { AppCallbackReply, AppReply } from '../../actors/app-channel.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import type { AppType } from './app-type.ts'
import { resolveAppTypes } from './app-config.ts'
import { configOf, failureOf, replyOf, sizeOf, type FromApp, type ToApp } from './app-stream-messages.ts'

/** What carries a stream: a call of gRPC, or a test. */
export interface StreamWire {
  /** Who is at the other end, for logs. */
  readonly peer: string
  /** The largest message that it takes. */
  readonly maxBytes: number
  /** Bytes that were sent and are not on their way yet. */
  readonly waitingBytes: number
  send(message: ToApp, bytes: number): void
  /** The last thing that is said, once; OK without a problem. */
  end(problem?: StreamProblem): void
}

/** As a gRPC status; an application reconnects after UNAVAILABLE, and gives up after others. */
export interface StreamProblem {
  readonly code: 'INVALID_ARGUMENT' | 'DEADLINE_EXCEEDED' | 'UNAVAILABLE'
  readonly text: string
}

export interface StreamLimits {
  /** Callbacks that a stream has not answered. */
  readonly maxPending: number
  /** Bytes that an application has not taken. */
  readonly maxWaitingBytes: number
  /** From the start of a stream to its first message. */
  readonly greetingMs: number
}

/** What became of a stream, for whoever keeps it. */
export interface StreamOwner {
  readonly clock: Clock
  readonly limits: StreamLimits
  /** It said which types it hosts, and waits to hear that they are. */
  registering(stream: AppStream, warnings: readonly string[]): void
  gone(stream: AppStream): void
}

export type StreamPhase = 'greeting' | 'registering' | 'serving' | 'gone'

type Kind = 'invokeResponse' | 'reminderResponse' | 'timerResponse' | 'deactivateResponse'

/** A callback without an answer. */
interface Pending {
  readonly kind: Kind
  readonly path: string
  resolve(answer: NonNullable<FromApp[Kind]>): void
  reject(error: unknown): void
}

export const notConnected = (): TroupeError => new TroupeError('APP_UNREACHABLE', 'actor host is not connected', { executed: 'no' })
const disconnected = (): TroupeError => new TroupeError('APP_UNREACHABLE', 'actor host disconnected before responding', { executed: 'unknown' })

const OVERLOAD_RETRY_MS = 500

export class AppStream {
  readonly #wire: StreamWire
  readonly #owner: StreamOwner
  readonly #pending = new Map<string, Pending>()
  readonly #greeting: Timer
  readonly #served = Promise.withResolvers<void>()
  #phase: StreamPhase = 'greeting'
  #lastId = 0
  #types: readonly AppType[] = []

  constructor(wire: StreamWire, owner: StreamOwner) {
    this.#wire = wire
    this.#owner = owner
    // Nobody may be waiting.
    this.#served.promise.catch(() => undefined)
    this.#greeting = owner.clock.after(owner.limits.greetingMs, () =>
      this.fail({ code: 'DEADLINE_EXCEEDED', text: `no initial_request came within ${owner.limits.greetingMs} ms` }))
  }

  get phase(): StreamPhase {
    return this.#phase
  }
  get peer(): string {
    return this.#wire.peer
  }
  get types(): readonly AppType[] {
    return this.#types
  }
  get pending(): number {
    return this.#pending.size
  }
  /** Resolves when it serves, rejects when it ends before. */
  get served(): Promise<void> {
    return this.#served.promise
  }

  /** What the application sent. */
  message(message: FromApp): void {
    if (this.#phase === 'gone') return
    if (this.#phase === 'greeting') return this.#greet(message)
    if (message.initialRequest !== undefined) {
      return this.fail({ code: 'INVALID_ARGUMENT', text: 'initial_request came twice; it is the first message, and no other' })
    }
    if (message.requestFailed !== undefined) {
      const pending = this.#take(message.requestFailed.id)
      return pending?.reject(failureOf(message.requestFailed, pending.path))
    }
    for (const kind of ['invokeResponse', 'reminderResponse', 'timerResponse', 'deactivateResponse'] as const) {
      const answer = message[kind]
      if (answer !== undefined) return this.#answered(kind, answer)
    }
    this.fail({ code: 'INVALID_ARGUMENT', text: 'a message came that holds nothing known' })
  }

  #greet({ initialRequest }: FromApp): void {
    if (initialRequest === undefined) return this.fail({ code: 'INVALID_ARGUMENT', text: 'the first message must be initial_request' })
    this.#greeting.cancel()
    try {
      const { types, warnings } = resolveAppTypes(configOf(initialRequest))
      this.#types = types
      this.#phase = 'registering'
      this.#owner.registering(this, warnings)
    } catch (error) {
      this.fail({ code: 'INVALID_ARGUMENT', text: messageOf(error) })
    }
  }

  /** Its types are registered. */
  serve(): void {
    if (this.#phase !== 'registering') return
    this.#phase = 'serving'
    this.#wire.send({ initialResponse: {} }, 0)
    this.#served.resolve()
  }

  invoke(build: (id: string) => ToApp, path: string, signal: AbortSignal): Promise<AppReply> {
    return this.#ask('invokeResponse', build, path, signal).then(replyOf)
  }

  async callback(kind: 'reminderResponse' | 'timerResponse', build: (id: string) => ToApp, path: string, signal: AbortSignal): Promise<AppCallbackReply> {
    const { cancel } = await this.#ask(kind, build, path, signal)
    return { cancel: cancel === true }
  }

  async deactivate(build: (id: string) => ToApp, path: string, signal: AbortSignal): Promise<void> {
    await this.#ask('deactivateResponse', build, path, signal)
  }

  #ask<K extends Kind>(kind: K, build: (id: string) => ToApp, path: string, signal: AbortSignal): Promise<NonNullable<FromApp[K]>> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      if (this.#phase !== 'serving') throw notConnected()
      const id = String(this.#lastId + 1)
      const message = build(id)
      const bytes = sizeOf(message)
      this.#admit(bytes)
      this.#lastId++
      const dropped = (): void => {
        this.#pending.delete(id)
        reject(signal.reason as Error)
      }
      signal.addEventListener('abort', dropped, { once: true })
      const settled = (settle: () => void): void => {
        signal.removeEventListener('abort', dropped)
        settle()
      }
      this.#pending.set(id, {
        kind, path,
        resolve: answer => settled(() => resolve(answer as NonNullable<FromApp[K]>)),
        reject: error => settled(() => reject(error as Error)),
      })
      this.#wire.send(message, bytes)
    })
  }

  /** @throws PAYLOAD_TOO_LARGE · OVERLOADED */
  #admit(bytes: number): void {
    const { maxPending, maxWaitingBytes } = this.#owner.limits
    if (bytes > this.#wire.maxBytes) {
      throw new TroupeError('PAYLOAD_TOO_LARGE',
        `a message of about ${bytes} bytes is over the limit of ${this.#wire.maxBytes} of the application's event stream`)
    }
    const problem = this.#pending.size >= maxPending ? `has ${maxPending} calls to answer already`
      : this.#wire.waitingBytes + bytes > maxWaitingBytes ? `has not taken ${this.#wire.waitingBytes} bytes that were sent to it` : undefined
    if (problem !== undefined) throw new TroupeError('OVERLOADED', `the application ${problem}`, { retryAfterMs: OVERLOAD_RETRY_MS })
  }

  #answered(kind: Kind, answer: NonNullable<FromApp[Kind]>): void {
    const pending = this.#take(answer.id)
    if (pending === undefined) return
    if (pending.kind === kind) return pending.resolve(answer)
    pending.reject(new TroupeError('PROTOCOL', `the application answered callback ${answer.id} with a message of another kind: ${kind}`))
  }

  /** Undefined: it was dropped, or never was. */
  #take(id: string): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }

  /** Ends it from this side. */
  fail(problem: StreamProblem): void {
    this.#end(problem)
  }

  /** The application ended it, or its connection broke. */
  closed(): void {
    this.#end()
  }

  #end(problem?: StreamProblem): void {
    if (this.#phase === 'gone') return
    this.#phase = 'gone'
    this.#greeting.cancel()
    this.#served.reject(notConnected())
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    this.#wire.end(problem)
    for (const { reject } of pending) reject(disconnected())
    this.#owner.gone(this)
  }
}
