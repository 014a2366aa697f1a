import { describe, expect, test } from 'vitest'
import type { Clock, Timer } from '../../../core/clock.ts'
import { LoadSignal } from '../../../runtime/dispatch/load-signal.ts'

/** An event loop whose turns are ended by hand. */
class Loop implements Clock {
  nowMs = 0
  asked = 0
  #soon: (() => void)[] = []

  wallMs = (): number => this.nowMs
  monotonicMs = (): number => this.nowMs
  after(): Timer {
    throw new Error('nothing here waits for time')
  }
  soon(run: () => void): void {
    this.asked++
    this.#soon.push(run)
  }
  get idle(): boolean {
    return this.#soon.length === 0
  }
  endTurn(): void {
    const due = this.#soon
    this.#soon = []
    for (const run of due) run()
  }
}

/** A turn of the loop in which `calls` stand at a gateway, each of which takes `eachMs` when it comes in. @returns how many did */
function turn(loop: Loop, signal: LoadSignal, calls: number, eachMs: number, refusalMs = 0.05): number {
  let came = 0
  for (let i = 0; i < calls; i++) {
    if (signal.isOver()) loop.nowMs += refusalMs
    else {
      signal.came(1)
      came++
      loop.nowMs += eachMs
    }
  }
  loop.endTurn()
  return came
}

const setUp = (limits = {}) => {
  const loop = new Loop()
  return { loop, signal: new LoadSignal(loop, { sliceMs: 15, lateMs: 100, ...limits }) }
}

describe('the slice of gateways', () => {
  test('one late turn is a burst: nothing is refused', () => {
    const { loop, signal } = setUp()
    expect(turn(loop, signal, 500, 1)).toBe(500)
    expect(turn(loop, signal, 50, 1)).toBe(50)
    expect(turn(loop, signal, 500, 1)).toBe(500)
    expect(signal.outside).toBe(0)
  })

  test('after two late turns in a row a turn takes its slice, and refuses the rest', () => {
    const { loop, signal } = setUp()
    turn(loop, signal, 150, 1)
    turn(loop, signal, 450, 1)
    const before = loop.nowMs
    // 16: the one that is begun when the slice ends is finished.
    expect(turn(loop, signal, 900, 1)).toBe(16)
    expect(loop.nowMs - before).toBeLessThan(100)
    expect(turn(loop, signal, 120, 1)).toBe(16)
  })

  test('many that wait and take no time are no overload', () => {
    const { loop, signal } = setUp()
    for (let i = 0; i < 20; i++) expect(turn(loop, signal, 1000, 0.05)).toBe(1000)
  })

  test('it lasts as long as more comes than fits into it: without it those turns would grow late again', () => {
    const { loop, signal } = setUp()
    turn(loop, signal, 200, 1)
    turn(loop, signal, 200, 1)
    for (let i = 0; i < 100; i++) expect(turn(loop, signal, 60, 1)).toBe(16)
  })

  test('it ends when all that comes fits into it, and not before half a second of that', () => {
    const { loop, signal } = setUp()
    turn(loop, signal, 200, 1)
    turn(loop, signal, 200, 1)
    for (let i = 0; i < 40; i++) turn(loop, signal, 10, 1)
    expect(turn(loop, signal, 60, 1)).toBe(16)
    for (let i = 0; i < 60; i++) turn(loop, signal, 10, 1)
    expect(turn(loop, signal, 60, 1)).toBe(60)
  })

  test('quiet time counts as well', () => {
    const { loop, signal } = setUp()
    turn(loop, signal, 200, 1)
    turn(loop, signal, 200, 1)
    turn(loop, signal, 0, 1)
    loop.nowMs += 600
    expect(turn(loop, signal, 60, 1)).toBe(60)
  })
})

describe('the pressure', () => {
  /** Turns that no gateway keeps busy. */
  const lateTurns = (loop: Loop, signal: LoadSignal, turns: number, calls = 20): void => {
    for (let i = 0; i < turns; i++) {
      signal.came(calls)
      loop.nowMs += 150
      loop.endTurn()
    }
  }

  test('rises while turns stay late: first calls from outside, then those of turns, and never all', () => {
    const { loop, signal } = setUp()
    lateTurns(loop, signal, 6)
    expect(signal.outside).toBeCloseTo(0.5)
    expect(signal.inside).toBe(0)
    lateTurns(loop, signal, 5)
    expect(signal.outside).toBe(0.95)
    lateTurns(loop, signal, 50)
    expect(signal.outside).toBe(0.95)
    expect(signal.inside).toBe(0.5)
  })

  test('falls to nothing within two seconds of good turns, or of quiet', () => {
    const { loop, signal } = setUp()
    lateTurns(loop, signal, 50)
    for (let i = 0; i < 200; i++) turn(loop, signal, 1, 10)
    expect(signal.outside).toBe(0)
    lateTurns(loop, signal, 50)
    turn(loop, signal, 0, 0)
    loop.nowMs += 2_001
    signal.came(1)
    expect(signal.outside).toBe(0)
  })

  test('is not raised by a stall, nor by calls each of which takes a turn of its own', () => {
    const { loop, signal } = setUp()
    signal.came(5)
    loop.nowMs += 15_000
    loop.endTurn()
    expect(signal.outside).toBe(0)
    lateTurns(loop, signal, 50, 1)
    expect(signal.outside).toBe(0)
  })
})

test('an idle host measures nothing', () => {
  const { loop, signal } = setUp()
  turn(loop, signal, 3, 1)
  loop.endTurn()
  const { asked } = loop
  for (let i = 0; i < 10; i++) loop.endTurn()
  expect(loop.idle).toBe(true)
  expect(loop.asked).toBe(asked)
})
