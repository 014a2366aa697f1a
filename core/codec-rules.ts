/**
 * What may travel, decided in one place for `encode`, `copy` and everything between them: the kinds of values, the limit
 * of nesting, and the refusal of anything else with the path that leads to it.
 */
import { types } from 'node:util'
import { TroupeError, type ErrorCode } from './errors.ts'

/** Containers may nest this deep; the outermost one is level 1. */
export const MAX_DEPTH = 200

export type Kind = 'plain' | 'array' | 'map' | 'set' | 'date' | 'buffer' | 'bytes' | 'typed'

type View = { readonly buffer: ArrayBufferLike; readonly byteOffset: number; readonly byteLength: number }
type ViewClass = { new (buffer: ArrayBufferLike): object; readonly BYTES_PER_ELEMENT: number; readonly prototype: object }

/** The place of a class in this list is part of the wire format: only append. Float16Array exists from Node 24 on. */
export const viewClasses: readonly (ViewClass | undefined)[] = [
  Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array,
  BigInt64Array, BigUint64Array, (globalThis as { Float16Array?: ViewClass }).Float16Array,
]

/** Index of a typed array's class in `viewClasses`, or -1. */
export const viewIndex = (value: object): number => {
  const proto = Object.getPrototypeOf(value) as object
  return viewClasses.findIndex(c => c !== undefined && c.prototype === proto)
}

/** The bytes under a typed array, not copied. */
export const bytesOf = (view: View): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

/** The kind of a non-null object. @throws Refusal when its kind does not travel */
export function kindOf(value: object): Kind {
  const proto: unknown = Object.getPrototypeOf(value)
  if (proto === Object.prototype || proto === null) return 'plain'
  if (proto === Array.prototype && Array.isArray(value)) return 'array'
  return rareKindOf(value, proto)
}

function rareKindOf(value: object, proto: unknown): Kind {
  // The prototype alone may be faked, the brand alone would take subclasses and lose what they add.
  if (proto === Uint8Array.prototype && types.isUint8Array(value)) return 'bytes'
  if (proto === Date.prototype && types.isDate(value)) return 'date'
  if (proto === Map.prototype && types.isMap(value)) return 'map'
  if (proto === Set.prototype && types.isSet(value)) return 'set'
  // Node's own subclass is what files and sockets give; it travels as the bytes it is.
  if (proto === Buffer.prototype && types.isUint8Array(value)) return 'bytes'
  if (proto === ArrayBuffer.prototype && types.isArrayBuffer(value)) return 'buffer'
  if (ArrayBuffer.isView(value) && viewIndex(value) >= 0) return 'typed'
  throw new Refusal(describe(value))
}

const DATA = 'only data travels: primitives, plain objects, arrays, Map, Set, Date, bytes'

function describe(value: object): string {
  if (types.isNativeError(value)) return `is an error (${value.name}); send its message or throw it`
  if (types.isPromise(value)) return 'is a promise; await it first'
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name
  return `is an instance of ${typeof name === 'string' && name !== '' ? name : 'an unnamed class'}; ${DATA}`
}

/** Why a value cannot travel. Thrown at the bad value; each container it passes on its way out adds its part of the path. */
export class Refusal {
  #reason: string
  #segments: string[] = []
  /** The container one level too deep: met again further out, it proves a cycle. */
  readonly #deepest: object | undefined

  constructor(reason: string, deepest?: object) {
    this.#reason = reason
    this.#deepest = deepest
  }

  static ofType(value: unknown): Refusal {
    return new Refusal(`is a ${typeof value}; ${DATA}`)
  }
  static tooDeep(container: object): Refusal {
    return new Refusal(`is nested deeper than ${MAX_DEPTH} levels`, container)
  }
  /** What to throw on from `container`, whose member `segment` raised `raised`. */
  static from(raised: unknown, container: object, segment: string): unknown {
    if (!(raised instanceof Refusal)) return raised
    raised.#segments.push(segment)
    if (container === raised.#deepest) {
      raised.#segments = []
      raised.#reason = 'contains itself (a cycle); send an id in its place'
    }
    return raised
  }
  /** The error for the caller: `what`, the path, the reason. */
  static toError(raised: unknown, what: string, code: ErrorCode): unknown {
    if (!(raised instanceof Refusal)) return raised
    const path = raised.#segments.reverse()
    const shown = path.length <= 12 ? path.join('') : `${path.slice(0, 6).join('')}…${path.slice(-6).join('')}`
    return new TroupeError(code, `${what}${shown} ${raised.#reason}`)
  }
}

/** A property as it is written in code: `.name` or `["odd name"]`, cut to a length fit for a message. */
export const property = (key: string): string =>
  /^[\p{ID_Start}_$][\p{ID_Continue}$]{0,60}$/u.test(key) ? `.${key}` : `[${JSON.stringify(key.slice(0, 60))}]`
