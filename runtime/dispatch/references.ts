/**
 * References of this host: one generated class an actor class, with a plain method for each method of the actor, so that a
 * call is a property look-up and no Proxy. References by name are Proxies.
 *
 * A call leaves through the output gate of the turn that makes it (P3), carries that turn's chain, and has at most the time
 * that turn's caller has left.
 */
import type { ActorRef, CallOptions, RemoteRef } from '../../actors/actor-ref.ts'
import { readActorType, type ActorClass, type ActorType } from '../../actors/actor-type.ts'
import { LocalCall, turnScope, type Invocation, type OutputGate } from '../../actors/invocation.ts'
import { copy, isPrimitive } from '../../core/codec.ts'
import { durationMs } from '../../core/duration.ts'
import { TroupeError } from '../../core/errors.ts'
import { checkId, checkType } from '../../core/ids.ts'
import type { References } from '../activation/activation-services.ts'

export interface CallPort {
  readonly callTimeoutMs: number
  route(call: Invocation): void
  remainingMs(call: Invocation): number
}

export interface Target {
  readonly typeName: string
  readonly id: string
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

/** Starts a call of `target`; resolves with what the method returned. */
export function startCall(port: CallPort, target: Target, methodName: string, args: readonly unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const { signal } = target
    if (signal === undefined) return launch(port, target, methodName, args, false, resolve, reject)
    let call: Invocation | undefined
    // Undefined when the turn itself aborts it before its first wait: told below.
    const cancel = (): void => call?.abandon('CANCELLED', 'the caller gave up')
    const unbound = <Arg>(settle: (arg: Arg) => void) => (arg: Arg): void => {
      signal.removeEventListener('abort', cancel)
      settle(arg)
    }
    signal.addEventListener('abort', cancel, { once: true })
    call = launch(port, target, methodName, args, false, unbound(resolve), unbound(reject))
    if (signal.aborted) cancel()
  })
}

/** The call itself, for whoever needs to know more than its value: `args` must already be the callee's. */
export function launch(
  port: CallPort, target: Target, methodName: string, args: readonly unknown[], reads: boolean,
  resolve: (value: unknown, call: Invocation) => void, reject: (error: unknown) => void,
): Invocation {
  const scope = turnScope.getStore()
  const parent = scope !== undefined && scope.turnPhase === 'running' ? scope : undefined
  let { timeoutMs } = target
  if (parent !== undefined) timeoutMs = Math.min(timeoutMs, port.remainingMs(parent))
  const call = new LocalCall({ typeName: target.typeName, id: target.id, methodName, args, timeoutMs, parent, reads }, resolve, reject)
  if (target.signal?.aborted === true) call.abandon('CANCELLED', 'the caller had given up')
  else if (timeoutMs <= 0) call.abandon('CALL_TIMEOUT', 'no time was left for it')
  else if (scope?.gate === undefined) port.route(call)
  else passGate(port, scope.gate, call)
  return call
}

/**
 * A call made by a turn passes that turn's output gate first; so does one made by code that a turn left behind, since it
 * has seen the same memory.
 */
function passGate(port: CallPort, gate: OutputGate, call: Invocation): void {
  if (gate.phase === 'ended') {
    call.fail(new TroupeError('OUTSIDE_TURN', `${call.typeName}/${call.id}: the activation that calls it has ended and may call nobody any more`))
  } else if (gate.hasUnsaved) gate.whenDurable(() => port.route(call), error => call.fail(error))
  else port.route(call)
}

const copyArgs = (args: readonly unknown[]): readonly unknown[] => (args.every(isPrimitive) ? args : copy(args, 'args'))

/** A stream that opens with the first `next()`. */
class LazyStream implements AsyncIterableIterator<unknown> {
  #open: (() => Promise<unknown>) | undefined
  #stream: Promise<AsyncIterableIterator<unknown>> | undefined
  readonly #signal: AbortSignal | undefined

  constructor(open: () => Promise<unknown>, signal: AbortSignal | undefined) {
    this.#open = open
    this.#signal = signal
  }
  [Symbol.asyncIterator](): this {
    return this
  }
  async next(): Promise<IteratorResult<unknown>> {
    if (this.#stream === undefined && this.#open !== undefined) {
      this.#stream = this.#open() as Promise<AsyncIterableIterator<unknown>>
      this.#open = undefined
      this.#signal?.addEventListener('abort', () => void this.return(), { once: true })
    }
    return this.#stream === undefined ? { done: true, value: undefined } : (await this.#stream).next()
  }
  async return(): Promise<IteratorResult<unknown>> {
    this.#open = undefined
    const stream = await this.#stream?.catch(() => undefined)
    await stream?.return?.().catch(() => undefined)
    return { done: true, value: undefined }
  }
}

type RefClass = new (target: Target) => object

export class HostReferences implements References {
  /** For calls that need no reference. */
  readonly port: CallPort
  readonly #types = new WeakMap<ActorClass, { type: ActorType; refClass: RefClass }>()

  constructor(port: CallPort) {
    this.port = port
  }

  actor<A extends ActorClass>(actorClass: A, id: string, options?: CallOptions): ActorRef<InstanceType<A>> {
    checkId(id)
    let known = this.#types.get(actorClass)
    if (known === undefined) {
      const type = readActorType(actorClass)
      this.#types.set(actorClass, (known = { type, refClass: makeRefClass(this.port, type) }))
    }
    return new known.refClass(targetOf(this.port, known.type.name, id, options)) as ActorRef<InstanceType<A>>
  }

  byName(type: string, id: string, options?: CallOptions): RemoteRef {
    checkType(type)
    checkId(id)
    const target = targetOf(this.port, type, id, options)
    return new Proxy(Object.freeze({}), {
      get: (_, name) => {
        // A reference must not look like a promise, or `await ref` would call the actor.
        if (typeof name !== 'string' || name === 'then') return undefined
        if (name === 'with') return (more: CallOptions) => this.byName(type, id, { ...options, ...more })
        return (...args: unknown[]) => callByName(this.port, target, name, args)
      },
    }) as RemoteRef
  }
}

/** By name it is not known whether a method is a stream: the promise is also an iterable. */
function callByName(port: CallPort, target: Target, name: string, args: unknown[]): Promise<unknown> & AsyncIterable<unknown> {
  const answer = new Promise(resolve => resolve(startCall(port, target, name, copyArgs(args))))
  return Object.assign(answer, {
    async *[Symbol.asyncIterator]() {
      yield* await answer as AsyncIterable<unknown>
    },
  })
}

function targetOf(port: CallPort, typeName: string, id: string, options: CallOptions | undefined): Target {
  const timeoutMs = options?.timeout === undefined ? port.callTimeoutMs : durationMs(options.timeout, 'timeout')
  return { typeName, id, timeoutMs, signal: options?.signal }
}

function makeRefClass(port: CallPort, type: ActorType): RefClass {
  class Ref {
    readonly #target: Target
    constructor(target: Target) {
      this.#target = target
    }
    with(options: CallOptions): Ref {
      const timeoutMs = options.timeout === undefined ? this.#target.timeoutMs : durationMs(options.timeout, 'timeout')
      return new Ref({ ...this.#target, timeoutMs, signal: options.signal ?? this.#target.signal })
    }
    static callOf(name: string): (this: Ref, ...args: unknown[]) => Promise<unknown> {
      return function (...args) {
        try {
          return startCall(port, this.#target, name, copyArgs(args))
        } catch (error) {
          return Promise.reject(error as Error)
        }
      }
    }
    static streamOf(name: string): (this: Ref, ...args: unknown[]) => LazyStream {
      return function (...args) {
        const target = this.#target
        const owned = copyArgs(args)
        return new LazyStream(() => startCall(port, target, name, owned), target.signal)
      }
    }
  }
  for (const method of type.methods.values()) {
    Object.defineProperty(Ref.prototype, method.name, { value: method.stream ? Ref.streamOf(method.name) : Ref.callOf(method.name) })
  }
  Object.defineProperty(Ref, 'name', { value: `${type.name}Ref` })
  return Ref
}
