/**
 * An actor class, read once: its type name, options, and the table of methods that may be called.
 *
 * A method is callable from outside when it is an own-named function on the prototype chain below Actor: no hooks, no
 * `_x`, no accessors, no inherited names of Object. Everything else is UNKNOWN_METHOD, so `constructor`, `__proto__`
 * and `then` lead nowhere.
 */
import { TroupeError } from '../core/errors.ts'
import { hash32, nameProblem, MAX_NAME_BYTES, shardOf } from '../core/ids.ts'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { Actor, actorBrand } from './actor.ts'
import type { AppChannel } from './app-channel.ts'
import { actorOptionsSchema, methodOptionSchema, type ActorOptions, type MethodOption } from './actor-options.ts'

/** What a subclass of Actor may say about itself in static fields. */
export interface ActorStatics {
  /** The type's name for callers and stores; the class name unless given. Must never change. */
  readonly type?: string
  readonly options?: ActorOptions
  readonly methods?: Readonly<Record<string, MethodOption | undefined>>
  /** Version of the state's shape; 1 unless given. */
  readonly version?: number
  /** Upgrades state of an older version: gets its fields and the version, returns the fields of the present one. */
  readonly migrate?: (state: Record<string, unknown>, from: number) => Record<string, unknown>
}

// `object &`: statics are read as they are found; a class literal need not declare them.
export type ActorClass = (new () => Actor) & object

export interface Method {
  readonly name: string
  readonly readonly: boolean
  /** An async generator: its turn lasts as long as the stream. */
  readonly stream: boolean
  readonly input: StandardSchemaV1<unknown, readonly unknown[]> | undefined
  readonly run: (this: Actor, ...args: readonly unknown[]) => unknown
}

/** How an application runs a type: every name is a method of it, its state is storage keys alone. */
export interface AppHosting {
  readonly channel: AppChannel
  /** Turns of one actor that one chain of calls may be in at once. */
  readonly maxStackDepth: number
  /** It is told the id of the chain that it is called in, so that what it calls meanwhile belongs to that chain. */
  readonly tellsChain: boolean
  /** One argument of a TypeScript caller is sent in a list too, as hosts of the JavaScript SDK want it. */
  readonly wantsList: boolean
  /** It may end a reminder or timer by its answer to one. */
  readonly mayCancel: boolean
}

/** The static field of a class that stands for an application's type. */
export const hostingKey = Symbol.for('troupe.hosting')

export interface ActorType {
  readonly name: string
  readonly actorClass: ActorClass
  /** Set where an application runs the type; undefined for a class. */
  readonly app: AppHosting | undefined
  readonly methods: ReadonlyMap<string, Method>
  /** Methods that begin with `_`: reminders and timers may run them, callers may not. */
  readonly inner: ReadonlyMap<string, Method['run']>
  readonly idleAfterMs: number
  readonly reentrant: boolean
  readonly maxDepth: number
  readonly mailbox: number
  readonly mailboxBytes: number
  readonly turnTimeoutMs: number
  readonly drainTimeoutMs: number | undefined
  readonly keepRepliesMs: number
  readonly maxReminders: number
  readonly placementKey: ((id: string) => string) | undefined
  readonly version: number
  readonly migrate: ActorStatics['migrate']
  readonly onActivate: boolean
  readonly onDeactivate: boolean
  readonly onReminder: boolean
  /** Seed of the shard hash: `hash32(name)`. */
  readonly seed: number
}

const hooks = new Set(['onActivate', 'onDeactivate', 'onReminder'])
const reserved = new Set(['ctx', 'with', 'then', 'manage'])
const asyncGenerator = Object.getPrototypeOf(async function* () {}) as object

/** True for a class that extends Actor, of this copy of the package or another. */
export const isActorClass = (value: unknown): value is ActorClass =>
  typeof value === 'function' && value !== Actor && (value as unknown as Record<symbol, unknown>)[actorBrand] === true
  && !Object.hasOwn(value, actorBrand)

/** @throws BAD_ACTOR_CLASS with every problem of the class. */
export function readActorType(actorClass: ActorClass): ActorType {
  const statics = actorClass as ActorStatics & { name: string }
  const problems: string[] = []
  // Own only: a subclass of a class with a given type is a type of its own.
  const name = Object.hasOwn(actorClass, 'type') ? statics.type : statics.name
  const badName = nameProblem(name, MAX_NAME_BYTES)
  if (badName !== undefined) problems.push(`its type ${badName}; set static readonly type = '…'`)

  const options = actorOptionsSchema.safeParse(statics.options ?? {})
  if (!options.success) problems.push(...options.error.issues.map(i => optionProblem(['options'], i, Object.keys(actorOptionsSchema.shape))))
  const version = statics.version ?? 1
  if (!Number.isSafeInteger(version) || version < 1) problems.push('static version must be a whole number from 1 up')
  if (statics.migrate !== undefined && typeof statics.migrate !== 'function') problems.push('static migrate must be a function')
  const methods = readMethods(actorClass, statics.methods ?? {}, problems)
  if (problems.length > 0 || !options.success) {
    throw new TroupeError('BAD_ACTOR_CLASS', `${statics.name || 'an actor class without a name'}: ${problems.join('; ')}`, { data: { problems } })
  }
  const o = options.data
  const prototype = actorClass.prototype as Record<string, unknown>
  return Object.freeze({
    name: name as string, actorClass, app: (statics as { [hostingKey]?: AppHosting })[hostingKey], methods, inner: readInner(actorClass),
    idleAfterMs: o.idleAfter!, reentrant: o.reentrancy === 'call-chain', maxDepth: o.maxDepth, mailbox: o.mailbox, mailboxBytes: o.mailboxBytes,
    keepRepliesMs: o.keepReplies!, maxReminders: o.maxReminders, turnTimeoutMs: o.turnTimeout!, drainTimeoutMs: o.drainTimeout, placementKey: o.placement.key,
    version, migrate: statics.migrate,
    onActivate: typeof prototype.onActivate === 'function', onDeactivate: typeof prototype.onDeactivate === 'function',
    onReminder: typeof prototype.onReminder === 'function',
    seed: hash32(name as string),
  })
}

/** What is wrong with an option, by its name; of a key that does not exist, which ones do. */
export function optionProblem(
  place: readonly string[], issue: { readonly code?: string; readonly path: readonly PropertyKey[]; readonly message: string }, known: readonly string[],
): string {
  const path = [...place, ...issue.path.map(String)].join('.')
  const unknown = issue.code === 'unrecognized_keys'
  const says = unknown ? issue.message.replace(/^U(.*?):/, 'u$1') : issue.message
  return `${path === '' ? 'options' : path}: ${says}${unknown && issue.path.length === 0 ? `; there are ${known.join(', ')}` : ''}`
}

function readMethods(actorClass: ActorClass, given: NonNullable<ActorStatics['methods']>, problems: string[]): ReadonlyMap<string, Method> {
  const methods = new Map<string, Method>()
  const callable = new Set<string>()
  for (const [name, run] of prototypeFunctions(actorClass)) {
    if (reserved.has(name)) problems.push(`a method may not be called ${name}: references use that name`)
    if (hooks.has(name) || name.startsWith('_')) continue
    callable.add(name)
    const option = methodOptionSchema.safeParse((Object.hasOwn(given, name) ? given[name] : undefined) ?? {})
    if (!option.success) {
      problems.push(...option.error.issues.map(i => optionProblem(['methods', name], i, Object.keys(methodOptionSchema.shape))))
      continue
    }
    const stream = Object.prototype.isPrototypeOf.call(asyncGenerator, run as object)
    methods.set(name, { name, run: run as Method['run'], readonly: option.data.readonly, input: option.data.input, stream })
  }
  for (const name of Object.keys(given)) {
    if (!callable.has(name)) problems.push(`methods.${name}: there is no such method that can be called from outside`)
  }
  return methods
}

const readInner = (actorClass: ActorClass): ReadonlyMap<string, Method['run']> =>
  new Map([...prototypeFunctions(actorClass)].filter(([name]) => name.startsWith('_')) as [string, Method['run']][])

/** Functions of the prototype chain from Actor downwards, the most derived last (it wins in a Map). */
function* prototypeFunctions(actorClass: ActorClass): Iterable<[string, unknown]> {
  const chain: object[] = []
  for (let p = actorClass.prototype as object | null; p !== null && p !== Actor.prototype && p !== Object.prototype; p = Object.getPrototypeOf(p) as object | null) {
    if (Object.hasOwn(p.constructor, actorBrand)) break
    chain.unshift(p)
  }
  for (const prototype of chain) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      const { value } = Object.getOwnPropertyDescriptor(prototype, name)!
      if (name !== 'constructor' && typeof value === 'function') yield [name, value]
    }
  }
}

/** The shard of `id` within its type; a type may place by another key than the id. */
export function shardOfActor(type: ActorType, id: string, bits: number): number {
  return shardOf(type.seed, type.placementKey === undefined ? id : placementKeyOf(type, id), bits)
}

function placementKeyOf(type: ActorType, id: string): string {
  const key: unknown = type.placementKey!(id)
  if (typeof key === 'string') return key
  throw new TroupeError('BAD_ACTOR_CLASS', `${type.name}: options.placement.key returned ${typeof key} for ${JSON.stringify(id)}; it must return a string`)
}

/** Which methods an application has, it alone knows: calls of all names go to it (runtime/activation/app-turn.ts). */
const appMethod: Method = Object.freeze({
  name: 'method of an application', readonly: false, stream: false, input: undefined,
  run() { throw new TroupeError('INTERNAL', 'a call of an application was taken for one of a class') },
})

/** @throws UNKNOWN_METHOD with the names that exist. */
export function methodOf(type: ActorType, name: string): Method {
  const method = type.app === undefined ? type.methods.get(name) : appMethod
  if (method !== undefined) return method
  throw new TroupeError('UNKNOWN_METHOD', `${type.name} has no method ${JSON.stringify(String(name).slice(0, 80))}; it has ${[...type.methods.keys()].slice(0, 20).join(', ') || 'none'}`)
}

/**
 * The name under which a reminder or timer keeps its target, and finds it again in a later process.
 * @throws UNKNOWN_METHOD when there is no such method, or when `target` is a function that is not one: an arrow field, say
 */
export function targetName(type: ActorType, target: unknown, what: string): string {
  if (type.app !== undefined) return String(target)
  if (typeof target === 'function' && target === (type.actorClass.prototype as Record<string, unknown>).onReminder) throw new TroupeError('UNKNOWN_METHOD', leaveOut(type))
  const name = typeof target === 'string' ? target : typeof target === 'function' ? nameOfFunction(type, target) : undefined
  if (name === undefined) {
    throw new TroupeError('UNKNOWN_METHOD', `${what}: ${typeof target === 'function'
      ? `the function ${JSON.stringify(target.name)} is no method of ${type.name}; write it as a method of the class (no arrow function, no bind): only those are found again after a restart`
      : `its target must be a method of ${type.name} or its name, not ${target === null ? 'null' : typeof target}`}`)
  }
  targetOf(type, name)
  return name
}

/** What is said where the hook is named as if it were a method. */
const leaveOut = (type: ActorType): string => `${type.name}: onReminder is a hook, no method: leave out \`method\`, then onReminder is called`

function nameOfFunction(type: ActorType, target: unknown): string | undefined {
  for (const [name, method] of type.methods) if (method.run === target) return name
  for (const [name, run] of type.inner) if (run === target) return name
  return undefined
}

/** The method that a reminder or timer runs. @throws UNKNOWN_METHOD with the names that exist */
export function targetOf(type: ActorType, name: string): Method['run'] {
  const inner = type.inner.get(name)
  if (inner !== undefined) return inner
  const method = type.methods.get(name)
  if (method !== undefined && !method.stream) return method.run
  if (name === 'onReminder') throw new TroupeError('UNKNOWN_METHOD', leaveOut(type))
  const problem = method !== undefined ? `${name} is a stream and cannot be a target` : `has no method ${JSON.stringify(name.slice(0, 80))}`
  throw new TroupeError('UNKNOWN_METHOD', `${type.name}: ${problem}; it has ${targetsLike(type, name)}`)
}

/** The names to offer for one that is wrong: those with `_` to who wrote one, who is the actor itself, as nobody outside may. */
function targetsLike(type: ActorType, name: string): string {
  const outer = [...type.methods.values()].filter(({ stream }) => !stream).map(method => method.name)
  return [...(name.startsWith('_') ? type.inner.keys() : []), ...outer].slice(0, 20).join(', ') || 'none'
}
