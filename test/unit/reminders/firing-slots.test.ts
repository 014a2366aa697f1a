// Slots for fires: few at first, more as fires end, none held for long by slow ones.
import { describe, expect, it } from 'vitest'
import { FiringSlots, type Ticket } from '../../../reminders/firing-slots.ts'

const limits = { first: 32, most: 1_024, slowMs: 250, slowMost: 10_000, rampMs: 5 }

function fill(slots: FiringSlots, nowMs: number): Ticket[] {
  const tickets: Ticket[] = []
  while (slots.free) tickets.push(slots.start(nowMs))
  return tickets
}

describe('firing slots', () => {
  it('double with each round of fires that end quickly, up to the most', () => {
    const slots = new FiringSlots(limits)
    const rounds: number[] = []
    let running = fill(slots, 0)
    for (let round = 0; round < 7; round++) {
      rounds.push(running.length)
      // Each place is taken again at once, as the scheduler does it.
      running = running.flatMap(ticket => {
        slots.end(ticket, round)
        return fill(slots, round)
      })
    }
    expect(rounds).toEqual([32, 64, 128, 256, 512, 1_024, 1_024])
  })

  it('double when nothing ends for a while, so that handlers that hang hold up nobody', () => {
    const slots = new FiringSlots(limits)
    fill(slots, 0)
    expect(slots.sweepMs).toBe(5)
    slots.sweep(4)
    expect(slots.free).toBe(false)
    slots.sweep(5)
    expect(fill(slots, 5).length).toBe(32)
    slots.sweep(10)
    expect(fill(slots, 10).length).toBe(64)
  })

  it('are left by slow fires, until too many are slow', () => {
    const slots = new FiringSlots({ ...limits, first: 2, most: 2, slowMost: 3 })
    const [a] = fill(slots, 0) as [Ticket]
    expect(slots.sweepMs).toBe(250)
    slots.sweep(249)
    expect(slots.free).toBe(false)
    slots.sweep(250)
    expect(slots.slow).toBe(2)
    fill(slots, 250)
    slots.sweep(500)
    expect([slots.slow, slots.free]).toEqual([3, true])
    fill(slots, 500)
    slots.sweep(1_000)
    expect([slots.slow, slots.free, slots.sweepMs]).toEqual([3, false, undefined])
    slots.end(a, 1_000)
    expect([slots.slow, slots.sweepMs]).toEqual([2, 500])
    slots.sweep(1_000)
    expect(slots.free).toBe(true)
  })

  it('do not grow without demand, and start slowly again after a rest', () => {
    const slots = new FiringSlots(limits)
    for (let i = 0; i < 1_000; i++) slots.end(slots.start(i), i)
    expect(slots.allowed).toBe(32)
    for (const ticket of fill(slots, 1_000)) slots.end(ticket, 1_000)
    expect(slots.allowed).toBeGreaterThan(32)
    slots.end(slots.start(1_500), 1_500)
    expect(slots.allowed).toBeGreaterThan(32)
    slots.start(2_501)
    expect(slots.allowed).toBe(32)
  })
})
