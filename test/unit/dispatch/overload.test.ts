import { describe, expect, test } from 'vitest'
import { Once, type CallParts } from '../../../actors/invocation.ts'
import { ManualClock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import { LoadSignal } from '../../../runtime/dispatch/load-signal.ts'
import { weightOf } from '../../../runtime/dispatch/load-weight.ts'
import { AdmittedCall, CallAdmission } from '../../../runtime/dispatch/overload.ts'

const parts = (more: Partial<CallParts> = {}): CallParts =>
  ({ typeName: 'Counter', id: 'a', methodName: 'add', args: [], timeoutMs: 1000, parent: undefined, ...more })
const call = (more: Partial<CallParts> = {}): AdmittedCall => new AdmittedCall(parts(more), () => undefined, () => undefined)
const inside = call({ parent: call() })
const ofTurn = (more: Partial<CallParts> = {}): AdmittedCall => call({ parent: inside, ...more })
const admissionOf = (maxCalls: number, maxCallBytes = 1_000_000): CallAdmission => new CallAdmission(new LoadSignal(new ManualClock()), { maxCalls, maxCallBytes })

/** The share of what comes from outside and of what turns call, as it is told. */
const under = (outside: number, within: number): CallAdmission => {
  const load = { came: () => undefined, isOver: () => false, calm: false, outside, inside: within } as unknown as LoadSignal
  return new CallAdmission(load, { maxCalls: 1e6, maxCallBytes: 1e6 })
}

describe('calls under way', () => {
  test('from outside may have three quarters of the room; those of turns find the rest', () => {
    const admission = admissionOf(8)
    for (let i = 0; i < 6; i++) expect(call().enter(admission, undefined)).toBeUndefined()
    expect(call().enter(admission, undefined)).toMatchObject({ code: 'OVERLOADED', executed: 'no', retryable: true, message: expect.stringContaining('6 calls are under way here, 6 may be') })
    expect(admission.atDoor(0)).toMatchObject({ code: 'OVERLOADED' })
    expect(ofTurn().enter(admission, undefined)).toBeUndefined()
    expect(ofTurn().enter(admission, undefined)).toBeUndefined()
    expect(ofTurn().enter(admission, undefined)).toMatchObject({ code: 'OVERLOADED', retryAfterMs: 100 })
  })

  test('a durable send is none from outside: a store holds it', () => {
    const admission = admissionOf(4)
    for (let i = 0; i < 3; i++) call().enter(admission, undefined)
    expect(call({ once: new Once({ sender: 'A/a', number: 1, previous: undefined }) }).enter(admission, undefined)).toBeUndefined()
    expect(call({ once: new Once('key') }).enter(admission, undefined)).toMatchObject({ code: 'OVERLOADED' })
  })

  test.each([
    ['succeeds', (it: AdmittedCall) => it.succeed(1)], ['fails', (it: AdmittedCall) => it.fail(new Error('no'))],
    ['is given up', (it: AdmittedCall) => it.abandon('CANCELLED', 'the caller gave up')],
  ])('a call that %s makes room, once', (_, end) => {
    const admission = admissionOf(100)
    const first = call({ args: ['x'.repeat(100)] })
    first.enter(admission, undefined)
    call().enter(admission, undefined)
    expect(admission.stats).toEqual({ calls: 2, bytes: 100, refused: 0 })
    end(first)
    first.fail(new Error('again'))
    first.succeed(2)
    expect(admission.stats).toEqual({ calls: 1, bytes: 0, refused: 0 })
  })

  test('one that was refused makes no room when it fails of it', () => {
    const admission = admissionOf(1)
    ofTurn().enter(admission, undefined)
    const refused = ofTurn()
    refused.fail(refused.enter(admission, undefined)!)
    expect(admission.stats).toEqual({ calls: 1, bytes: 0, refused: 1 })
  })
})

describe('bytes under way', () => {
  test('are bounded, at the door by what the body says, else by what the arguments show', () => {
    const admission = admissionOf(100, 1000)
    expect(call({ args: [new Uint8Array(500)] }).enter(admission, undefined)).toBeUndefined()
    expect(admission.atDoor(250)).toBeUndefined()
    expect(admission.atDoor(251)).toMatchObject({ code: 'OVERLOADED', message: expect.stringContaining('take 500 bytes, 750 may be taken') })
    expect(call({ args: ['y'.repeat(251)] }).enter(admission, undefined)).toMatchObject({ code: 'OVERLOADED' })
    expect(ofTurn({ args: [{ deep: ['y'.repeat(251)] }] }).enter(admission, undefined)).toBeUndefined()
    expect(call().enter(admission, 0)).toMatchObject({ code: 'OVERLOADED' })
  })

  test('one that is larger than all the room comes in when nothing else is under way', () => {
    const admission = admissionOf(100, 1000)
    expect(call().enter(admission, 5000)).toBeUndefined()
    expect(call().enter(admission, 1)).toMatchObject({ code: 'OVERLOADED' })
  })

  test.each<[unknown[], number]>([
    [[], 0], [[1, true, null, undefined], 0], [['abc', 'de'], 5], [[new Uint8Array(7)], 7], [[{ a: 'abc', b: { c: 'de' } }], 5], [[[1, 2, 3]], 24],
    [[new Map([['k', new Uint8Array(9)]])], 18], [[new Set(['abcd'])], 12],
  ])('%j weigh %i', (args, bytes) => expect(weightOf(args)).toBe(bytes))

  test('a huge structure costs a glance', () => {
    const huge = Array.from({ length: 1_000_000 }, () => ({ text: 'x' }))
    const before = performance.now()
    for (let i = 0; i < 1000; i++) weightOf([huge])
    expect(performance.now() - before).toBeLessThan(1000)
    expect(weightOf([huge])).toBeGreaterThan(7_000_000)
  })
})

describe('under pressure', () => {
  const refusedOf = (admission: CallAdmission, make: () => AdmittedCall): number => {
    let refused = 0
    for (let i = 0; i < 100; i++) if (make().enter(admission, undefined) !== undefined) refused++
    return refused
  }

  test('calls from outside are refused in the share that is asked for, evenly, and calls of turns are not', () => {
    const admission = under(0.25, 0)
    expect(refusedOf(admission, call)).toBe(25)
    expect(refusedOf(admission, ofTurn)).toBe(0)
    let inARow = 0
    for (let i = 0; i < 100; i++) {
      inARow = admission.atDoor(0) === undefined ? 0 : inARow + 1
      expect(inARow).toBeLessThan(2)
    }
  })

  test('who was asked at the door is not asked again', () => {
    const admission = under(0.95, 0)
    for (let i = 0; i < 50; i++) expect(call().enter(admission, 0)).toBeUndefined()
  })

  test('calls of turns come next; the time to come again grows with the pressure', () => {
    const admission = under(0.95, 0.5)
    expect(refusedOf(admission, ofTurn)).toBe(50)
    let refusal: TroupeError | undefined
    while (refusal === undefined) refusal = admission.atDoor(0)
    expect(refusal).toMatchObject({ code: 'OVERLOADED', retryAfterMs: 950, executed: 'no' })
  })
})
