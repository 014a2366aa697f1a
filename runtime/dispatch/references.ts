/**
 * References of this host: one generated class an actor class, with a plain method for each method of the actor, so that a
 * call is a property look-up and no Proxy. References by name are Proxies.
 */
import type { ActorRef, CallOptions, RemoteRef } from '../../actors/actor-ref.ts'
import { readActorType, type ActorClass, type ActorType } from '../../actors/actor-type.ts'
import { managementOf, type ActorManagement } from '../../actors/management.ts'
import { copy, isPrimitive } from '../../core/codec.ts'
import { durationMs } from '../../core/duration.ts'
import { TroupeError } from '../../core/errors.ts'
import { checkId, checkType } from '../../core/ids.ts'
import type { References } from '../activation/activation-services.ts'
import { keyProblem, MAX_KEY_BYTES } from '../activation/once-entries.ts'
import { startCall, startWith, type CallPort, type Target } from './launch.ts'

const copyArgs = (args: readonly unknown[]): readonly unknown[] => (args.every(isPrimitive) ? args : copy(args, 'args'))

/** A stream that opens with the first `next()`. */
class LazyStream implements AsyncIterableIterator<unknown> {
  #open: (() => Promise<unknown>) | undefined
  #stream: Promise<AsyncIterableIterator<unknown>> | undefined
  readonly #signal: AbortSignal | undefined
  readonly #leave = (): void => void this.return()

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
      this.#signal?.addEventListener('abort', this.#leave)
    }
    if (this.#stream === undefined) return { done: true, value: undefined }
    try {
      const step = await (await this.#stream).next()
      if (step.done === true) this.#unbind()
      return step
    } catch (error) {
      this.#unbind()
      throw error
    }
  }
  /** A signal may outlive thousands of streams. */
  #unbind(): void {
    this.#signal?.removeEventListener('abort', this.#leave)
  }
  async return(): Promise<IteratorResult<unknown>> {
    this.#unbind()
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
        if (name === 'manage') return managementFor(this.port, target)
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
  return { typeName, id, timeoutMs, signal: options?.signal, idempotencyKey: checkKey(options?.idempotencyKey) }
}

/** @throws BAD_OPTION */
function checkKey(key: string | undefined): string | undefined {
  const problem = key === undefined ? undefined : keyProblem(key)
  if (problem !== undefined) throw new TroupeError('BAD_OPTION', `idempotencyKey ${problem}; use 1 to ${MAX_KEY_BYTES} bytes`)
  return key
}

const managementFor = (port: CallPort, { typeName, id, timeoutMs, signal }: Target): ActorManagement => managementOf(
  (operation, args) => new Promise((resolve, reject) => startWith(port, { typeName, id, timeoutMs, signal }, operation, copyArgs(args), 'manage', resolve, reject)))

function makeRefClass(port: CallPort, type: ActorType): RefClass {
  class Ref {
    readonly #target: Target
    constructor(target: Target) {
      this.#target = target
    }
    with(options: CallOptions): Ref {
      const timeoutMs = options.timeout === undefined ? this.#target.timeoutMs : durationMs(options.timeout, 'timeout')
      const { signal, idempotencyKey } = this.#target
      return new Ref({ ...this.#target, timeoutMs, signal: options.signal ?? signal, idempotencyKey: checkKey(options.idempotencyKey) ?? idempotencyKey })
    }
    get manage(): ActorManagement {
      return managementFor(port, this.#target)
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
