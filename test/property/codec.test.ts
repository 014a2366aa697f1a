// Any value that travels comes back as it was, by bytes and by copy; any other bytes end in the typed error, soon.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { copy, decode, encode } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'

const leaf = (): fc.Arbitrary<unknown> => fc.oneof(
  fc.constantFrom(undefined, null, true, false, NaN, -0, 0, Infinity, -Infinity, '', '\ufeffmark', '\ud800', 'a\udc00b'),
  fc.integer(), fc.double(), fc.maxSafeInteger(),
  fc.bigInt(), fc.bigInt({ min: -(2n ** 600n), max: 2n ** 600n }), fc.constantFrom(2n ** 63n, -(2n ** 63n), 2n ** 64n, -(2n ** 63n) - 1n),
  fc.string(), fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ unit: 'grapheme', minLength: 30, maxLength: 70 }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map(c => String.fromCharCode(c)), maxLength: 80 }),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array({ maxLength: 200 }), fc.float32Array(), fc.float64Array(), fc.int16Array(), fc.uint32Array(), fc.bigInt64Array(), fc.uint8ClampedArray(),
  fc.uint8Array().map(bytes => bytes.slice().buffer),
)
const key = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'toString', 'toJSON', 'hasOwnProperty', '0', '10', '\ud800', '\ufeff'),
  fc.string({ minLength: 20, maxLength: 40 }))
const plain = (entries: readonly [string, unknown][]): object => {
  const out = {}
  for (const [k, value] of entries) Object.defineProperty(out, k, { value, enumerable: true, writable: true, configurable: true })
  return out
}
const few = { maxLength: 6 }
const anyValue = fc.letrec(tie => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf(),
    fc.array(tie('value'), few),
    fc.array(fc.tuple(key, tie('value')), few).map(plain),
    fc.array(fc.tuple(tie('value'), tie('value')), few).map(entries => new Map(entries)),
    fc.array(tie('value'), few).map(items => new Set(items))),
})).value

/** Exactly equal: kinds, order of keys and entries, NaN, -0, prototypes. */
function same(a: unknown, b: unknown): void {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) {
    if (!Object.is(a, b)) expect.fail(`${String(a)} is not ${String(b)}`)
    return
  }
  if (Object.getPrototypeOf(b) !== Object.getPrototypeOf(a)) expect.fail('another kind of object')
  if (a instanceof Date) return same(a.getTime(), (b as Date).getTime())
  if (a instanceof ArrayBuffer) return same(new Uint8Array(a), new Uint8Array(b as ArrayBuffer))
  if (ArrayBuffer.isView(a)) {
    const [x, y] = [a, b as typeof a].map(v => Buffer.from(v.buffer, v.byteOffset, v.byteLength))
    return expect(x!.equals(y!)).toBe(true)
  }
  const flatten = (value: object): unknown[] => value instanceof Map ? [...value].flat() : value instanceof Set ? [...value]
    : Array.isArray(value) ? value : Object.keys(value).flatMap(k => [k, Object.getOwnPropertyDescriptor(value, k)!.value])
  const [left, right] = [flatten(a), flatten(b)]
  if (right.length !== left.length) expect.fail(`${left.length} became ${right.length}`)
  left.forEach((item, i) => same(item, right[i]))
}

const decodesOrRefuses = (bytes: Uint8Array): void => {
  try {
    // What decodes must be a value that travels.
    encode(decode(bytes, 'bytes'), 'again')
  } catch (error) {
    if (!TroupeError.is(error, 'PROTOCOL')) throw error
  }
}

describe('codec', () => {
  test('encode, decode and copy keep every value', () => {
    fc.assert(fc.property(anyValue, value => {
      const bytes = encode(value, 'value')
      const back = decode(bytes, 'value')
      same(value, back)
      same(value, copy(value, 'value'))
      expect(Buffer.compare(encode(back, 'value'), bytes)).toBe(0)
    }), { numRuns: 1500 })
  })

  test('the same bytes as a Buffer inside a larger one decode alike and are not aliased', () => {
    fc.assert(fc.property(anyValue, value => {
      const bytes = encode(value, 'value')
      const around = Buffer.alloc(bytes.length + 20, 0x78)
      around.set(bytes, 7)
      const back = decode(around.subarray(7, 7 + bytes.length), 'value')
      around.fill(0xee)
      same(value, back)
    }), { numRuns: 400 })
  })

  test('random bytes never do anything but decode or be refused', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), decodesOrRefuses), { numRuns: 20_000 })
  })

  test('random tokens never do anything but decode or be refused', () => {
    const token = fc.constantFrom(0x80, 0x81, 0x90, 0x92, 0xa1, 0xbf, 0xc1, 0xc4, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc,
      0xdd, 0xde, 0xdf, 0, 1, 2, 4, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x20, 0x2a, 0x42, 0x62, 0x65, 0x69, 0x70, 0x72, 0x73, 0x74, 0x78, 0xff, 0xe2, 0xef)
    fc.assert(fc.property(fc.array(token, { maxLength: 60 }), tokens => decodesOrRefuses(Uint8Array.from(tokens))), { numRuns: 30_000 })
  })

  test('damaged values never do anything but decode or be refused', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
    fc.assert(fc.property(anyValue, damage, fc.nat(), (value, changes, cut) => {
      const bytes = encode(value, 'value')
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte
      decodesOrRefuses(bytes)
      decodesOrRefuses(bytes.subarray(0, cut % bytes.length))
    }), { numRuns: 2500 })
  })
})
