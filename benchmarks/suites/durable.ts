/** `durable`: persisted increments called inside the process, beside bare writes of the same size by the store's own client. */
import { withCpuOf } from '../harness/cpu.ts'
import { keepInFlight } from '../harness/keep-in-flight.ts'
import type { Measure } from '../harness/sample.ts'
import type { RateCase, Suite } from '../harness/suite.ts'
import { Tally } from '../harness/tally.ts'
import { CounterGroup } from '../subjects/counter-group.ts'
import { openHost } from '../subjects/open-host.ts'
import { stores, type StoreUnderTest } from './stores.ts'

const spreads = [{ name: '1,000 actors', actors: 1000 }, { name: 'one hot actor', actors: 1 }]

const increments = (under: StoreUnderTest, spread: { name: string; actors: number }, inFlight: number): RateCase => ({
  kind: 'rate',
  name: `${under.name}, ${spread.name}`,
  inFlight,
  floor: `${under.name}: ${under.put}, on as many keys`,
  ...under.name !== 'memory' && { atLeast: 0.5 },
  async open(scope) {
    const { store, bare } = await under.open(scope)
    const counters = new CounterGroup(await openHost(scope, { store }), spread.actors)
    // All are active before the clock starts: first calls are the `activation` suite's.
    await counters.total()
    const keys = Array.from({ length: spread.actors }, (_, index) => `c${index}`)
    const calls = new Tally()
    let turn = 0
    const measure = (operation: () => Promise<unknown>): Measure => seconds =>
      withCpuOf(bare.servers, () => keepInFlight({ inFlight, seconds }, operation))
    return {
      floor: measure(() => bare.put(keys[turn++ % keys.length]!)),
      subject: calls.of(measure(() => counters.increment())),
      verify: () => counters.verify(calls.operations),
    }
  },
})

export const suite: Suite = {
  name: 'durable',
  title: 'persisted increments, called inside the process',
  cases: stores.flatMap(under => spreads.flatMap(spread =>
    (under.name === 'memory' ? [64] : [64, 256, 1024]).map(inFlight => increments(under, spread, inFlight)))),
}
