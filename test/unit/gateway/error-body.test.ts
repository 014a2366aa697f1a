import { expect, test } from 'vitest'
import { ActorError } from '../../../actors/errors.ts'
import { errorCodes, TroupeError, type ErrorCode } from '../../../core/errors.ts'
import { errorOf, failureOf } from '../../../gateway/error-body.ts'

test('every code goes out and comes back as it was', () => {
  for (const code of Object.keys(errorCodes) as ErrorCode[]) {
    const error = new TroupeError(code, `about ${code}`, { retryAfterMs: 5, data: { a: 1 } })
    const { status, body, expected } = failureOf(error)
    const back = errorOf(JSON.parse(JSON.stringify(body)), status)
    expect(expected).toBe(true)
    expect(status).toBe(errorCodes[code].status)
    expect(TroupeError.is(back, code)).toBe(true)
    expect(back).toMatchObject({ message: error.message, executed: error.executed, retryable: error.retryable, retryAfterMs: 5, data: { a: 1 } })
  }
})

test('executed and retryable of the thrower win over the table', () => {
  const { body } = failureOf(new TroupeError('CALL_TIMEOUT', 'x', { executed: 'no', retryable: false }))
  expect(errorOf(body, 504)).toMatchObject({ executed: 'no', retryable: false })
})

test("an author's error cannot pass for Troupe's, nor the other way", () => {
  class Fake extends ActorError { static readonly code = 'FENCED' }
  const { body, status } = failureOf(new Fake())
  const back = errorOf(body, status)
  expect(TroupeError.is(back)).toBe(false)
  expect(Fake.is(back)).toBe(true)
})

test.each([
  [undefined], [null], ['text'], [{}], [{ code: 'NOPE' }], [{ code: 'constructor' }], [{ errorCode: 'ERR_X', message: 'from somewhere' }], [[]],
])('the foreign body %j is PROTOCOL', body => {
  expect(errorOf(body, 502)).toMatchObject({ code: 'PROTOCOL', executed: 'unknown' })
})

test('anything else that is thrown is INTERNAL and keeps its text to itself', () => {
  for (const thrown of [new Error('secret'), 'secret', null, undefined, { code: 'FENCED', message: 'secret' }]) {
    const { body, expected } = failureOf(thrown)
    expect(expected).toBe(false)
    expect(body).toMatchObject({ code: 'INTERNAL', executed: 'unknown' })
    expect(JSON.stringify(body)).not.toContain('secret')
  }
})
