// Keys as headers bring them: plain or quoted, and what is none.
import { expect, test } from 'vitest'
import { readKey } from '../../../gateway/idempotency-key.ts'

test.each([
  ['abc', 'abc'], ['"abc"', 'abc'], [' abc ', 'abc'], ['a"b', 'a"b'], ['"a\\"b\\\\c"', 'a"b\\c'], ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
  ['~!@#$%^&*()', '~!@#$%^&*()'], ['x'.repeat(255), 'x'.repeat(255)], [`"${'x'.repeat(255)}"`, 'x'.repeat(255)],
])('%s is the key %s', (header, key) => {
  expect(readKey(header)).toBe(key)
})

test('no header is no key', () => {
  expect(readKey(undefined)).toBeUndefined()
})

test.each(['', '  ', '""', '"abc', '"a"b"', '"a\\b"', '"', 'a b', '"a b"', 'a\tb', 'ключ', 'é', 'a, b', 'x'.repeat(256), `"${'x'.repeat(256)}"`])('%j is refused', header => {
  expect(() => readKey(header)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST', executed: 'no', message: expect.stringContaining('idempotency-key') as string }))
})
