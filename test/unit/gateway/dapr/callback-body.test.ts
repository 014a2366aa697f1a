import { describe, expect, it } from 'vitest'
import type { AppCallback } from '../../../../actors/app-channel.ts'
import { reminderBody, timerBody } from '../../../../gateway/dapr/channel/callback-body.ts'

const callback = (data: string | undefined, more: Partial<AppCallback> = {}): AppCallback =>
  ({ type: 'T', id: 'i', name: 'n', data, dueTime: '', period: '', callback: '', reentrancyId: undefined, ...more })

/** As registered, and as the application receives it. */
const matrix: [registered: string | undefined, received: string][] = [
  [undefined, ''],
  ['"foo"', '"data":"foo",'],
  ['{  "foo": [ 12, 4 ] }', '"data":{"foo":[12,4]},'],
  ['true', '"data":true,'],
  ['123', '"data":123,'],
  ['[]', '"data":[],'],
  ['null', '"data":null,'],
  // Registered as bytes over gRPC.
  ['"ImZvbyI="', '"data":"ImZvbyI=",'],
  ['"eyAgImZvbyI6IFsgMTIsIDQgXSB9"', '"data":"eyAgImZvbyI6IFsgMTIsIDQgXSB9",'],
  ['"bnVsbA=="', '"data":"bnVsbA==",'],
  // What a parser would change.
  ['9007199254740993', '"data":9007199254740993,'],
  ['1.0', '"data":1.0,'],
  ['{"b":1,"a":2,"b":3}', '"data":{"b":1,"a":2,"b":3},'],
  ['"two  words \\" and \\\\" ', '"data":"two  words \\" and \\\\",'],
  ['{ "a b" :\n\t"c  d\\\\" , "e":" \\"f " }', '"data":{"a b":"c  d\\\\","e":" \\"f "},'],
]

describe('bodies of callbacks', () => {
  it.each(matrix)('a reminder registered with %s', (data, field) => {
    expect(reminderBody(callback(data))).toBe(`{${field}"dueTime":"","period":""}`)
  })

  it.each(matrix)('a timer registered with %s', (data, field) => {
    expect(timerBody(callback(data, { dueTime: '0s', callback: 'cb', period: '10s' })))
      .toBe(`{${field}"callback":"cb","dueTime":"0s","period":"10s"}`)
    expect(timerBody(callback(data, { dueTime: '0s' }))).toBe(`{${field}"callback":"","dueTime":"0s","period":""}`)
  })

  it('quotes what needs it', () => {
    expect(JSON.parse(timerBody(callback(undefined, { callback: 'a"b\n', dueTime: '\\' })))).toEqual({ callback: 'a"b\n', dueTime: '\\', period: '' })
  })

  it('takes data of a megabyte of spaces and quotes without trouble', () => {
    const data = `[${'"a\\"  b" ,  '.repeat(80_000)}1]`
    expect(JSON.parse(reminderBody(callback(data)))).toMatchObject({ data: JSON.parse(data) })
    const long = JSON.stringify({ a: '\\" '.repeat(1_000_000), b: '' }, undefined, 1)
    expect(reminderBody(callback(long))).toBe(`{"data":${JSON.stringify(JSON.parse(long))},"dueTime":"","period":""}`)
  })
})
