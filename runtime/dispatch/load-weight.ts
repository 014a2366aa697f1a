/** What the arguments of a call take in memory, as far as a short look can tell. Pure. */

/** Values that are looked at in one call. */
const MOST_LOOKS = 64
const BYTES_A_PART = 8

/** Bytes: never more than they take, never more than a glance. Numbers and the like count nothing: each call has its own, fixed price. */
export function weightOf(args: readonly unknown[]): number {
  let bytes = 0
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    if (typeof arg === 'string') bytes += arg.length
    else if (typeof arg === 'object' && arg !== null) bytes += glance(arg)
  }
  return bytes
}

function glance(root: object): number {
  const open: object[] = [root]
  let looks = 0
  let bytes = 0
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
      bytes += value.byteLength
      continue
    }
    if (Array.isArray(value)) bytes += value.length * BYTES_A_PART
    else if (value instanceof Map || value instanceof Set) bytes += value.size * BYTES_A_PART
    for (const part of partsOf(value)) {
      if (++looks > MOST_LOOKS) break
      if (typeof part === 'string') bytes += part.length
      else if (typeof part === 'object' && part !== null) open.push(part)
    }
  }
  return bytes
}

function* partsOf(value: object): Iterable<unknown> {
  if (value instanceof Map) for (const entry of value) yield* entry
  else if (Array.isArray(value) || value instanceof Set) yield* value as Iterable<unknown>
  else for (const key in value) yield (value as Record<string, unknown>)[key]
}
