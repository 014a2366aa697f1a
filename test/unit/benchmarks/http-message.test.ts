import { expect, test } from 'vitest'
import { replyLength, requestOf } from '../../../benchmarks/load/http-message.ts'

const reply = (text: string) => Buffer.from(text)

test('a request has its length in bytes, not in characters', () => {
  const request = requestOf('POST', '/v1.0/actors/Counter/c0/method/echo', '"é"').toString()
  expect(request).toContain('POST /v1.0/actors/Counter/c0/method/echo HTTP/1.1\r\n')
  expect(request).toContain('content-length: 4\r\n')
  expect(request.endsWith('\r\n\r\n"é"')).toBe(true)
})

test('a whole reply is recognised, an incomplete one is waited for', () => {
  const whole = reply('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
  expect(replyLength(whole)).toBe(whole.length)
  for (let cut = 0; cut < whole.length; cut++) expect(replyLength(whole.subarray(0, cut))).toBeUndefined()
})

test('only the first reply is measured', () => {
  const first = reply('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1')
  expect(replyLength(Buffer.concat([first, first]))).toBe(first.length)
})

test('204 has no body', () => {
  const none = reply('HTTP/1.1 204 No Content\r\ndate: today\r\n\r\n')
  expect(replyLength(none)).toBe(none.length)
})

test('anything but success fails, with the answer in the message', () => {
  expect(() => replyLength(reply('HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops'))).toThrow(/500 Internal Server Error[^]*oops/)
})

test('a reply in chunks ends with the empty one and its trailers', () => {
  const whole = reply('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\nx-t: 1\r\n\r\n')
  expect(replyLength(whole)).toBe(whole.length)
  for (let cut = 0; cut < whole.length; cut++) expect(replyLength(whole.subarray(0, cut))).toBeUndefined()
  expect(replyLength(Buffer.concat([whole, whole]))).toBe(whole.length)
})

test('a reply without a length fails rather than hangs', () => {
  expect(() => replyLength(reply('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n'))).toThrow(/without content-length/)
})
