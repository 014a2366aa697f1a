// Calls that were given up, however long their time: nothing keeps them or their arguments until it is over.
import { describe, expect, it } from 'vitest'
import { LocalCall } from '../../../actors/invocation.ts'
import { ManualClock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import { CallClock } from '../../../runtime/dispatch/call-clock.ts'

const HOUR = 3_600_000
const aCall = (): LocalCall => new LocalCall(
  { typeName: 'T', id: 'a', methodName: 'm', args: [new Uint8Array(1024)], timeoutMs: HOUR, parent: undefined }, () => undefined, () => undefined,
)

describe('the deadline wheel', () => {
  it('lets go of calls that were cancelled or failed while they waited', () => {
    const callClock = new CallClock(new ManualClock())
    const [cancelled, failed, waits] = [aCall(), aCall(), aCall()]
    for (const call of [cancelled, failed, waits]) callClock.watch(call)
    cancelled.abandon('CANCELLED', 'the caller gave up')
    failed.fail(new TroupeError('STORE_UNAVAILABLE', 'no store'))
    expect(callClock.deadlines.size).toBe(1)
    expect(cancelled.args).toEqual([])
    expect(waits.args).toHaveLength(1)
  })

  it('lets go of calls that run elsewhere, and keeps turns that run here', () => {
    const callClock = new CallClock(new ManualClock())
    const [elsewhere, here] = [aCall(), aCall()]
    for (const call of [elsewhere, here]) {
      callClock.watch(call)
      call.turnPhase = 'running'
    }
    here.gate = { phase: 'active', hasUnsaved: false, whenDurable: () => undefined }
    for (const call of [elsewhere, here]) call.abandon('CANCELLED', 'the caller gave up')
    // The turn has a deadline of its own.
    expect(callClock.deadlines.size).toBe(1)
  })
})
