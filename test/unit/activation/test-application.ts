/**
 * An application in this process, for tests of its actors on real hosts: what it was asked, and what it answers. It runs outside all
 * turns, as another process would: what its handlers ask for comes from nobody that the runtime knows.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { headerOf, type AppCallback, type AppCallbackReply, type AppChannel, type AppReply, type AppRequest } from '../../../actors/app-channel.ts'
import type { ActorClass } from '../../../actors/actor-type.ts'
import type { Host } from '../../../index.ts'
import { appActorClass, type AppActorOptions } from '../../../runtime/activation/app-actor.ts'
import type { CallReply } from '../../../runtime/dispatch/dispatcher.ts'

export type Handler = (request: AppRequest, signal: AbortSignal) => Promise<AppReply | string> | AppReply | string

const elsewhere = AsyncLocalStorage.snapshot()

export class TestApplication implements AppChannel {
  readonly name = 'app:test'
  readonly asked: string[] = []
  readonly requests: AppRequest[] = []
  readonly callbacks: AppCallback[] = []
  readonly handlers: Record<string, Handler> = {}
  callback: (callback: AppCallback) => Promise<AppCallbackReply> | AppCallbackReply = () => ({ cancel: false })
  /** What it does when it is told to forget an actor. */
  forget: (id: string, signal: AbortSignal) => Promise<unknown> | void = () => undefined
  running = 0
  mostAtOnce = 0

  async invoke(request: AppRequest, signal: AbortSignal): Promise<AppReply> {
    this.asked.push(`${request.id}.${request.method}`)
    this.requests.push(request)
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.running)
    try {
      const answer = await elsewhere(() => (this.handlers[request.method] ?? (() => ''))(request, signal))
      return typeof answer === 'string' ? { headers: ['content-type', 'application/json'], body: Buffer.from(answer) } : answer
    } finally {
      this.running--
    }
  }
  async remind(reminder: AppCallback): Promise<AppCallbackReply> {
    this.asked.push(`${reminder.id} remind ${reminder.name}`)
    this.callbacks.push(reminder)
    return elsewhere(() => this.callback(reminder))
  }
  async tick(timer: AppCallback): Promise<AppCallbackReply> {
    this.asked.push(`${timer.id} tick ${timer.name}`)
    this.callbacks.push(timer)
    return elsewhere(() => this.callback(timer))
  }
  async deactivate(_: string, id: string, signal: AbortSignal): Promise<void> {
    this.asked.push(`${id} deactivate`)
    await elsewhere(() => this.forget(id, signal))
    this.asked.push(`${id} forgotten`)
  }
}

export const typeOf = (channel: AppChannel, options: Partial<AppActorOptions> = {}): ActorClass => appActorClass({
  type: 'Py', channel, reentrant: false, maxStackDepth: 32, tellsChain: true, wantsList: false, mayCancel: true, idleMs: 3_600_000, drainMs: 2_000, turnTimeoutMs: 60_000, ...options,
})

export interface CallOptions {
  readonly type?: string
  readonly headers?: string[]
  readonly query?: string
  readonly reentrancyId?: string
  readonly timeoutMs?: number
  readonly idempotencyKey?: string
}

export function call(host: Host, id: string, method: string, body = '', { type = 'Py', headers = [], query = '', ...rest }: CallOptions = {}): Promise<CallReply> {
  return host.call({ type, id, method, args: [], body: { bytes: Buffer.from(body), codec: false, query, headers }, ...rest })
}

/** As an SDK calls from inside a turn: with the id that the turn was told. */
export function echo({ headers }: AppRequest): { reentrancyId: string; headers: string[] } {
  const id = headerOf(headers, 'dapr-reentrancy-id')!
  return { reentrancyId: id, headers: ['dapr-reentrancy-id', id] }
}

export const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()

export const upsert = (host: Host, id: string, key: string, json: string): Promise<CallReply> =>
  host.manage({ type: 'Py', id, operation: 'state.transact', args: [[{ key, value: { json } }]] })

export const stateOf = async (host: Host, id: string, key: string): Promise<string> => textOf((await host.readState('Py', id, key)).app?.body)
