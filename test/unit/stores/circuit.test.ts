/** When a store that may be away is asked, and when not. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Circuit } from '../../../stores/circuit.ts'

/** One that opened at time 0. */
function opened(): Circuit {
  const circuit = new Circuit()
  expect([circuit.unanswered(0), circuit.unanswered(0), circuit.unanswered(0)]).toEqual([false, false, true])
  return circuit
}

test('failures in a row open it, an answer in between starts anew', () => {
  const circuit = new Circuit()
  for (let i = 0; i < 5; i++) {
    circuit.unanswered(0)
    circuit.unanswered(0)
    expect([circuit.admits(0), circuit.closed, circuit.openMs(0)]).toEqual([true, true, 0])
    expect(circuit.answered()).toBe(false)
  }
})

test('open it refuses until the pause is over, then lets one through, and says when', () => {
  const circuit = opened()
  expect([circuit.admits(0), circuit.admits(249)]).toEqual([false, false])
  expect([circuit.retryAfterMs(0), circuit.retryAfterMs(240)]).toEqual([250, 50])
  expect([circuit.admits(250), circuit.admits(250), circuit.admits(5_000)]).toEqual([true, false, false])
  expect(circuit.openMs(5_000)).toBe(5_000)
  expect(circuit.answered()).toBe(true)
  expect([circuit.admits(5_000), circuit.closed]).toEqual([true, true])
})

test('each probe that fails makes the next pause twice as long, up to a second', () => {
  const circuit = opened()
  let now = 0
  const pauses = Array.from({ length: 5 }, () => {
    const from = now
    while (!circuit.admits(now)) now++
    expect(circuit.unanswered(now)).toBe(false)
    return now - from
  })
  expect(pauses).toEqual([250, 500, 1_000, 1_000, 1_000])
  circuit.answered()
  circuit.unanswered(now)
  circuit.unanswered(now)
  circuit.unanswered(now)
  expect([circuit.admits(now + 249), circuit.admits(now + 250)]).toEqual([false, true])
})

test('a probe that never ends is not waited for for ever', () => {
  const circuit = opened()
  expect([circuit.admits(250), circuit.admits(10_249), circuit.admits(10_250)]).toEqual([true, false, true])
})

test('calls that were made before it opened count as any: a failure keeps it open, an answer closes it', () => {
  const circuit = opened()
  expect(circuit.unanswered(100)).toBe(false)
  expect(circuit.admits(200)).toBe(false)
  expect(circuit.answered()).toBe(true)
  expect(circuit.admits(200)).toBe(true)
})

test('whatever happens: one probe at a time, and a store that answers is asked within a second', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.boolean()), { maxLength: 60 }), steps => {
    const circuit = new Circuit()
    let now = 0
    for (const [ms, answers] of steps) {
      now += ms
      const wasOpen = !circuit.closed
      if (!circuit.admits(now)) continue
      if (wasOpen) expect(circuit.admits(now)).toBe(false)
      if (answers) circuit.answered()
      else circuit.unanswered(now)
    }
    if (circuit.closed) return
    expect(circuit.admits(now + 1_000)).toBe(true)
    expect(circuit.answered()).toBe(true)
  }))
})
