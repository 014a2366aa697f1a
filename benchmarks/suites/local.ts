/** `local`: calls inside one host on the memory store, beside the same method of a plain object, awaited. */
import { BareCounter } from '../floors/bare-object.ts'
import { keepInFlight, type Load } from '../harness/keep-in-flight.ts'
import type { RateCase, Suite } from '../harness/suite.ts'
import { Tally } from '../harness/tally.ts'
import { CounterGroup } from '../subjects/counter-group.ts'
import { Counter } from '../subjects/counter.ts'
import { openHost } from '../subjects/open-host.ts'

const floor = 'await object.method() in the same loop'
// Floors take tens of nanoseconds an operation: a clock read for each would be most of what is measured.
const load = (inFlight: number, seconds: number): Load => ({ inFlight, seconds, timedEvery: 256 })

const readonlyCall = (inFlight: number): RateCase => ({
  kind: 'rate', name: 'readonly call', inFlight, floor, atLeast: 1 / 12,
  async open(scope) {
    const bare = Array.from({ length: inFlight }, () => new BareCounter())
    const counters = new CounterGroup(await openHost(scope, { store: 'memory:' }), inFlight)
    return {
      floor: seconds => keepInFlight(load(inFlight, seconds), slot => bare[slot]!.total()),
      subject: seconds => keepInFlight(load(inFlight, seconds), slot => counters.at(slot).total()),
    }
  },
})

const readonlyCallByName = (inFlight: number): RateCase => ({
  kind: 'rate', name: 'readonly call, host.actor(…) each time', inFlight, floor,
  async open(scope) {
    const bare = Array.from({ length: inFlight }, () => new BareCounter())
    const ids = Array.from({ length: inFlight }, (_, index) => `c${index}`)
    const host = await openHost(scope, { store: 'memory:' })
    return {
      floor: seconds => keepInFlight(load(inFlight, seconds), slot => bare[slot]!.total()),
      subject: seconds => keepInFlight(load(inFlight, seconds), slot => host.actor(Counter, ids[slot]!).total()),
    }
  },
})

const changingCall = (inFlight: number): RateCase => ({
  kind: 'rate', name: 'state-changing call', inFlight, floor, atLeast: 1 / 30,
  async open(scope) {
    const bare = Array.from({ length: inFlight }, () => new BareCounter())
    const counters = new CounterGroup(await openHost(scope, { store: 'memory:' }), inFlight)
    const floorCalls = new Tally()
    const subjectCalls = new Tally()
    return {
      floor: floorCalls.of(seconds => keepInFlight(load(inFlight, seconds), slot => bare[slot]!.increment())),
      subject: subjectCalls.of(seconds => keepInFlight(load(inFlight, seconds), slot => counters.at(slot).increment())),
      verify: async () => {
        await counters.verify(subjectCalls.operations)
        const total = bare.reduce((sum, counter) => sum + counter.total(), 0)
        if (total !== floorCalls.operations) throw new Error(`the floor made ${floorCalls.operations} calls, but counted ${total}`)
      },
    }
  },
})

export const suite: Suite = {
  name: 'local',
  title: 'calls inside one host',
  cases: [readonlyCall, changingCall, readonlyCallByName].flatMap(caseOf => [1, 64].map(caseOf)),
}
