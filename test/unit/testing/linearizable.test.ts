// Which histories of a register have an order, by hand; and by brute force, against the search.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasOrder } from '../../simulation/checkers/linearizable.ts'
import type { RegisterCall } from '../../simulation/register.ts'

const write = (value: number, invokedMs: number, settledMs: number): RegisterCall => ({ id: 'r', method: 'write', value, invokedMs, settledMs, result: undefined })
const read = (result: number, invokedMs: number, settledMs: number): RegisterCall => ({ id: 'r', method: 'read', value: 0, invokedMs, settledMs, result })
const swap = (value: number, result: number | undefined, invokedMs: number, settledMs: number): RegisterCall => ({ id: 'r', method: 'swap', value, invokedMs, settledMs, result })

describe('an order of the calls of a register', () => {
  it('is there when reads see the last write', () => {
    expect(hasOrder([write(1, 0, 1), read(1, 2, 3), swap(2, 1, 4, 5), read(2, 6, 7)])).toBe(true)
  })
  it('is not there when a read is stale', () => {
    expect(hasOrder([write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)])).toBe(false)
  })
  it('is not there when a write that was answered is lost', () => {
    expect(hasOrder([write(1, 0, 1), swap(2, 0, 2, 3)])).toBe(false)
  })
  it('lets calls that overlap stand in either order, and every reader see the same one', () => {
    expect(hasOrder([write(1, 0, 9), write(2, 0, 9), read(1, 10, 11)])).toBe(true)
    expect(hasOrder([write(1, 0, 9), write(2, 0, 9), read(2, 10, 11)])).toBe(true)
    expect(hasOrder([write(1, 0, 9), write(2, 0, 9), read(2, 10, 11), read(1, 12, 13)])).toBe(false)
  })
  it('lets a call of unknown outcome take effect late, or never, but once', () => {
    const unknown = swap(5, undefined, 0, Infinity)
    expect(hasOrder([unknown, read(0, 10, 11), read(5, 12, 13)])).toBe(true)
    expect(hasOrder([unknown, read(0, 10, 11)])).toBe(true)
    expect(hasOrder([unknown, read(5, 10, 11), write(6, 12, 13), read(5, 14, 15)])).toBe(false)
  })

  it('is found if and only if there is one', () => {
    const time = fc.integer({ min: 0, max: 12 })
    const call = fc.record({ method: fc.constantFrom('write' as const, 'read' as const, 'swap' as const), from: time, to: time, known: fc.integer({ min: 0, max: 5 }), result: fc.integer({ min: 0, max: 5 }) })
    fc.assert(fc.property(fc.array(call, { maxLength: 5 }), drawn => {
      const calls = drawn.map(({ method, from, to, known, result }, i): RegisterCall => {
        const settledMs = known === 0 && method !== 'read' ? Infinity : Math.max(from, to)
        return { id: 'r', method, value: method === 'read' ? 0 : i + 1, invokedMs: Math.min(from, to), settledMs, result: method === 'write' || settledMs === Infinity ? undefined : result }
      })
      expect(hasOrder(calls)).toBe(orders(calls).some(explains))
    }), { numRuns: 400 })
  })
})

/** Every order of every choice of calls that has all that were answered. */
function orders(calls: readonly RegisterCall[]): RegisterCall[][] {
  const all = (rest: readonly RegisterCall[]): RegisterCall[][] =>
    [...rest.every(call => call.settledMs === Infinity) ? [[]] : [], ...rest.flatMap(call => all(rest.filter(other => other !== call)).map(order => [call, ...order]))]
  return all(calls)
}

function explains(order: readonly RegisterCall[]): boolean {
  let value = 0
  return order.every((call, i) => {
    const inTime = order.slice(i + 1).every(later => later.settledMs >= call.invokedMs)
    const fits = call.method === 'write' || call.settledMs === Infinity || call.result === value
    if (call.method !== 'read') value = call.value
    return inTime && fits
  })
}
