import { expect, test } from 'vitest'
import { jsonText } from '../../../actors/json-values.ts'

const ownProto = JSON.parse('{"__proto__":1}') as unknown

test.each<[string, unknown, string]>([
  ['undefined', undefined, 'null'],
  ['null', null, 'null'],
  ['a number', 1.5, '1.5'],
  ['minus zero', -0, '0'],
  ['NaN', NaN, 'null'],
  ['infinity', -Infinity, 'null'],
  ['1e21', 1e21, '1e+21'],
  ['a string', 'a"\u2028\ud800', '"a\\"\u2028\\ud800"'],
  ['a small bigint', 5n, '5'],
  ['the largest safe bigint', 2n ** 53n - 1n, '9007199254740991'],
  ['a bigint beyond', 2n ** 53n, '"9007199254740992"'],
  ['a negative bigint beyond', -(10n ** 30n), '"-1000000000000000000000000000000"'],
  ['a date', new Date(0), '"1970-01-01T00:00:00.000Z"'],
  ['an invalid date', new Date(NaN), 'null'],
  ['bytes', new Uint8Array([1, 2, 3]), '"AQID"'],
  ['a view into bytes', new Uint8Array([0, 1, 2, 3]).subarray(1), '"AQID"'],
  ['a buffer', new Uint8Array([1, 2, 3]).buffer, '"AQID"'],
  ['floats', new Float64Array([1, NaN]), '[1,null]'],
  ['bigints', new BigInt64Array([1n, 2n ** 60n]), '[1,"1152921504606846976"]'],
  ['a set', new Set([1, new Set(['a'])]), '[1,["a"]]'],
  ['a map of strings', new Map<string, unknown>([['a', 1n], ['__proto__', new Date(NaN)]]), '{"a":1,"__proto__":null}'],
  ['a map of anything', new Map<unknown, unknown>([[1, 'a'], ['b', new Map()]]), '[[1,"a"],["b",{}]]'],
  ['an object', { a: undefined, b: [undefined], c: { d: 1n } }, '{"b":[null],"c":{"d":1}}'],
  ['a hole', [, 1], '[null,1]'],
  ['an own __proto__', ownProto, '{"__proto__":1}'],
  ['an own __proto__ beside something to rebuild', Object.assign(JSON.parse('{"__proto__":{"x":1}}') as object, { b: 1n }), '{"__proto__":{"x":1},"b":1}'],
])('%s', (_what, value, text) => {
  expect(jsonText(value)).toBe(text)
})

test('what is JSON already is not copied, and nothing is changed', () => {
  const value = { list: [1n, { at: new Date(0) }] }
  jsonText(value)
  expect(value).toEqual({ list: [1n, { at: new Date(0) }] })
})

test('functions, symbols and depth are refused', () => {
  let deep: unknown = 1
  for (let i = 0; i < 200; i++) deep = [deep]
  expect(jsonText(deep)).toMatch(/^\[{200}1\]{200}$/)
  for (const value of [() => 1, Symbol('x'), [() => 1], { a: Symbol('x') }, new Map([['a', () => 1]]), new Set([Symbol('x')]), [deep], { toJSON: () => 1 }]) {
    expect(() => jsonText(value)).toThrow(expect.objectContaining({ code: 'RESULT_NOT_ENCODABLE' }))
  }
})
