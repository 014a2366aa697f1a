/**
 * The client: calls actors of a cluster from any process, over HTTP. This is what `troupe/client` exports.
 *
 * ```ts
 * import { connect } from 'troupe/client'
 * import type { Account } from './account.ts'
 * const client = connect('http://127.0.0.1:3500')
 * await client.actor<Account>('Account', 'alice').deposit(5)
 * ```
 * Arguments and results travel as codec bytes, so what an actor returns is what the caller gets (Map, Set, Date, bigint,
 * bytes, undefined). A call is sent again only when it is proved that it did not run, or when it has an idempotency key, and
 * only as often as the client's budget allows (client-resend.ts, P6).
 */
import type { CallOptions, RemoteRef } from '../actors/actor-ref.ts'
import type { ManagementOperation } from '../actors/management.ts'
import { SystemClock, type Clock } from '../core/clock.ts'
import { encode } from '../core/codec.ts'
import { durationMs, type Duration } from '../core/duration.ts'
import { TroupeError } from '../core/errors.ts'
import { checkId, checkType } from '../core/ids.ts'
import { SystemRandom } from '../core/random.ts'
import type { ActorLocation, ClusterStatus, PageRequest, ReminderPage, SendPage } from '../runtime/dispatch/dispatcher.ts'
import { TOKEN_HEADER, tokensProblem } from './api-token.ts'
import { CODEC_TYPE, JSON_TYPE } from '../actors/call-body.ts'
import { CallGuard } from './client-guard.ts'
import type { ClientTls } from './client-security.ts'
import { readReply } from './client-reply.ts'
import { remoteRef, type Callee } from './client-ref.ts'
import { Resending } from './client-resend.ts'
import { asStream, type CallResult } from './client-stream.ts'
import { checkOptions } from './gateway-options.ts'
import { isStream } from './http-stream.ts'
import { HttpSender, type Outgoing } from './http-sender.ts'
import { keyProblem } from './idempotency-key.ts'

export { ActorError, isActorError } from '../actors/errors.ts'
export type { ActorRef, CallOptions, RemoteRef, UntypedRef } from '../actors/actor-ref.ts'
export type { ListOptions, ReminderInfo, ReminderPolicy, ReminderSchedule } from '../actors/actor-reminders.ts'
export type { ActorManagement, ManagedReminders, ManagedSends, SendInfo } from '../actors/management.ts'
export type { ClientTls } from './client-security.ts'
export type { CallResult } from './client-stream.ts'
export { TroupeError, type ErrorCode, type Executed } from '../core/errors.ts'
export type { ActorLocation, ClusterStatus, HostStatus, PageRequest, ReminderPage, SendPage } from '../runtime/dispatch/dispatcher.ts'

export interface ClientOptions {
  /**
   * How long a call may take unless it says otherwise; by default what the host's `callTimeout` says (and 10 minutes here).
   * Of what is only read (status, pages) as well, where the default is 10 s.
   */
  timeout?: Duration
  /** How long to wait for a connection before another URL is tried; 5 s by default. */
  connectTimeout?: Duration
  /** Connections per URL; 256 by default. Each carries one call at a time, further calls wait for one. */
  connections?: number
  /** Calls in flight, waiting ones included; 10,000 by default. More are refused with OVERLOADED. */
  maxInFlight?: number
  /** Largest result or stream item; 64 MiB by default. */
  maxReplyBytes?: number
  /** What the hosts' doors ask for (`--api-token`). Only https keeps it from those who listen in on the network. */
  apiToken?: string
  /** For https URLs: this client's certificate, and the authority of the cluster's. */
  tls?: ClientTls
  clock?: Clock
}

export interface Client {
  /** A reference to an actor; nothing is sent until a method is called. @throws BAD_REQUEST when the name is illegal */
  actor<A = unknown>(type: string, id: string): RemoteRef<A>
  /**
   * Calls a method by its name, whatever name it is. The result is a promise of what the method returned, and can be
   * iterated (`for await`) when that is a stream.
   * Rejects with a TroupeError, or with the actor's own ActorError (`Insufficient.is(error)`).
   */
  call(type: string, id: string, method: string, args: readonly unknown[], options?: CallOptions): CallResult
  /** The cluster as one of its hosts sees it. */
  status(): Promise<ClusterStatus>
  /** Where an actor belongs now. */
  locate(type: string, id: string): Promise<ActorLocation>
  /**
   * Reminders of a type, a page at a time: `page.cursor` is the `cursor` of the page before. What was changed in the last
   * moment may be missing. Rejects with UNKNOWN_TYPE · BAD_REQUEST · BAD_OPTION · STORE_UNAVAILABLE.
   */
  reminders(type: string, page?: PageRequest): Promise<ReminderPage>
  /**
   * Deletes the reminders of a type, dead letters included, a page at a time: until `cursor` is undefined. A failure may
   * leave some of a page deleted; the same page again does the rest. Rejects as `reminders`.
   */
  deleteReminders(type: string, page?: Omit<PageRequest, 'dead'>): Promise<{ deleted: number; cursor: string | undefined }>
  /** Sends of a type's actors that are not delivered yet, a page at a time; `from` is the sender's id. Rejects as `reminders`. */
  sends(type: string, page?: PageRequest): Promise<SendPage>
  /** Closes all connections; calls in flight fail with CANCELLED. */
  close(): Promise<void>
}

/**
 * A client of the cluster behind `urls`: one host, or several that are used in turn. Connects when first needed.
 * @throws BAD_OPTION when a URL is none, or an option is out of range
 */
export function connect(urls: string | readonly string[], options: ClientOptions = {}): Client {
  checkOptions('connect', options, {
    timeout: 'duration', connectTimeout: 'duration', connections: 'count', maxInFlight: 'count', maxReplyBytes: 'count', clock: 'clock', apiToken: 'text', tls: 'tls',
  })
  return new HttpClient(typeof urls === 'string' ? [urls] : urls, options)
}

const MAX_WAIT_MS = 10 * 60_000
const GET_WAIT_MS = 10_000
/** The host's own CALL_TIMEOUT knows whether the method ran; it gets this long to arrive. */
const GRACE_MS = 250
const MAX_TIMEOUT_MS = 2 ** 31 - 1 - GRACE_MS

interface ExchangeOptions {
  /** For the host, which is told what is left of it. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly idempotencyKey?: string | undefined
}

class HttpClient implements Client {
  readonly #clock: Clock
  readonly #resending: Resending
  readonly #sender: HttpSender
  readonly #timeoutMs: number | undefined
  readonly #maxInFlight: number
  readonly #maxReplyBytes: number
  readonly #apiToken: string | undefined
  #inFlight = 0
  readonly #closing = new AbortController()

  constructor(urls: readonly string[], options: ClientOptions) {
    this.#clock = options.clock ?? new SystemClock()
    this.#resending = new Resending(this.#clock, new SystemRandom())
    this.#timeoutMs = timeoutOf(options.timeout)
    this.#maxInFlight = options.maxInFlight ?? 10_000
    this.#maxReplyBytes = options.maxReplyBytes ?? 64 * 1024 * 1024
    this.#apiToken = checkedToken(options.apiToken)
    this.#sender = new HttpSender(urls, {
      tls: options.tls,
      connections: options.connections ?? 256,
      connectTimeoutMs: durationMs(options.connectTimeout ?? '5s', 'connectTimeout'),
      clock: this.#clock,
    })
  }

  actor<A = unknown>(type: string, id: string): RemoteRef<A> {
    checkType(type)
    checkId(id)
    const call: Callee['call'] = (method, args, options) => this.call(type, id, method, args, options)
    const manage: Callee['manage'] = (operation, args, options) => this.#manage(type, id, operation, args, options)
    return remoteRef<A>({ call, manage, checkOptions: checkCallOptions }, `${type}/${id}`, {})
  }

  call(type: string, id: string, method: string, args: readonly unknown[], options: CallOptions = {}): CallResult {
    return asStream(this.#invoke(type, id, method, args, options), `${type}.${method}`)
  }

  async #invoke(type: string, id: string, method: string, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    checkType(type)
    checkId(id)
    if (typeof method !== 'string' || method === '' || !method.isWellFormed()) {
      throw new TroupeError('BAD_REQUEST', 'invalid request: invalid method: it must be a well-formed string that is not empty')
    }
    checkCallOptions(options)
    const path = `/v1.0/actors/${actorPath(type, id)}/method/${encodeURIComponent(method)}`
    const body = args.length === 0 ? undefined : encode(args, `the arguments of ${type}.${method}`)
    return this.#post(path, body, `${type}/${id}.${method}`, options)
  }

  async #manage(type: string, id: string, operation: ManagementOperation, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    const what = `${operation} of ${type}/${id}`
    if (options.idempotencyKey !== undefined) {
      throw new TroupeError('BAD_REQUEST', `invalid request: idempotency-key: ${what} is no call of a method, and only those take one; leave it out`)
    }
    const path = `/troupe/v1/actors/${actorPath(type, id)}/manage/${operation}`
    return this.#post(path, encode(args, `the arguments of ${operation}`), what, options)
  }

  #post(path: string, body: Uint8Array | undefined, what: string, { timeout, signal, idempotencyKey }: CallOptions): Promise<unknown> {
    const timeoutMs = timeoutOf(timeout) ?? this.#timeoutMs
    const headers: Record<string, string> = { accept: CODEC_TYPE, 'content-length': String(body?.length ?? 0), ...timeoutHeader(timeoutMs) }
    if (body !== undefined) headers['content-type'] = CODEC_TYPE
    if (idempotencyKey !== undefined) headers['idempotency-key'] = JSON.stringify(idempotencyKey)
    return this.#exchange({ verb: 'POST', path, headers, body }, what, waitFor(timeoutMs), { timeoutMs, signal, idempotencyKey })
  }

  async status(): Promise<ClusterStatus> {
    return await this.#get('/troupe/v1/status', 'status') as ClusterStatus
  }

  async locate(type: string, id: string): Promise<ActorLocation> {
    checkType(type)
    checkId(id)
    return await this.#get(`/troupe/v1/actors/${actorPath(type, id)}`, `locate ${type}/${id}`) as ActorLocation
  }

  async reminders(type: string, page: PageRequest = {}): Promise<ReminderPage> {
    return await this.#page('reminders', type, page) as ReminderPage
  }

  async sends(type: string, page: PageRequest = {}): Promise<SendPage> {
    return await this.#page('sends', type, page) as SendPage
  }

  async deleteReminders(type: string, page: Omit<PageRequest, 'dead'> = {}): Promise<{ deleted: number; cursor: string | undefined }> {
    checkOptions('deleteReminders', page, { cursor: 'text', limit: 'count' })
    const headers = { accept: CODEC_TYPE, ...timeoutHeader(this.#timeoutMs) }
    const outgoing = { verb: 'DELETE', path: pagePath('reminders', type, page), headers, body: undefined } as const
    return await this.#exchange(outgoing, `deletion of the reminders of ${type}`, waitFor(this.#timeoutMs), {}) as { deleted: number; cursor: string | undefined }
  }

  #page(what: 'reminders' | 'sends', type: string, page: PageRequest): Promise<unknown> {
    checkOptions(what, page, { dead: 'flag', cursor: 'text', limit: 'count' })
    return this.#get(pagePath(what, type, page), `${what} of ${type}`, CODEC_TYPE)
  }

  #get(path: string, what: string, accept = JSON_TYPE): Promise<unknown> {
    return this.#exchange({ verb: 'GET', path, headers: { accept }, body: undefined }, what, this.#timeoutMs ?? GET_WAIT_MS, {})
  }

  async #exchange(outgoing: Outgoing, what: string, waitMs: number, options: ExchangeOptions): Promise<unknown> {
    if (this.#closing.signal.aborted) throw new TroupeError('CANCELLED', `${what}: the client is closed`, { executed: 'no' })
    if (this.#inFlight >= this.#maxInFlight) {
      const why = `this client has ${this.#maxInFlight} calls in flight already`
      throw new TroupeError('OVERLOADED', `${what}: ${why}; wait for some, or raise maxInFlight`)
    }
    if (this.#apiToken !== undefined) outgoing.headers[TOKEN_HEADER] = this.#apiToken
    this.#inFlight++
    const guard = new CallGuard(this.#clock, what, waitMs, options.signal, this.#closing.signal)
    const sentTo = new Set<string>()
    const send = async (): Promise<unknown> => {
      if (options.timeoutMs !== undefined && sentTo.size > 0) outgoing.headers['troupe-timeout'] = String(Math.max(1, Math.floor(guard.leftMs - GRACE_MS)))
      return readReply(await this.#sender.send(outgoing, guard, sentTo), guard, this.#maxReplyBytes)
    }
    try {
      const { idempotencyKey } = options
      const value = await this.#resending.run(guard, idempotencyKey === undefined ? undefined : `${outgoing.path} ${idempotencyKey}`, send)
      if (!isStream(value)) guard.end()
      return value
    } catch (error) {
      guard.end()
      throw error
    } finally {
      this.#inFlight--
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#sender.close()
  }
}

/** @throws BAD_OPTION, without the token in its text */
function checkedToken(token: string | undefined): string | undefined {
  const problem = token === undefined ? undefined : tokensProblem(token)
  if (problem !== undefined) throw new TroupeError('BAD_OPTION', `connect: apiToken: ${problem}`)
  return token
}

/** @throws BAD_REQUEST */
function pagePath(what: string, type: string, { dead, cursor, limit }: PageRequest): string {
  checkType(type)
  const query = new URLSearchParams()
  if (dead === true) query.set('dead', 'true')
  if (cursor !== undefined) query.set('cursor', cursor)
  if (limit !== undefined) query.set('limit', String(limit))
  return `/troupe/v1/${what}/${encodeURIComponent(type)}?${query}`
}

/** The host's own CALL_TIMEOUT gets the time to arrive. */
const waitFor = (timeoutMs: number | undefined): number => timeoutMs === undefined ? MAX_WAIT_MS : timeoutMs + GRACE_MS

const timeoutHeader = (timeoutMs: number | undefined): Record<string, string> => timeoutMs === undefined ? {} : { 'troupe-timeout': String(timeoutMs) }

const actorPath = (type: string, id: string): string => `${encodeURIComponent(type)}/${encodeURIComponent(id)}`

/** @throws BAD_OPTION */
function checkCallOptions(options: CallOptions): void {
  const { signal, idempotencyKey, ...rest } = options
  checkOptions('with', rest, { timeout: 'duration' })
  const problem = idempotencyKey === undefined ? undefined : keyProblem(idempotencyKey)
  if (problem !== undefined) throw new TroupeError('BAD_OPTION', `with: idempotencyKey: ${problem}; give 1 to 255 characters, such as a UUID`)
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TroupeError('BAD_OPTION', 'with: signal: it is no AbortSignal')
}

const timeoutOf = (timeout: Duration | undefined): number | undefined =>
  timeout === undefined ? undefined : Math.min(Math.ceil(durationMs(timeout, 'timeout')), MAX_TIMEOUT_MS)
