/**
 * Results as JSON, for callers that do not read codec bytes. What JSON cannot say has one documented form
 * (docs/decisions/010-json-values.md): Map → object when all its keys are strings, else an array of entries · Set → array ·
 * Date → ISO string, null when invalid · bytes → base64 · other typed arrays → arrays of numbers · bigint → number when
 * safe, else a string of digits · NaN and infinities → null · undefined → left out of objects, null elsewhere.
 *
 * Values that are JSON already are neither copied nor walked twice: only what holds something else is rebuilt.
 */
import { TroupeError } from '../core/errors.ts'

const MAX_DEPTH = 200

/** JSON text of `value`; `null` for undefined. @throws RESULT_NOT_ENCODABLE for functions, symbols and nesting beyond 200 levels */
export function jsonText(value: unknown): string {
  switch (typeof value) {
    case 'number': return Number.isFinite(value) ? String(value) : 'null'
    case 'boolean': return value ? 'true' : 'false'
    case 'undefined': return 'null'
    default: return value === null ? 'null' : JSON.stringify(plain(value, 0)) ?? 'null'
  }
}

function plain(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'bigint': return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
    case 'object': break
    case 'function':
    case 'symbol': throw new TroupeError('RESULT_NOT_ENCODABLE', `the result holds a ${typeof value}; return values only`)
    default: return value
  }
  if (value === null) return null
  if (depth >= MAX_DEPTH) throw new TroupeError('RESULT_NOT_ENCODABLE', `the result is nested deeper than ${MAX_DEPTH} levels`)
  if (Array.isArray(value)) return plainArray(value, depth + 1)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (value instanceof Map) return plainMap(value, depth + 1)
  if (value instanceof Set) return plainArray([...value], depth + 1)
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return plainBytes(value)
  return plainObject(value as Record<string, unknown>, depth + 1)
}

function plainArray(items: readonly unknown[], depth: number): readonly unknown[] {
  let out: unknown[] | undefined
  for (let i = 0; i < items.length; i++) {
    const item = plain(items[i], depth)
    if (item !== items[i]) (out ??= [...items])[i] = item
  }
  return out ?? items
}

function plainObject(object: Record<string, unknown>, depth: number): Record<string, unknown> {
  let out: Record<string, unknown> | undefined
  for (const key of Object.keys(object)) {
    const member = plain(object[key], depth)
    // Without a prototype a key `__proto__` is a key like any other.
    if (member !== object[key]) (out ??= Object.assign(Object.create(null) as Record<string, unknown>, object))[key] = member
  }
  return out ?? object
}

function plainMap(map: ReadonlyMap<unknown, unknown>, depth: number): unknown {
  if (![...map.keys()].every(key => typeof key === 'string')) return plainArray([...map], depth)
  const out = Object.create(null) as Record<string, unknown>
  for (const [key, member] of map) out[key as string] = plain(member, depth)
  return out
}

function plainBytes(bytes: ArrayBufferView | ArrayBuffer): unknown {
  if (bytes instanceof ArrayBuffer) return Buffer.from(bytes).toString('base64')
  if (bytes instanceof Uint8Array || bytes instanceof Uint8ClampedArray || bytes instanceof DataView) {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  }
  return plainArray([...bytes as unknown as Iterable<unknown>], 0)
}
