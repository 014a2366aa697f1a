/**
 * Asks the `authorize` hook of this host, and makes of what it says a call that goes on or one that is refused.
 *
 * A hook that answers at once costs no tick. While one thinks, its call holds no place in any mailbox and its deadline runs; an
 * admitted call is routed afresh, since the actor may have moved meanwhile. Hooks run outside all turns: what they call are
 * calls of the host itself.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { showCaller, type Authorize, type AuthorizeRequest, type Caller } from '../../actors/authorize.ts'
import type { Invocation } from '../../actors/invocation.ts'
import type { TimerSetting } from '../../actors/management.ts'
import type { Clock } from '../../core/clock.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import { isThenable } from '../activation/turn.ts'

export interface AuthorizerOptions {
  readonly authorize: Authorize
  readonly hostId: string
  readonly clock: Clock
  readonly log: Logger
  /** Starts the clock of a call's deadline. */
  readonly watch: (call: Invocation) => void
  /** An admitted call goes on its way again. */
  readonly resume: (call: Invocation) => void
  /** A hook that has not answered after so long refuses; 5 s by default. */
  readonly timeoutMs?: number
}

/** Hooks that may be thinking at once. */
const MAX_PENDING = 10_000
const DEFAULT_TIMEOUT_MS = 5_000

/** Taken when this module is loaded, outside all turns. */
const outsideTurns = AsyncLocalStorage.snapshot()

export class Authorizer {
  readonly #options: AuthorizerOptions
  #pending = 0

  constructor(options: AuthorizerOptions) {
    this.#options = options
  }

  /** True: `call` may go on now. False: it was refused, or is resumed once the hook has admitted it. */
  admits(call: Invocation): boolean {
    // The runtime's own turns: reminders were asked about before (due-rows.ts), timers and sweeps are nobody's wish but the actor's.
    if (call.admitted || call.kind === 'internal') return true
    let verdict
    try {
      verdict = this.#askAll(requestsOf(call, this.#options.hostId))
    } catch (error) {
      call.fail(error)
      return false
    }
    if (verdict === undefined) return (call.admitted = true)
    this.#options.watch(call)
    verdict.then(() => {
      if (call.settled) return
      call.admitted = true
      this.#options.resume(call)
    }, (error: unknown) => call.fail(error))
    return false
  }

  /** Of a reminder that is due: undefined when it may run, else why not. */
  async refusalOf(type: string, id: string, method: string): Promise<unknown> {
    try {
      await this.ask({ type, id, method, kind: 'reminder', caller: { kind: 'actor', type, id } })
      return undefined
    } catch (error) {
      return error
    }
  }

  /** Undefined: admitted at once. @throws FORBIDDEN · OVERLOADED, at once or later */
  ask(request: AuthorizeRequest): undefined | Promise<void> {
    if (this.#pending >= MAX_PENDING) {
      throw new TroupeError('OVERLOADED', `${MAX_PENDING} calls wait for the authorize hook of host ${this.#options.hostId} already; call later`, { retryAfterMs: 200 })
    }
    let answer
    try {
      answer = outsideTurns(this.#options.authorize, Object.freeze(request))
    } catch (error) {
      throw this.#broken(request, error)
    }
    if (isThenable(answer)) return this.#wait(request, answer)
    if (answer !== true) throw refused(request)
    return undefined
  }

  #askAll(requests: readonly AuthorizeRequest[]): undefined | Promise<void> {
    for (const [i, request] of requests.entries()) {
      const verdict = this.ask(request)
      if (verdict !== undefined) return verdict.then(() => this.#askAll(requests.slice(i + 1)))
    }
    return undefined
  }

  #wait(request: AuthorizeRequest, answer: PromiseLike<unknown>): Promise<void> {
    const { clock, timeoutMs = DEFAULT_TIMEOUT_MS } = this.#options
    this.#pending++
    return new Promise<void>((resolve, reject) => {
      const timer = clock.after(timeoutMs, () => reject(this.#broken(request, new Error(`it did not answer within ${timeoutMs} ms`))))
      answer.then(allowed => {
        timer.cancel()
        if (allowed === true) resolve()
        else reject(refused(request))
      }, error => {
        timer.cancel()
        reject(this.#broken(request, error))
      })
    }).finally(() => { this.#pending-- })
  }

  /** The caller is not told what is wrong with the hook; the log is. */
  #broken(request: AuthorizeRequest, error: unknown): TroupeError {
    this.#options.log.error({ err: error, ...request, reason: messageOf(error) }, 'the authorize hook failed; the call was refused')
    return refused(request)
  }
}

const refused = (request: AuthorizeRequest): TroupeError => {
  const { type, id, method, kind, caller } = request
  return new TroupeError('FORBIDDEN', `${kind} of ${id === '' ? type : `${type}/${id}`}.${method} is not allowed to ${showCaller(caller)}; the host's authorize hook decides`, {
    executed: 'no', data: { type, id, method, kind },
  })
}

/** Who makes a call: the sender of a durable send, the turn that called, or what the call says. */
export function callerOf(call: Invocation, hostId: string): Caller {
  const sender = call.once?.delivery?.sender
  if (sender !== undefined) {
    const slash = sender.indexOf('/')
    return { kind: 'actor', type: sender.slice(0, slash), id: sender.slice(slash + 1) }
  }
  // One that says whose chain it belongs to still came in by a door.
  if (call.caller?.kind === 'outside') return call.caller
  if (call.parent !== undefined) return { kind: 'actor', type: call.parent.typeName, id: call.parent.id }
  return call.caller ?? { kind: 'host', id: hostId }
}

/** A reminder that is set from outside is asked about twice: setting it, and the method that will run because of it. */
function requestsOf(call: Invocation, hostId: string): readonly AuthorizeRequest[] {
  const caller = callerOf(call, hostId)
  const about = { type: call.typeName, id: call.id, caller }
  const kind = call.once?.delivery !== undefined ? 'send' : call.kind === 'method' || call.kind === 'body' ? 'call' : call.kind as 'read' | 'manage'
  // Two ways to set one, which are one thing to whoever decides.
  const method = call.methodName === 'reminders.setData' && kind === 'manage' ? 'reminders.set' : call.methodName
  const request: AuthorizeRequest = { ...about, method, kind }
  const target = kind === 'manage' ? targetOf(call) : undefined
  return target === undefined ? [request] : [request, { ...about, method: target, kind: 'reminder' }]
}

/** The method that what is set will run, and that whoever sets it must be allowed to. */
function targetOf({ methodName, args }: Invocation): string | undefined {
  switch (methodName) {
    case 'reminders.set': return typeof args[2] === 'string' ? args[2] : 'onReminder'
    case 'reminders.setData': return 'onReminder'
    case 'timers.set': return String((args[1] as Partial<TimerSetting> | undefined)?.callback)
    default: return undefined
  }
}
