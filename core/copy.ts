/**
 * Deep copies by the rules of the codec: what `copy` returns is what `decode(encode(value))` would, without the bytes.
 *
 * It shares nothing mutable with the original. An object met twice becomes two copies, as it does on the wire.
 */
import { bytesOf, kindOf, MAX_DEPTH, property, Refusal, viewClasses, viewIndex } from './codec-rules.ts'
import type { ErrorCode } from './errors.ts'

/**
 * A copy that shares nothing mutable with `value`.
 * @throws `code` (NOT_ENCODABLE by default), the message naming `what` and the path inside it
 */
export function copy<T>(value: T, what: string, code: ErrorCode = 'NOT_ENCODABLE'): T {
  if (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol') return value
  try {
    return copyAt(value, 1) as T
  } catch (raised) {
    throw Refusal.toError(raised, what, code)
  }
}

function copyAt(value: unknown, depth: number): unknown {
  if (typeof value !== 'object') {
    if (typeof value === 'function' || typeof value === 'symbol') throw Refusal.ofType(value)
    return value
  }
  if (value === null) return value
  if (depth > MAX_DEPTH) throw Refusal.tooDeep(value)
  const kind = kindOf(value)
  return kind === 'plain' ? copyPlain(value as Record<string, unknown>, depth)
    : kind === 'array' ? copyArray(value as unknown[], depth)
    : copyRare(kind, value, depth)
}

function copyArray(array: readonly unknown[], depth: number): unknown[] {
  // A slice has exactly the room it needs, and of primitives nothing is left to do.
  const out = array.slice()
  let i = 0
  try {
    for (; i < out.length; i++) {
      const item = out[i]
      if (typeof item !== 'number' && typeof item !== 'string') out[i] = copyAt(item, depth + 1)
    }
  } catch (raised) {
    throw Refusal.from(raised, array, `[${i}]`)
  }
  return out
}

function copyPlain(source: Readonly<Record<string, unknown>>, depth: number): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  let key = ''
  try {
    for (key of Object.keys(source)) {
      const item = source[key]
      const copied = typeof item === 'number' || typeof item === 'string' ? item : copyAt(item, depth + 1)
      if (key === '__proto__') ownProto(out, copied)
      else out[key] = copied
    }
  } catch (raised) {
    throw Refusal.from(raised, source, property(key))
  }
  return out
}

/** An own property of that name: assignment would change the prototype instead. */
export const ownProto = (object: object, value: unknown): void => {
  Object.defineProperty(object, '__proto__', { value, writable: true, enumerable: true, configurable: true })
}

function copyRare(kind: ReturnType<typeof kindOf>, value: object, depth: number): unknown {
  switch (kind) {
    case 'bytes':
      return new Uint8Array(value as Uint8Array)
    case 'date':
      return new Date((value as Date).getTime())
    case 'map':
      return copyMap(value as Map<unknown, unknown>, depth)
    case 'set':
      return copySet(value as Set<unknown>, depth)
    case 'buffer':
      return new Uint8Array(value as ArrayBuffer).slice().buffer
    default:
      return new (viewClasses[viewIndex(value)]!)(bytesOf(value as Uint8Array).slice().buffer)
  }
}

function copyMap(map: ReadonlyMap<unknown, unknown>, depth: number): Map<unknown, unknown> {
  const out = new Map<unknown, unknown>()
  let index = 0
  let part = 'keys'
  try {
    for (const [key, item] of map) {
      part = 'keys'
      const copied = copyAt(key, depth + 1)
      part = 'values'
      out.set(copied, copyAt(item, depth + 1))
      index++
    }
  } catch (raised) {
    throw Refusal.from(raised, map, `.${part}()[${index}]`)
  }
  return out
}

function copySet(set: ReadonlySet<unknown>, depth: number): Set<unknown> {
  const out = new Set<unknown>()
  let index = 0
  try {
    for (const item of set) {
      out.add(copyAt(item, depth + 1))
      index++
    }
  } catch (raised) {
    throw Refusal.from(raised, set, `.values()[${index}]`)
  }
  return out
}
