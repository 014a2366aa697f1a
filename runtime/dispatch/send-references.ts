/**
 * What `ctx.send(…)` returns: the methods of an actor as durable one-way calls. As in references.ts, one generated class an
 * actor class, so that a send is a property look-up; by name, a Proxy. A method hands its arguments, copied, to the sink of
 * the turn that sends, and returns nothing.
 */
import type { SendOptions, SendRef, SendRefByName } from '../../actors/actor-ref.ts'
import { readActorType, type ActorClass, type ActorType } from '../../actors/actor-type.ts'
import { copy, isPrimitive } from '../../core/codec.ts'
import { durationMs } from '../../core/duration.ts'
import { TroupeError } from '../../core/errors.ts'
import { checkKnown } from '../../core/known-options.ts'
import { checkId, checkMember, checkType } from '../../core/ids.ts'

export interface SendTarget {
  readonly typeName: string
  readonly id: string
  /** Failed deliveries after which it is a dead letter. */
  readonly attempts: number
  readonly backoffMs: number
}

/** Takes a send into the turn. `args` are its own. What it throws, the author's call throws. */
export type SendSink = (target: SendTarget, method: string, args: readonly unknown[]) => void

type SendRefClass = new (target: SendTarget, sink: SendSink) => object

export const DEFAULT_ATTEMPTS = 10
export const DEFAULT_BACKOFF_MS = 100
const MAX_ATTEMPTS = 1_000_000

export class SendReferences {
  readonly #types = new WeakMap<ActorClass, { type: ActorType; refClass: SendRefClass }>()

  /** @throws BAD_ACTOR_CLASS · BAD_REQUEST for an illegal id · BAD_OPTION */
  actor<A extends ActorClass>(actorClass: A, id: string, options: SendOptions | undefined, sink: SendSink): SendRef<InstanceType<A>> {
    checkId(id)
    let known = this.#types.get(actorClass)
    if (known === undefined) {
      const type = readActorType(actorClass)
      this.#types.set(actorClass, (known = { type, refClass: makeSendRefClass(type) }))
    }
    return new known.refClass(targetOf(known.type.name, id, options), sink) as SendRef<InstanceType<A>>
  }

  /** @throws BAD_REQUEST for an illegal type or id · BAD_OPTION. Its methods: BAD_REQUEST for an illegal name · UNKNOWN_METHOD */
  byName(type: string, id: string, options: SendOptions | undefined, sink: SendSink): SendRefByName {
    checkType(type)
    checkId(id)
    const target = targetOf(type, id, options)
    return new Proxy(Object.freeze({}), {
      get: (_, name) => {
        // A reference must not look like a promise, or `await ref` would send.
        if (typeof name !== 'string' || name === 'then') return undefined
        return (...args: unknown[]): void => {
          checkMember('method', name)
          // Never callable from outside, whatever class is behind the name: said now, not by a dead letter.
          if (name.startsWith('_') || hooks.has(name)) throw new TroupeError('UNKNOWN_METHOD', `${type}: ${name} cannot be called from outside, so nothing can be sent to it`)
          sink(target, name, copyArgs(args))
        }
      },
    }) as SendRefByName
  }
}

const hooks = new Set(['onActivate', 'onDeactivate', 'onReminder', 'constructor'])

const copyArgs = (args: readonly unknown[]): readonly unknown[] => (args.every(isPrimitive) ? args : copy(args, 'args'))

function makeSendRefClass(type: ActorType): SendRefClass {
  class Ref {
    readonly #target: SendTarget
    readonly #sink: SendSink
    constructor(target: SendTarget, sink: SendSink) {
      this.#target = target
      this.#sink = sink
    }
    static sendOf(name: string): (this: Ref, ...args: unknown[]) => void {
      return function (...args) {
        this.#sink(this.#target, name, copyArgs(args))
      }
    }
  }
  const streamOf = (name: string) => (): never => {
    throw new TroupeError('UNKNOWN_METHOD', `${type.name}.${name} is a stream: nobody would read it, so nothing can be sent to it; call it instead`)
  }
  for (const method of type.methods.values()) {
    Object.defineProperty(Ref.prototype, method.name, { value: method.stream ? streamOf(method.name) : Ref.sendOf(method.name) })
  }
  Object.defineProperty(Ref, 'name', { value: `${type.name}SendRef` })
  return Ref
}

function targetOf(typeName: string, id: string, options: SendOptions | undefined): SendTarget {
  if (options === undefined) return { typeName, id, attempts: DEFAULT_ATTEMPTS, backoffMs: DEFAULT_BACKOFF_MS }
  checkKnown('send options', options, ['retry'])
  const retry = options.retry === undefined ? {} : options.retry
  checkKnown('send options.retry', retry, ['attempts', 'backoff'])
  const { attempts = DEFAULT_ATTEMPTS, backoff = DEFAULT_BACKOFF_MS } = retry
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > MAX_ATTEMPTS) {
    throw new TroupeError('BAD_OPTION', `send options.retry.attempts must be a whole number from 1 to ${MAX_ATTEMPTS}, not ${show(attempts)}`)
  }
  if (typeof backoff !== 'number' && typeof backoff !== 'string') {
    throw new TroupeError('BAD_OPTION', `send options.retry.backoff: ${show(backoff)} is no duration; write '500ms', '2s' or a number of milliseconds`)
  }
  return { typeName, id, attempts, backoffMs: durationMs(backoff, 'send options.retry.backoff') }
}

const show = (value: unknown): string => typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : typeof value === 'number' ? String(value) : value === null ? 'null' : typeof value
