/**
 * The authors' errors: subclasses of ActorError thrown in a method reach the caller typed, wherever the caller is.
 *
 * What travels is the code, the message, the data and the status; the class is found again by its code, so
 * `Insufficient.is(error)` works in another process that never loaded the actor. They share no class with TroupeError.
 */

const brand = Symbol.for('troupe.actor-error')

type Given<Data> = [Data] extends [undefined] ? [data?: undefined, message?: string] : [data: Data, message?: string]

/**
 * ```ts
 * class Insufficient extends ActorError<{ missing: number }> { static readonly code = 'INSUFFICIENT' }
 * throw new Insufficient({ missing: 5 })
 * ```
 * `data` must be a value that can travel (core/codec.ts). `static code` is the class name unless given;
 * `static status` is the HTTP status of the gateway's reply, 500 unless given.
 */
export class ActorError<Data = undefined> extends Error {
  readonly code: string
  readonly status: number
  readonly data: Data

  constructor(...[data, message]: Given<Data>) {
    const own = new.target
    const code = codeOf(own)
    super(message ?? (data === undefined ? code : `${code} ${preview(data)}`))
    this.code = code
    this.status = staticsOf(own).status ?? 500
    this.data = data as Data
  }

  /** True for an error of this class (by code), for `ActorError` itself of any author's error; across processes. */
  static is<E extends Error>(this: abstract new (...args: never[]) => E, error: unknown): error is E {
    return isActorError(error) && ((this as unknown) === ActorError || error.code === codeOf(this))
  }
}
Object.defineProperty(ActorError.prototype, brand, { value: true })
Object.defineProperty(ActorError.prototype, 'name', { value: 'ActorError', writable: true })

// Not declared on the class: subclasses write `static readonly code` without `override`.
const staticsOf = (actorError: object): { code?: string; status?: number } => actorError

/** The nearest `static code` of the class or those it extends, else its own name. */
const codeOf = (actorError: { name: string }): string =>
  staticsOf(actorError).code ?? (actorError === ActorError ? 'ACTOR_ERROR' : actorError.name)

function preview(data: unknown): string {
  try {
    return (JSON.stringify(data) ?? '').slice(0, 200)
  } catch {
    return ''
  }
}

/** An author's error, of any class, of this process or another. */
export const isActorError = (error: unknown): error is ActorError<unknown> =>
  typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[brand] === true

/** The author's error of another process, as far as it travels. */
export function rebuildActorError(parts: { code: string; message: string; data?: unknown; status?: number }): ActorError<unknown> {
  const error = new ActorError<unknown>(parts.data, parts.message)
  return Object.assign(error, { code: parts.code, status: parts.status ?? 500 })
}
