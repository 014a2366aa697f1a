// Parts of JSON text, cut out as they were written, against what JSON.parse makes of the whole.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compactJson, elementTexts, memberText } from '../../gateway/json-source.ts'

/** White space that JSON allows between tokens. */
const gap = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 2 })
const literal = fc.oneof(
  fc.constantFrom('1.0', '-0', '12345678901234567890', '1e400', '0.10', '1E+5', 'true', 'false', 'null', '"\\u0041\\/\\n"', '"\\\\"', '"\\""', '"[{,:}] "', '""'),
  fc.string().map(text => JSON.stringify(text)), fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => JSON.stringify(value)),
)
const nameText = fc.oneof(fc.constantFrom('"data"', '"d\\u0061ta"', '"__proto__"', '"a"', '""', '"\\""', '"data "'), fc.string({ maxLength: 4 }).map(text => JSON.stringify(text)))

/** JSON text with white space anywhere, and the same without any. */
interface Written { readonly spaced: string; readonly compact: string }

const written = fc.letrec<{ value: Written; list: Written; object: Written; leaf: Written }>(tie => ({
  leaf: literal.map(text => ({ spaced: text, compact: text })),
  value: fc.oneof({ maxDepth: 4, withCrossShrink: true }, tie('leaf'), tie('list'), tie('object')),
  list: fc.tuple(gap, fc.array(fc.tuple(gap, tie('value'), gap), { maxLength: 4 })).map(([empty, parts]) => ({
    spaced: `[${parts.length === 0 ? empty : parts.map(([before, part, after]) => before + part.spaced + after).join(',')}]`,
    compact: `[${parts.map(([, part]) => part.compact).join(',')}]`,
  })),
  object: fc.tuple(gap, fc.array(fc.tuple(gap, nameText, gap, gap, tie('value'), gap), { maxLength: 4 })).map(([empty, parts]) => ({
    spaced: `{${parts.length === 0 ? empty : parts.map(([a, name, b, c, part, d]) => `${a}${name}${b}:${c}${part.spaced}${d}`).join(',')}}`,
    compact: `{${parts.map(([, name, , , part]) => `${name}:${part.compact}`).join(',')}}`,
  })),
}))
const framed = (inner: fc.Arbitrary<Written>): fc.Arbitrary<Written> =>
  fc.tuple(gap, inner, gap).map(([before, { spaced, compact }, after]) => ({ spaced: before + spaced + after, compact }))

test('compact text is the same text without white space between tokens', () => {
  fc.assert(fc.property(framed(written.value), ({ spaced, compact }) => {
    expect(compactJson(spaced)).toBe(compact)
    expect(compactJson(compact)).toBe(compact)
    expect(JSON.parse(compactJson(spaced))).toEqual(JSON.parse(spaced))
  }))
})

test('a member is what JSON.parse finds under its name, as it was written', () => {
  fc.assert(fc.property(framed(written.object), fc.constantFrom('data', 'a', '', '"', '__proto__', 'data ', 'absent'), ({ spaced, compact }, name) => {
    const found = memberText(spaced, name)
    const parsed = JSON.parse(spaced) as Record<string, unknown>
    expect(found !== undefined).toBe(Object.hasOwn(parsed, name))
    if (found === undefined) return
    expect(JSON.parse(found)).toEqual(parsed[name])
    expect(spaced).toContain(found)
    expect(memberText(compact, name)).toBe(compactJson(found))
  }))
})

test('elements are those of the array, in order, as they were written', () => {
  fc.assert(fc.property(framed(written.list), ({ spaced, compact }) => {
    const found = elementTexts(spaced)
    expect(found.map(text => JSON.parse(text) as unknown)).toEqual(JSON.parse(spaced))
    expect(`[${found.map(compactJson).join(',')}]`).toBe(compact)
  }))
})

test('text of another kind has no members and no elements', () => {
  for (const json of ['[{"data":1}]', '"{}"', '1', 'null', '{}', ' { } ']) expect(memberText(json, 'data')).toBeUndefined()
  for (const json of ['{"a":[1]}', '"[1]"', '1', '[]', ' [ ] ']) expect(elementTexts(json)).toEqual([])
})

test('text that is no JSON has an end', () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', ' ', '1', 'a') }), text => {
    elementTexts(text)
    compactJson(text)
    try {
      memberText(text, 'a')
    } catch (error) {
      expect(error).toBeInstanceOf(SyntaxError)
    }
  }))
})

test('four megabytes take no longer than reading them', () => {
  const text = `{"x":"${'\\\\'.repeat(500_000)}","data":[${'"\\"", '.repeat(400_000)}1]}`
  const begun = performance.now()
  expect(compactJson(memberText(text, 'data')!).length).toBe(5 * 400_000 + 3)
  expect(performance.now() - begun).toBeLessThan(2000)
})
