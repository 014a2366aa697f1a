// Frames come back as they were, whichever way they are read; what is no frame is refused.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeWire, encode } from '../../../core/codec.ts'
import { TroupeError } from '../../../core/errors.ts'
import { FrameReader } from '../../../runtime/transport/frame-reader.ts'
import { FRAME_HEADER, FrameWriter } from '../../../runtime/transport/frame-writer.ts'
import { decodeFrame } from '../../../runtime/transport/frame.ts'
import type { Message } from '../../../runtime/transport/transport.ts'

const part = fc.oneof(fc.integer(), fc.double(), fc.boolean(), fc.constantFrom(null, undefined, -0, 127, 128, 65535, 65536, 2 ** 32, 5n, '\ufeffx', '\ud800'),
  fc.string({ maxLength: 60 }), fc.string({ unit: 'grapheme', maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 20 }), fc.uint8Array({ maxLength: 100 }),
  fc.constantFrom('Counter', 'increment', 'id-123', 'x'.repeat(31), 'x'.repeat(32), 'x'.repeat(48), 'x'.repeat(49), 'ü'.repeat(16)),
  fc.dictionary(fc.string(), fc.integer(), { noNullPrototype: true }))
const few = { maxLength: 3 }
const message = fc.array(fc.oneof({ arbitrary: part, weight: 4 }, fc.array(part, few), fc.array(fc.array(fc.array(fc.array(part, few), few), few), few)),
  { minLength: 1, maxLength: 8 })

const write = (messages: readonly Message[], version = 3): Buffer => {
  const frame = new FrameWriter(Buffer.allocUnsafeSlow(20))
  const sizes = messages.map(one => frame.append(one, 1 << 20))
  expect(frame.byteLength).toBe(FRAME_HEADER + sizes.reduce((a, b) => a + b, 0))
  return frame.finish(version)
}
const read = (bytes: Uint8Array) => decodeFrame(bytes, 'a frame of host y', new FrameReader())

describe('frames', () => {
  test('come back, and the quick reader agrees with the codec', () => {
    const reader = new FrameReader()
    fc.assert(fc.property(fc.nat(), fc.array(message, { maxLength: 6 }), (version, messages) => {
      const bytes = write(messages, version)
      if (!isDeepStrictEqual(decodeFrame(bytes, 'x', reader), { tableVersion: version, messages })) expect.fail('the frame changed')
      if (!isDeepStrictEqual(decodeWire(bytes, 'x', 2), [version, messages])) expect.fail('the codec reads it otherwise')
    }), { numRuns: 250 })
  })
  test('simple messages do take the quick way', () => {
    const messages = [[1, 5, 'Counter', 'id', 'increment', [1, null, true], 30_000], [2, 7, Uint8Array.from([1]), 1.5, -3, 'ü'.repeat(100)]]
    expect(new FrameReader().read(write(messages))).toStrictEqual([3, messages])
  })
  test('of damaged or random bytes the quick reader accepts nothing that the codec reads otherwise', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
    const reader = new FrameReader()
    const compare = (bytes: Uint8Array): void => {
      const quick = reader.read(bytes)
      if (quick !== undefined && !isDeepStrictEqual(quick, decodeWire(bytes, 'x', 2))) expect.fail('two readings')
    }
    fc.assert(fc.property(fc.array(message, { maxLength: 3 }), damage, fc.nat(), (messages, changes, cut) => {
      const bytes = write(messages)
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte
      compare(bytes)
      compare(bytes.subarray(0, cut % bytes.length))
    }), { numRuns: 500 })
    const token = fc.constantFrom(0, 1, 0x7f, 0x80, 0x90, 0x91, 0x93, 0xa0, 0xa2, 0xc0, 0xc2, 0xc3, 0xc6, 0xcb, 0xcd, 0xce, 0xd4, 0xd9, 0xdb, 0xdc, 0xdd, 0xe0, 0xef)
    fc.assert(fc.property(fc.array(token, { maxLength: 30 }), tokens => compare(Uint8Array.from(tokens))), { numRuns: 10_000 })
  })
  test('text seen before is the same text, and never another', () => {
    const reader = new FrameReader()
    for (let i = 0; i < 20_000; i++) {
      const text = `id-${i % 5000}`
      expect(((reader.read(write([[text]])) as [number, string[][]])[1])[0]![0]).toBe(text)
    }
  })
  test('payload bytes are copies', () => {
    const bytes = write([[1, Uint8Array.from([1, 2, 3])]])
    const { messages } = read(bytes)
    bytes.fill(0)
    expect(messages[0]![1]).toStrictEqual(Uint8Array.from([1, 2, 3]))
  })
  test('200 levels in a message fit', () => {
    let deep: unknown[] = [1]
    for (let i = 1; i < 200; i++) deep = [deep]
    expect(read(write([deep])).messages[0]).toStrictEqual(deep)
  })
  test('a message that cannot be sent leaves the frame as it was', () => {
    const frame = new FrameWriter(Buffer.allocUnsafeSlow(100))
    frame.append([1, 'first'], 1000)
    expect(() => frame.append([1, [() => 1]], 1000)).toThrow(/message\[1\]\[0\] is a function/)
    for (const large of [[1, 'x'.repeat(1000)], [1, new Uint8Array(1 << 30)], [1, 'ü'.repeat(500)], [1, { text: 'x'.repeat(1000) }], Array<number>(1001).fill(1), [1, 'x'.repeat(990), 1]]) {
      expect(() => frame.append(large, 995)).toThrow(expect.objectContaining({ code: 'PAYLOAD_TOO_LARGE' }))
    }
    expect(frame.append([1, 'x'.repeat(988)], 995)).toBe(995)
    frame.drop(995)
    frame.append([2, 'last'], 1000)
    expect(frame.count).toBe(2)
    expect(read(frame.finish(1)).messages).toStrictEqual([[1, 'first'], [2, 'last']])
  })
  test('what is no frame is refused', () => {
    for (const value of [null, 1, {}, [], [1], [1, [], 2], ['1', []], [-1, []], [1.5, []], [1, {}], [1, [1]], [1, [[]]], [1, [{}]]]) {
      expect(() => read(encode(value, 'x'))).toThrow(TroupeError)
    }
    fc.assert(fc.property(fc.uint8Array(), bytes => {
      try {
        read(bytes)
      } catch (error) {
        expect(TroupeError.is(error, 'PROTOCOL')).toBe(true)
      }
    }), { numRuns: 3000 })
  })
})
