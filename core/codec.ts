/**
 * Values as bytes, and deep copies: arguments, results and state. The only importer of msgpackr.
 *
 * What travels: undefined, null, booleans, numbers (NaN, -0 and infinities included), bigints of any size, strings (halves
 * of surrogate pairs included), plain objects (own enumerable string keys; null prototypes come back as plain), arrays
 * (holes come back as undefined), Map, Set, Date, Uint8Array (a Buffer comes back as one), other typed arrays and
 * ArrayBuffer, each nested in any other. Functions, symbols, class instances, errors, promises, cycles and nesting beyond
 * 200 levels are refused with the path to them.
 *
 * msgpackr writes and reads all that it carries exactly; the rest is wrapped in `Tagged` before (`wireOf`) and unwrapped
 * by our extensions after. Bytes are checked by `codec-scan.ts` before msgpackr sees them.
 */
import { addExtension, Packr, REUSE_BUFFER_MODE, RESET_BUFFER_MODE } from 'msgpackr'
import { bytesOf, kindOf, MAX_DEPTH, property, Refusal, viewClasses, viewIndex } from './codec-rules.ts'
import { Malformed, Scan, tags } from './codec-scan.ts'
import { ownProto } from './copy.ts'
import { TroupeError, type ErrorCode } from './errors.ts'

export { copy } from './copy.ts'

/** True for values that need neither copy nor encoding: all that JavaScript passes by value. */
export const isPrimitive = (value: unknown): boolean =>
  value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')

/** A value in a form of our own: an extension code and what follows it. */
class Tagged {
  readonly tag: number
  readonly payload: unknown
  constructor(tag: number, payload: unknown) {
    this.tag = tag
    this.payload = payload
  }
}

const packr = new Packr({
  useRecords: false, variableMapSize: true, mapsAsObjects: true, moreTypes: false, structuredClone: false,
  useBigIntExtension: true, useToJSON: false, copyBuffers: true,
})

/**
 * The bytes of a value, in memory of their own.
 * @throws `code` (NOT_ENCODABLE by default), the message naming `what` and the path inside it
 */
export function encode(value: unknown, what: string, code: ErrorCode = 'NOT_ENCODABLE'): Uint8Array {
  const wire = toWire(value, what, code)
  // msgpackr writes into a slab that it shares among results: a short copy is cheaper than a slab kept alive by it.
  const slab = packr.pack(wire, REUSE_BUFFER_MODE | RESET_BUFFER_MODE) as Buffer & { start: number; end: number }
  const length = slab.end - slab.start
  const bytes = new Uint8Array(length)
  if (length > 24) bytes.set(slab.subarray(slab.start, slab.end))
  else for (let i = 0; i < length; i++) bytes[i] = slab[slab.start + i]!
  return bytes
}

/** For the transport: bytes that live in a shared slab, written once and soon gone. `wire` went through `toWire`. */
export const packWire = (wire: unknown): Uint8Array => packr.pack(wire)

/** What msgpackr may be given for `value`: often `value` itself. @throws as `encode` */
export function toWire(value: unknown, what: string, code: ErrorCode = 'NOT_ENCODABLE'): unknown {
  try {
    return wireOf(value, 1)
  } catch (raised) {
    throw Refusal.toError(raised, what, code)
  }
}

/**
 * The value in `bytes`, which may come from anyone: never builds live objects other than the listed ones, never keeps a view into `bytes`.
 * @throws `code` (PROTOCOL by default) when they are not exactly one value
 */
export const decode = (bytes: Uint8Array, what: string, code: ErrorCode = 'PROTOCOL'): unknown => decodeAt(bytes, what, code, MAX_DEPTH)

/** For the transport: `decode` of a value that wraps others in `levels` more levels. */
export const decodeWire = (bytes: Uint8Array, what: string, levels: number): unknown => decodeAt(bytes, what, 'PROTOCOL', MAX_DEPTH + levels)

function decodeAt(bytes: Uint8Array, what: string, code: ErrorCode, maxDepth: number): unknown {
  try {
    const scan = new Scan(bytes, maxDepth).whole()
    // A slice of a Buffer is a Buffer again: through a bare view the copies come out as Uint8Array.
    return packr.unpack(scan.hasBytes ? bytesOf(bytes) : bytes)
  } catch (raised) {
    const reason = raised instanceof Malformed ? `${raised.reason} (at byte ${raised.at})` : raised instanceof Error ? raised.message : String(raised)
    throw new TroupeError(code, `${what}: these ${bytes?.length} bytes are no encoded value: it ${reason}`)
  }
}

const NEGATIVE_ZERO = new Tagged(tags.negativeZero, undefined)

function wireOf(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'number':
      return value === 0 && 1 / value < 0 ? NEGATIVE_ZERO : value
    case 'string':
      return isPlainText(value) ? value : new Tagged(tags.text16, Buffer.from(value, 'utf16le'))
    case 'object':
      return value === null ? null : wireOfObject(value, depth)
    case 'function':
    case 'symbol':
      throw Refusal.ofType(value)
    default:
      return value
  }
}

/** False for text that UTF-8 or its decoder would change: halves of surrogate pairs, a byte order mark at the start. */
const isPlainText = (text: string): boolean => text.isWellFormed() && text.charCodeAt(0) !== 0xfeff

function wireOfObject(value: object, depth: number): unknown {
  if (depth > MAX_DEPTH) throw Refusal.tooDeep(value)
  const kind = kindOf(value)
  switch (kind) {
    case 'plain':
      return wireOfPlain(value as Record<string, unknown>, depth)
    case 'array':
      return wireOfArray(value as unknown[], depth)
    case 'bytes':
      return value
    case 'date':
      return new Tagged(tags.date, (value as Date).getTime())
    case 'map':
      return new Tagged(tags.map, wireOfMap(value as Map<unknown, unknown>, depth))
    case 'set':
      return new Tagged(tags.set, wireOfSet(value as Set<unknown>, depth))
    case 'buffer':
      return new Tagged(tags.buffer, new Uint8Array(value as ArrayBuffer))
    case 'typed':
      return new Tagged(tags.view + viewIndex(value), bytesOf(value as Uint8Array))
  }
}

function wireOfArray(array: readonly unknown[], depth: number): unknown {
  let out: unknown[] | undefined
  let i = 0
  try {
    for (; i < array.length; i++) {
      const item = array[i]
      const wire = wireOf(item, depth + 1)
      if (wire !== item && !Number.isNaN(wire)) {
        out ??= array.slice()
        out[i] = wire
      }
    }
  } catch (raised) {
    throw Refusal.from(raised, array, `[${i}]`)
  }
  return out ?? array
}

function wireOfPlain(source: Readonly<Record<string, unknown>>, depth: number): unknown {
  let out: Record<string, unknown> | undefined
  let oddKey = false
  let key = ''
  try {
    for (key of Object.keys(source)) {
      const item = source[key]
      const wire = wireOf(item, depth + 1)
      if (key === '__proto__' || !isPlainText(key)) oddKey = true
      if (wire !== item && !Number.isNaN(wire)) {
        out ??= { ...source }
        if (key === '__proto__') ownProto(out, wire)
        else out[key] = wire
      }
    }
  } catch (raised) {
    throw Refusal.from(raised, source, property(key))
  }
  const wire = out ?? source
  return oddKey ? new Tagged(tags.object, Object.entries(wire).flatMap(([k, v]) => [wireOf(k, 0), v])) : wire
}

function wireOfMap(map: ReadonlyMap<unknown, unknown>, depth: number): unknown[] {
  const out: unknown[] = []
  let part = 'keys'
  try {
    for (const [key, item] of map) {
      part = 'keys'
      out.push(wireOf(key, depth + 1))
      part = 'values'
      out.push(wireOf(item, depth + 1))
    }
  } catch (raised) {
    throw Refusal.from(raised, map, `.${part}()[${out.length >> 1}]`)
  }
  return out
}

function wireOfSet(set: ReadonlySet<unknown>, depth: number): unknown[] {
  const out: unknown[] = []
  try {
    for (const item of set) out.push(wireOf(item, depth + 1))
  } catch (raised) {
    throw Refusal.from(raised, set, `.values()[${out.length}]`)
  }
  return out
}

// Extensions are global to the process in msgpackr. Ours concern one class of our own and codes that it leaves free, so
// they change nothing for other users of the package.
interface TaggedExtension {
  Class: typeof Tagged
  type: number
  pack(tagged: Tagged, allocate: (size: number) => { target: Uint8Array; position: number }, pack: (value: unknown) => void): void
}
addExtension({
  Class: Tagged,
  type: tags.map,
  pack(tagged, allocate, pack) {
    const { target, position } = allocate(3)
    target[position] = 0xd4
    target[position + 1] = tagged.tag
    target[position + 2] = 0
    if (tagged.tag !== tags.negativeZero) pack(tagged.payload)
  },
} satisfies TaggedExtension as unknown as Parameters<typeof addExtension>[0])

const read = (type: number, build: (payload: never) => unknown): void => addExtension({ type, read: build })

addExtension({ type: tags.negativeZero, unpack: () => -0 })
read(tags.map, (flat: unknown[]) => {
  if (flat.length % 2 !== 0) throw new Error('has a map with a key that lacks a value')
  const map = new Map<unknown, unknown>()
  for (let i = 0; i < flat.length; i += 2) map.set(flat[i], flat[i + 1])
  return map
})
read(tags.set, (items: unknown[]) => new Set(items))
read(tags.object, (flat: unknown[]) => {
  if (flat.length % 2 !== 0) throw new Error('has an object with a key that lacks a value')
  const object: Record<string, unknown> = {}
  for (let i = 0; i < flat.length; i += 2) {
    const key = flat[i]
    if (typeof key !== 'string') throw new Error('has a key that is no text')
    if (key === '__proto__') ownProto(object, flat[i + 1])
    else object[key] = flat[i + 1]
  }
  return object
})
read(tags.date, (ms: number) => new Date(ms))
read(tags.text16, (bytes: Uint8Array) => {
  if (bytes.length % 2 !== 0) throw new Error('has UTF-16 text of odd length')
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf16le')
})
// `copyBuffers` has made the payload a buffer of its own, aligned at 0.
read(tags.buffer, (bytes: Uint8Array) => bytes.buffer)
viewClasses.forEach((View, index) => {
  if (View === undefined) return
  read(tags.view + index, (bytes: Uint8Array) => {
    if (bytes.length % View.BYTES_PER_ELEMENT !== 0) throw new Error('has a typed array cut within an item')
    return new View(bytes.buffer)
  })
})
