// What must not travel is refused with the path to it; foreign bytes build nothing and cost nothing.
import { randomBytes } from 'node:crypto'
import { Packr } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import { copy, decode, encode, isPrimitive } from '../../../core/codec.ts'
import { TroupeError, type ErrorCode } from '../../../core/errors.ts'

class Money { cents = 5 }
class Tags extends Array<string> {}
class Index extends Map<string, number> {}

const caught = (run: () => unknown): TroupeError => {
  try {
    run()
  } catch (error) {
    expect(TroupeError.is(error)).toBe(true)
    return error as TroupeError
  }
  return expect.fail('nothing was thrown')
}
const nested = (levels: number): unknown => {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { v: value }
  return value
}
const cycle = (): unknown => {
  const a: Record<string, unknown> = { n: 1 }
  a['b'] = { c: [0, a] }
  return { first: a }
}
const onBoth = (name: string, run: (send: (value: unknown, what: string, code?: ErrorCode) => unknown) => void): void => {
  test(`${name} (encode)`, () => run(encode))
  test(`${name} (copy)`, () => run(copy))
}

describe('what does not travel', () => {
  const table: [string, unknown, string][] = [
    ['a function', [{ items: [1, 2, 3, { callback: () => 1 }] }], 'args[0].items[3].callback is a function'],
    ['a class', [Money], 'args[0] is a function'],
    ['a symbol', [Symbol('x')], 'args[0] is a symbol'],
    ['a class instance', [new Money()], 'args[0] is an instance of Money'],
    ['an array subclass', { tags: new Tags() }, 'args.tags is an instance of Tags'],
    ['a map subclass', { index: new Index() }, 'args.index is an instance of Index'],
    ['an object that inherits', [Object.create({ a: 1 })], 'args[0] is an instance of Object'],
    ['a fake map', [Object.create(Map.prototype)], 'args[0] is an instance of Map'],
    ['a fake date', [Object.create(Date.prototype)], 'args[0] is an instance of Date'],
    ['an error', [new TypeError('x')], 'args[0] is an error (TypeError)'],
    ['a promise', { 'a b': Promise.resolve() }, 'args["a b"] is a promise'],
    ['a weak map', [new WeakMap()], 'args[0] is an instance of WeakMap'],
    ['a weak reference', [new WeakRef({})], 'args[0] is an instance of WeakRef'],
    ['a regular expression', [/x/], 'args[0] is an instance of RegExp'],
    ['a data view', [new DataView(new ArrayBuffer(4))], 'args[0] is an instance of DataView'],
    ['shared memory', [new SharedArrayBuffer(4)], 'args[0] is an instance of SharedArrayBuffer'],
    ['a boxed number', [Object(1)], 'args[0] is an instance of Number'],
    ['a URL', [new URL('http://x')], 'args[0] is an instance of URL'],
    ['a map value', [new Map<string, unknown>([['a', 1], ['b', () => 1]])], 'args[0].values()[1] is a function'],
    ['a map key', [new Map<unknown, unknown>([[[new Money()], 1]])], 'args[0].keys()[0][0] is an instance of Money'],
    ['a set item', [new Set<unknown>([1, { x: Symbol.iterator }])], 'args[0].values()[1].x is a symbol'],
    ['a cycle', cycle(), 'contains itself (a cycle)'],
    ['201 levels', nested(201), 'is nested deeper than 200 levels'],
  ]
  for (const [name, value, message] of table) {
    onBoth(name, send => {
      const error = caught(() => send(value, 'args'))
      expect(error.message).toContain(message)
      expect(error.code).toBe('NOT_ENCODABLE')
      expect(caught(() => send(value, 'args', 'STATE_NOT_STORABLE')).code).toBe('STATE_NOT_STORABLE')
    })
  }
  onBoth('a map in itself', send => {
    const map = new Map<string, unknown>()
    map.set('me', map)
    expect(caught(() => send(map, 'field')).message).toContain('field contains itself')
  })
  onBoth('an error of the value itself passes through', send => {
    const own = new RangeError('from a getter')
    expect(() => send([{ get x() { throw own } }], 'args')).toThrow(own)
  })
  test('a refusal leaves the codec usable', () => {
    caught(() => encode([1, () => 1], 'args'))
    expect(decode(encode([1, 'x'], 'args'), 'args')).toEqual([1, 'x'])
  })
})

describe('what travels in a form of its own', () => {
  onBoth('200 levels', send => { send(nested(200), 'args') })
  test('200 levels come back', () => expect(decode(encode(nested(200), 'x'), 'x')).toEqual(nested(200)))

  test('keys that name prototypes stay own properties', () => {
    const value = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":1}') as object
    for (const back of [decode(encode(value, 'x'), 'x'), copy(value, 'x')] as object[]) {
      expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
      expect(Object.keys(back)).toEqual(['__proto__', 'constructor', 'toString'])
      expect(JSON.stringify(back)).toBe(JSON.stringify(value))
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    }
  })
  test('a null prototype comes back plain, a Buffer as Uint8Array, holes as undefined', () => {
    const value = [Object.assign(Object.create(null) as object, { a: 1 }), Buffer.from('abc'), [1, , 2]] // eslint-disable-line no-sparse-arrays
    for (const back of [decode(encode(value, 'x'), 'x'), copy(value, 'x')] as unknown[][]) {
      expect(Object.getPrototypeOf(back[0])).toBe(Object.prototype)
      expect(Object.getPrototypeOf(back[1])).toBe(Uint8Array.prototype)
      expect(Buffer.from(back[1] as Uint8Array).toString()).toBe('abc')
      expect(back[2]).toStrictEqual([1, undefined, 2])
    }
  })
  test('halves of surrogate pairs and byte order marks are kept', () => {
    for (const text of ['\ud800', 'a\udc00b', '\ufeff' + 'ü'.repeat(100), { ['\udfff']: 1 }]) expect(decode(encode(text, 'x'), 'x')).toStrictEqual(text)
  })
  test('objects with 70,000 keys and arrays with 70,000 items', () => {
    const wide = Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, i]))
    expect(decode(encode(wide, 'x'), 'x')).toEqual(wide)
    const long = Array.from({ length: 70_000 }, (_, i) => i)
    expect(decode(encode(long, 'x'), 'x')).toEqual(long)
  })
  test('typed arrays that are views into larger memory take only their own bytes', () => {
    const large = new Uint8Array(1000).fill(7)
    const back = copy([large.subarray(2, 4), new Uint16Array(large.buffer, 4, 2)], 'x')
    expect(back.map(view => view.buffer.byteLength)).toEqual([2, 4])
    expect(encode(large.subarray(2, 4), 'x').length).toBeLessThan(8)
  })
  test('a toJSON property is data', () => {
    expect(decode(encode({ toJSON: 1, a: 2 }, 'x'), 'x')).toEqual({ toJSON: 1, a: 2 })
  })
  test('an object met twice becomes two copies', () => {
    const shared = { n: 1 }
    const [a, b] = copy([shared, shared], 'x') as [object, object]
    expect(a).not.toBe(b)
    expect(a).not.toBe(shared)
  })
  test('results are memory of their own', () => {
    const first = encode({ balance: 5 }, 'x')
    const before = Uint8Array.from(first)
    for (let i = 0; i < 10_000; i++) encode({ balance: i, pad: 'x'.repeat(i % 50) }, 'x')
    expect(first).toEqual(before)
    expect(first.buffer.byteLength).toBe(first.byteLength)
  })
})

describe('foreign bytes', () => {
  const liveObjects = new Packr({ useRecords: true, moreTypes: true, structuredClone: true })
  const bytes = (...tokens: number[]): Uint8Array => Uint8Array.from(tokens)
  const table: [string, unknown][] = [
    ['nothing', bytes()],
    ['two values', bytes(1, 2)],
    ['a reserved token', bytes(0xc1)],
    ['a regular expression', liveObjects.pack(/x/)],
    ['an error', liveObjects.pack(new Error('x'))],
    ['a set of msgpackr', liveObjects.pack(new Set([1]))],
    ['a record', liveObjects.pack({ a: 1 })],
    ['a bundle of strings', new Packr({ bundleStrings: true }).pack(['hello world', 'hello world'])],
    ['a reference', bytes(0xd6, 0x70, 0, 0, 0, 1)],
    ['a timestamp', bytes(0xd6, 0xff, 0, 0, 0, 1)],
    ['a typed array of msgpackr', bytes(0xc7, 3, 0x74, 0, 1, 2)],
    ['an unknown extension', bytes(0xd4, 0x7f, 0)],
    ['a tag without its payload', bytes(0xd4, 0x10, 0)],
    ['a tag in a tag', bytes(0xd4, 0x11, 0, 0xd4, 0x11, 0, 0x90)],
    ['a map with a key alone', bytes(0xd4, 0x10, 0, 0x91, 1)],
    ['an object with a number for a key', bytes(0xd4, 0x12, 0, 0x92, 1, 1)],
    ['a typed array cut within an item', bytes(0xd4, 0x22, 0, 0xc4, 3, 1, 2, 3)],
    ['UTF-16 of odd length', bytes(0xd4, 0x15, 0, 0xc4, 1, 1)],
    ['a typed array of no class', bytes(0xd4, 0x2b, 0, 0xc4, 0)],
    ['a date of text', bytes(0xd4, 0x13, 0, 0xa1, 0x61)],
    ['an empty bigint', bytes(0xc7, 0, 0x42)],
    ['text that is not UTF-8', bytes(0xa2, 0xc3, 0x28)],
    ['text cut within a character', bytes(0x92, 0xa1, 0xf0, 0x01)],
    ['a bare __proto__ key', bytes(0x81, 0xa9, ...Buffer.from('__proto__'), 0x80)],
    ['a bare __proto__ key, longer form', bytes(0x81, 0xd9, 9, ...Buffer.from('__proto__'), 0x80)],
    ['a map key that is a number', bytes(0x81, 1, 1)],
    ['4 billion items', bytes(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['4 billion entries', bytes(0xdf, 0xff, 0xff, 0xff, 0xff)],
    ['4 GiB of bytes', bytes(0xc6, 0xff, 0xff, 0xff, 0xff)],
    ['4 GiB of text', bytes(0xdb, 0xff, 0xff, 0xff, 0xff)],
    ['a bigint of 4 GiB', bytes(0xc9, 0xff, 0xff, 0xff, 0xff, 0x42)],
    ['100,000 levels of arrays', new Uint8Array(100_000).fill(0x91)],
    ['100,000 levels of tags', Uint8Array.from({ length: 300_000 }, (_, i) => [0xd4, 0x11, 0][i % 3]!)],
    ['201 levels', bytes(...Array<number>(201).fill(0x91), 1)],
    ['no bytes at all', undefined],
    ['text', 'abc'],
  ]
  for (const [name, input] of table) {
    test(name, () => {
      const start = performance.now()
      const error = caught(() => decode(input as Uint8Array, 'frame of h1'))
      expect(error.code).toBe('PROTOCOL')
      expect(error.message).toContain('frame of h1')
      expect(performance.now() - start).toBeLessThan(500)
      expect(caught(() => decode(input as Uint8Array, 'row', 'STATE_UNREADABLE')).code).toBe('STATE_UNREADABLE')
      expect(decode(encode([1], 'x'), 'x')).toEqual([1])
    })
  }
  test('nested declarations do not multiply allocation', () => {
    // Each level claims all that is left.
    const hostile = new Uint8Array(1 << 20)
    for (let i = 0; i + 5 <= 190 * 5; i += 5) hostile.set([0xdd, 0, 0x0f, 0, 0], i)
    const before = process.memoryUsage().rss
    caught(() => decode(hostile, 'x'))
    expect(process.memoryUsage().rss - before).toBeLessThan(200 << 20)
  })
  test('one flipped bit in a large value is found or harmless', () => {
    const value = encode({ rows: Array.from({ length: 500 }, (_, i) => ({ id: `row ${i}`, at: new Date(i), tags: new Set([i]), body: randomBytes(20) })) }, 'x')
    for (let i = 0; i < 2000; i++) {
      const damaged = value.slice()
      damaged[(i * 7919) % damaged.length]! ^= 1 << (i % 8)
      try {
        decode(damaged, 'x')
      } catch (error) {
        expect(TroupeError.is(error, 'PROTOCOL')).toBe(true)
      }
    }
  })
})

test('isPrimitive', () => {
  for (const value of [undefined, null, true, 0, 1n, '', NaN]) expect(isPrimitive(value)).toBe(true)
  for (const value of [{}, [], () => 1, Symbol('x'), new Date(), new Uint8Array()]) expect(isPrimitive(value)).toBe(false)
})
