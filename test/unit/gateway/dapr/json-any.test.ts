import { expect, test } from 'vitest'
import { dataText, jsonAny } from '../../../../gateway/dapr/json-any.ts'

// What an application receives of data that was registered as bytes of this text over gRPC.
test.each([
  ['"foo"', '"ImZvbyI="'],
  ['{  "foo": [ 12, 4 ] }', '"eyAgImZvbyI6IFsgMTIsIDQgXSB9"'],
  ['true', '"dHJ1ZQ=="'],
  ['123', '"MTIz"'],
  ['[]', '"W10="'],
  ['null', '"bnVsbA=="'],
])('%s is %s to an application', (text, received) => {
  const bytes = new Uint8Array(Buffer.from(`>${text}<`)).subarray(1, 1 + text.length)
  expect(dataText({ bytes })).toBe(received)
})

test('JSON stays the text that it is', () => {
  expect(dataText({ json: '{"b":1,"a":12345678901234567890}' })).toBe('{"b":1,"a":12345678901234567890}')
})

test.each([[0, []], [1, [0x0a, 1]], [127, [0x0a, 127]], [128, [0x0a, 0x80, 1]], [300, [0x0a, 0xac, 2]], [20_000, [0x0a, 0xa0, 0x9c, 1]]])('%d bytes have their length before them', (length, head) => {
  const { type_url: url, value } = jsonAny('x'.repeat(length))
  expect(url).toBe('type.googleapis.com/google.protobuf.BytesValue')
  expect(Buffer.from(value)).toEqual(Buffer.concat([Buffer.from(head), Buffer.from('x'.repeat(length))]))
})
