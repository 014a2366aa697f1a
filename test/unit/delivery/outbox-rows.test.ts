import { describe, expect, it } from 'vitest'
import { encode } from '../../../core/codec.ts'
import { decodeSend, encodeSend, sendEntry, sendNumber, type Send } from '../../../runtime/delivery/send-row.ts'

const send: Send = { number: 12, typeName: 'Account', id: 'a|b/ü', method: 'deposit', args: [5, new Map([['x', 1n]])], attempts: 10, backoffMs: 100 }

describe('the name of a send', () => {
  it('keeps the order of numbers, up to the largest', () => {
    const numbers = [1, 9, 10, 35, 36, 1_000, 1e9, 2 ** 40, Number.MAX_SAFE_INTEGER]
    const names = numbers.map(sendEntry)
    expect(names.every(name => name.length === 13)).toBe(true)
    expect(names.toSorted()).toEqual(names)
    expect(names.map(sendNumber)).toEqual(numbers)
  })

  it.each(['o:', 'o:1', 'o:0000000000G', 'r:00000000001', 'o:000000000001', 'o:zzzzzzzzzzz'])('is not %s', name => {
    expect(sendNumber(name)).toBeUndefined()
  })
})

describe('the row of a send', () => {
  it('comes back as it was, with its arguments as a list or as bytes, alive or dead', () => {
    for (const args of [send.args, encode([1, 2], 'args')]) {
      for (const more of [{}, { dead: { error: 'X: y', at: 5 } }]) {
        const given = { ...send, args, ...more }
        expect(decodeSend(sendEntry(12), encodeSend(given), 'Account/me')).toEqual(given)
      }
    }
  })

  it.each([
    ['no bytes', new Uint8Array()], ['another value', encode({ a: 1 }, 'x')], ['a part of one', encode(['A', 'b', 'c'], 'x')],
    ['wrong fields', encode(['A', 'b', 'c', 5, 1, 1], 'x')],
  ])('is refused when it is %s', (_, bytes) => {
    expect(() => decodeSend(sendEntry(1), bytes, 'Account/me')).toThrow(expect.objectContaining({ code: 'STATE_UNREADABLE', message: expect.stringContaining('Account/me') as string }) as Error)
  })

  it('is refused under a name that is none', () => {
    expect(() => decodeSend('o:1', encodeSend(send), 'Account/me')).toThrow(expect.objectContaining({ code: 'STATE_UNREADABLE' }) as Error)
  })

  it('cannot hold what cannot travel', () => {
    expect(() => encodeSend({ ...send, args: [() => 1] })).toThrow(expect.objectContaining({ code: 'NOT_ENCODABLE' }) as Error)
  })
})
