// A mailbox against a list: first come, first served, whoever gave up is gone, and what is gone takes no room.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Invocation } from '../../actors/invocation.ts'
import { Mailbox } from '../../runtime/activation/mailbox.ts'

interface Call {
  readonly name: number
  settled: boolean
}
const asInvocation = (call: Call): Invocation => call as unknown as Invocation
const names = (calls: readonly (Invocation | undefined)[]): (number | undefined)[] => calls.map(c => (c as unknown as Call | undefined)?.name)

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('push' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('shift' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('giveUp' as const), at: fc.nat(40) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('takeFirst' as const), divisor: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('takeAll' as const) }) },
)

describe('a mailbox', () => {
  it('does what a plain list does', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 400 }), steps => {
      const mailbox = new Mailbox()
      let model: Call[] = []
      let last = 0
      for (const s of steps) {
        if (s.kind === 'push') {
          const call = { name: ++last, settled: false }
          mailbox.push(asInvocation(call))
          model.push(call)
        } else if (s.kind === 'giveUp' && model.length > 0) {
          const [call] = model.splice(s.at % model.length, 1)
          call!.settled = true
          mailbox.abandoned(asInvocation(call!))
        } else if (s.kind === 'shift') {
          expect(names([mailbox.peek()])).toEqual([model[0]?.name])
          if (model.shift() !== undefined) mailbox.shift(0)
        } else if (s.kind === 'takeFirst') {
          const test = (c: Call): boolean => c.name % s.divisor === 0
          const at = model.findIndex(test)
          expect(names([mailbox.takeFirst(c => test(c as unknown as Call))])).toEqual([at < 0 ? undefined : model[at]!.name])
          if (at >= 0) model.splice(at, 1)
        } else if (s.kind === 'takeAll') {
          expect(names(mailbox.takeAll())).toEqual(model.map(c => c.name))
          model = []
        }
        expect(mailbox.size).toBe(model.length)
        // Room is bounded by what waits, not by what came while one call waited.
        expect(mailbox.room).toBeLessThanOrEqual(2 * model.length + 130)
      }
      expect(names(mailbox.takeAll())).toEqual(model.map(c => c.name))
    }), { numRuns: 300 })
  })

  it('keeps no calls that gave up while another one waits', () => {
    const mailbox = new Mailbox()
    mailbox.push(asInvocation({ name: 0, settled: false }))
    for (let i = 1; i <= 10_000; i++) {
      const call = { name: i, settled: false }
      mailbox.push(asInvocation(call))
      call.settled = true
      mailbox.abandoned(asInvocation(call))
    }
    expect(mailbox.size).toBe(1)
    expect(mailbox.room).toBeLessThan(200)
    expect(names([mailbox.peek()])).toEqual([0])
  })
})
