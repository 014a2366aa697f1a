import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TroupeError } from '../../../core/errors.ts'
import { failureOf } from '../../../gateway/error-body.ts'
import { errorChunk, FrameReader, itemChunk } from '../../../gateway/stream-frames.ts'

test('frames come out as they went in, however they are cut', () => {
  fc.assert(fc.property(fc.array(fc.jsonValue(), { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (items, sizes) => {
    const bytes = Buffer.concat(items.map(item => itemChunk(item, true) as Buffer))
    const reader = new FrameReader(1e6)
    const got: unknown[] = []
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = sizes[i % sizes.length]!
      got.push(...reader.read(bytes.subarray(at, at + size)).map(part => 'item' in part ? part.item : 'error'))
      at += size
    }
    expect(got).toEqual(items)
    expect(reader.whole).toBe(true)
  }))
})

test('an error is a frame of its own; a cut stream is not whole', () => {
  const reader = new FrameReader(1e6)
  const bytes = errorChunk(failureOf(new TroupeError('FENCED', 'moved')), true) as Buffer
  expect(reader.read(bytes)).toEqual([{ error: expect.objectContaining({ code: 'FENCED', message: 'moved', status: 503 }) as unknown }])
  expect(reader.read(bytes.subarray(0, 7))).toEqual([])
  expect(reader.whole).toBe(false)
})

test('unknown kinds and frames over the limit are refused before they are collected', () => {
  expect(() => new FrameReader(1e6).read(Buffer.from([9, 0, 0, 0, 0]))).toThrow(expect.objectContaining({ code: 'PROTOCOL' }))
  expect(() => new FrameReader(10).read(Buffer.from([0, 0, 0, 0, 11]))).toThrow(expect.objectContaining({ code: 'RESULT_TOO_LARGE' }))
  expect(() => new FrameReader(10).read(Buffer.from([0, 0, 0, 0, 1, 0xc1]))).toThrow(expect.objectContaining({ code: 'PROTOCOL' }))
})
