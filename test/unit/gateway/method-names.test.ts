import { expect, test } from 'vitest'
import { cleanMethod } from '../../../gateway/http-routes.ts'

test.each([
  ['deposit', 'deposit'], ['admin/../legit', 'legit'], ['../../x', 'x'], ['a//b', 'a/b'], ['a/./b/', 'a/b'], ['../a/../../b', 'b'], ['...', '...'],
  ['__proto__', '__proto__'], ['a b', 'a b'], ['/', '/'],
])('%j is %j', (name, clean) => {
  expect(cleanMethod(name)).toBe(clean)
})

test.each(['', '.', '..', '../..', './', 'a/..', 'a#', 'a?b', 'a\u0000', '\n'])('%j is refused', name => {
  expect(() => cleanMethod(name)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
})
