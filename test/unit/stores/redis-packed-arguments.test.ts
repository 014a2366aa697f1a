import { unpack } from 'msgpackr'
import { expect, test } from 'vitest'
import { PackedArguments } from '../../../stores/redis/packed-arguments.ts'

const lengths = [0, 1, 10, 11, 31, 32, 255, 256, 21_845, 21_846, 65_535, 65_536, 300_000]

test('texts and bytes of all lengths are an array of strings', () => {
  const packed = new PackedArguments()
  const expected: string[] = []
  for (const letter of ['a', 'é', '€', '🎭']) {
    for (const length of lengths) {
      const value = letter.repeat(length)
      packed.text(value)
      packed.bytes(Buffer.from(value))
      expected.push(value, value)
    }
  }
  expect(unpack(packed.take())).toEqual(expected)
})

test('nothing is an empty array', () => {
  expect(unpack(new PackedArguments().take())).toEqual([])
})
