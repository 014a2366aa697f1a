// Which stream of a pair survives, decided alone at each end; and what is no hello.
import { describe, expect, test } from 'vitest'
import { encode } from '../../../core/codec.ts'
import { TroupeError } from '../../../core/errors.ts'
import { decodeAnswer, decodeDialHello, encodeDialHello, encodeHello, encodeRefused, judge, type DialHello, type OpenLink } from '../../../runtime/transport/hello.ts'

const hello = (over: Partial<DialHello> = {}): DialHello => ({ hostId: 'b', incarnation: 'b1', maxFrameBytes: 100, expected: 'a', dial: 3, lostDial: 0, ...over })
const open = (over: Partial<OpenLink> = {}): OpenLink => ({ incarnation: 'b1', dial: 2, dialledByPeer: true, ...over })

describe('judge', () => {
  const table: [string, boolean, OpenLink | undefined, DialHello, string, string][] = [
    ['no link', false, undefined, hello(), 'b', 'accept'],
    ['both dial, own id is lower', true, undefined, hello(), 'a', 'superseded'],
    ['both dial, own id is higher', true, undefined, hello(), 'c', 'accept'],
    ['a new process of the peer', false, open({ incarnation: 'b0', dial: 99 }), hello(), 'a', 'accept'],
    ['a later dial of the peer that made the link', false, open(), hello(), 'a', 'accept'],
    ['an earlier dial of the peer, late', false, open({ dial: 4 }), hello(), 'a', 'superseded'],
    ['our link, of which the peer did not know', false, open({ dialledByPeer: false }), hello(), 'a', 'superseded'],
    ['our link, which the peer has lost', false, open({ dialledByPeer: false }), hello({ lostDial: 2 }), 'a', 'accept'],
    ['our link, the peer lost an earlier one', false, open({ dialledByPeer: false }), hello({ lostDial: 1 }), 'a', 'superseded'],
  ]
  for (const [name, dialling, link, said, ownId, expected] of table) {
    test(name, () => expect(judge(ownId, dialling, link, said)).toBe(expected))
  }
  test('of two dials at once exactly one is taken, for any two ids', () => {
    for (const [x, y] of [['a', 'b'], ['a', 'aa'], ['Z', 'a'], ['é', 'e'], ['10', '9']] as const) {
      const verdicts = [judge(x, true, undefined, hello({ hostId: y })), judge(y, true, undefined, hello({ hostId: x }))]
      expect(verdicts.sort()).toEqual(['accept', 'superseded'])
    }
  })
})

test('hellos and refusals come back', () => {
  expect(decodeDialHello(encodeDialHello(hello()), 'x')).toEqual(hello())
  expect(decodeAnswer(encodeHello({ hostId: 'a', incarnation: 'i', maxFrameBytes: 5 }), 'x')).toEqual({ hostId: 'a', incarnation: 'i', maxFrameBytes: 5 })
  expect(decodeAnswer(encodeRefused({ refused: 'identity', reason: 'r' }), 'x')).toEqual({ refused: 'identity', reason: 'r' })
})

test('what is no hello is refused', () => {
  const good = ['troupe', 1, 'b', 'i', 5, 'a', 1, 0]
  const bad: unknown[] = [null, {}, [], ['troupe'], ['other', ...good.slice(1)], good.slice(0, 7),
    ...good.map((_, i) => good.map((part, j) => i === j && i > 1 ? -1 : part)).slice(2), good.map((part, i) => i === 2 ? '' : part)]
  for (const value of bad) expect(() => decodeDialHello(encode(value, 'x'), 'the stream from y')).toThrow(TroupeError)
  for (const value of [[], ['troupe', 1], ['troupe', 1, 'nonsense', 'r'], ['troupe', 1, 'a', 'i', 'x']]) {
    expect(() => decodeAnswer(encode(value, 'x'), 'host y')).toThrow(TroupeError)
  }
  expect(() => decodeDialHello(encode(['troupe', 2, 'b'], 'x'), 'the stream from y')).toThrow(/version 2 of the peer protocol, this host version 1/)
})
