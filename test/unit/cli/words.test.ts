// What people type: TYPE/ID and arguments.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readActorKey, readArgument } from '../../../cli/words.ts'

describe('an actor', () => {
  it('is split at the first slash', () => {
    expect(readActorKey('Account/alice')).toEqual({ type: 'Account', id: 'alice' })
    expect(readActorKey('Room/cats and dogs')).toEqual({ type: 'Room', id: 'cats and dogs' })
    expect(readActorKey('A/A||B')).toEqual({ type: 'A', id: 'A||B' })
  })

  it.each(['', 'Account', '/x', 'Account/', 'Account/a/b', 'Account/..', `A/${'x'.repeat(1025)}`])('%s is refused', text => {
    expect(() => readActorKey(text)).toThrow(/TYPE\/ID/)
  })
})

describe('an argument', () => {
  it('that is JSON comes back as its value', () => {
    fc.assert(fc.property(fc.jsonValue(), value => { expect(readArgument(JSON.stringify(value))).toEqual(JSON.parse(JSON.stringify(value))) }))
  })

  it.each(['alice', "'5'", '05', '', 'NaN', 'undefined'])('%s that is none is a string', word => {
    expect(readArgument(word)).toBe(word)
  })

  it.each(['{a}', '{"a":1', ' [1,', '"', '"a'])('%s that begins like JSON and is none is refused', word => {
    expect(() => readArgument(word)).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(word) as string }))
  })
})
