// Frames come back as they were; the bound of a message's size holds; what is no frame is refused.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encode } from '../../../core/codec.ts'
import { TroupeError } from '../../../core/errors.ts'
import { admitOdd, decodeFrame, encodeFrame, sizeBound } from '../../../runtime/transport/frame.ts'

const part = fc.oneof(fc.integer(), fc.double().filter(n => !Object.is(n, -0)), fc.boolean(), fc.constant(null), fc.constant(undefined),
  fc.string({ unit: 'grapheme', maxLength: 2000 }), fc.uint8Array({ maxLength: 300 }))
const message = fc.array(fc.oneof(part, fc.array(part), fc.array(fc.array(part))), { minLength: 1 })

describe('frames', () => {
  test('come back, and no message is larger than its bound', () => {
    fc.assert(fc.property(fc.nat(), fc.array(message, { maxLength: 20 }), (version, messages) => {
      expect(decodeFrame(encodeFrame(version, messages), 'x')).toStrictEqual({ tableVersion: version, messages })
      for (const one of messages) {
        const bound = sizeBound(one)
        // -1 asks for the exact measure: text with a byte order mark at its start.
        if (bound >= 0) expect(encode(one, 'x').length).toBeLessThanOrEqual(bound)
      }
    }), { numRuns: 300 })
  })
  test('what needs a closer look gets it', () => {
    for (const odd of [[-0], [1n], ['\ud800'], ['\ufeff'], [{}], [new Map()], [[[[[1]]]]], [new Date(1)]]) {
      expect(sizeBound(odd)).toBe(-1)
      const admitted = admitOdd(odd)
      expect(decodeFrame(encodeFrame(1, [admitted.message]), 'x').messages[0]).toStrictEqual(odd)
      expect(admitted.bytes).toBe(encode(odd, 'x').length)
    }
    expect(() => admitOdd([1, [() => 1]])).toThrow(/message\[1\]\[0\] is a function/)
  })
  test('200 levels in a message fit', () => {
    let deep: unknown[] = [1]
    for (let i = 1; i < 200; i++) deep = [deep]
    expect(decodeFrame(encodeFrame(1, [admitOdd(deep).message]), 'x').messages[0]).toStrictEqual(deep)
  })
  test('what is no frame is refused', () => {
    for (const value of [null, 1, {}, [], [1], [1, [], 2], ['1', []], [-1, []], [1.5, []], [1, {}], [1, [1]], [1, [[]]], [1, [{}]]]) {
      expect(() => decodeFrame(encode(value, 'x'), 'a frame of host y')).toThrow(TroupeError)
    }
    fc.assert(fc.property(fc.uint8Array(), bytes => {
      try {
        decodeFrame(bytes, 'x')
      } catch (error) {
        expect(TroupeError.is(error, 'PROTOCOL')).toBe(true)
      }
    }), { numRuns: 3000 })
  })
})
