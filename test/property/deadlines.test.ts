// The deadline wheel on a manual clock: never early, at most one slot late, never after removal.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../core/clock.ts'
import { Deadlines } from '../../runtime/dispatch/deadlines.ts'

interface Entry {
  readonly name: number
  wheelSlot: number
  wheelIndex: number
}
const entryOf = (name: number): Entry => ({ name, wheelSlot: -1, wheelIndex: -1 })
const SLOT_MS = 20

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('add' as const), inMs: fc.double({ min: -50, max: 500, noNaN: true }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('move' as const), at: fc.nat(30), inMs: fc.double({ min: 0, max: 500, noNaN: true }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), at: fc.nat(30) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.double({ min: 0, max: 120, noNaN: true }) }) },
)

describe('deadlines', () => {
  it('expire each entry once, never early and at most one slot late', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
      const clock = new ManualClock()
      const due = new Map<Entry, number>()
      const wrong: unknown[] = []
      const wheel = new Deadlines<Entry>(clock, entry => {
        const deadline = due.get(entry)
        const now = clock.monotonicMs()
        if (deadline === undefined) wrong.push({ expired: entry.name, why: 'was removed, or expired twice' })
        else if (now < deadline) wrong.push({ expired: entry.name, now, deadline, why: 'early' })
        due.delete(entry)
      }, SLOT_MS)
      let last = 0
      await clock.advance(1000)
      for (const s of steps) {
        const now = clock.monotonicMs()
        if (s.kind === 'add') {
          const entry = entryOf(++last)
          due.set(entry, now + s.inMs)
          wheel.add(entry, now + s.inMs)
        } else if (s.kind === 'wait') await clock.advance(s.ms)
        else if (due.size > 0) {
          const entry = [...due.keys()][s.at % due.size]!
          if (s.kind === 'move') {
            due.set(entry, now + s.inMs)
            wheel.add(entry, now + s.inMs)
          } else {
            due.delete(entry)
            wheel.remove(entry)
            wheel.remove(entry)
          }
        }
        const at = clock.monotonicMs()
        // An entry that was late when it came has the slot of its coming.
        for (const [entry, deadline] of due) if (s.kind === 'wait' && at > deadline + SLOT_MS + 1) wrong.push({ kept: entry.name, at, deadline, why: 'late' })
        expect(wheel.size).toBe(due.size)
      }
      await clock.advance(700)
      expect(wrong).toEqual([])
      expect(due.size).toBe(0)
    }), { numRuns: 150 })
  })

  it('leave alone what another expiry of the same slot removed or moved', async () => {
    const clock = new ManualClock()
    const [first, removed, moved] = [entryOf(1), entryOf(2), entryOf(3)]
    const expired: [number, number][] = []
    const wheel = new Deadlines<Entry>(clock, entry => {
      expired.push([entry.name, clock.monotonicMs()])
      if (entry !== first) return
      wheel.remove(removed)
      wheel.add(moved, 200)
    }, SLOT_MS)
    for (const entry of [first, removed, moved]) wheel.add(entry, 50)
    await clock.advance(300)
    expect(expired).toEqual([[1, 60], [3, 200]])
    expect(wheel.size).toBe(0)
  })

  it('set one timer however many entries there are', async () => {
    const clock = new ManualClock()
    let timers = 0
    const counting = Object.assign(Object.create(clock) as ManualClock, {
      monotonicMs: () => clock.monotonicMs(),
      after: (ms: number, run: () => void) => { timers++; return clock.after(ms, run) },
    })
    let expired = 0
    const wheel = new Deadlines<Entry>(counting, () => { expired++ }, SLOT_MS)
    for (let i = 0; i < 10_000; i++) wheel.add(entryOf(i), 1000 + (i % 15))
    expect(timers).toBe(1)
    await clock.advance(1100)
    expect(expired).toBe(10_000)
  })

  it('expire nothing after close', async () => {
    const clock = new ManualClock()
    const wheel = new Deadlines<Entry>(clock, () => expect.unreachable(), SLOT_MS)
    wheel.add(entryOf(1), 50)
    wheel.close()
    await clock.advance(500)
    expect(wheel.size).toBe(0)
  })
})
