/** `idempotent`: durable calls that carry an idempotency key, each a fresh one, beside the same calls without. */
import { createHost } from 'troupe'
import { keepInFlight } from '../harness/keep-in-flight.ts'
import type { RateCase, Suite } from '../harness/suite.ts'
import { Receiver } from '../subjects/scheduled.ts'
import { durableStores, type StoreUnderTest } from './stores.ts'

const ACTORS = 1000

const keyed = (under: StoreUnderTest, inFlight: number): RateCase => ({
  kind: 'rate', name: `${under.name}, 1,000 actors`, inFlight, floor: 'the same durable calls without a key', ...under.name === 'LMDB' && { atLeast: 0.6 },
  async open(scope) {
    const { store } = await under.open(scope)
    const host = await createHost({ actors: [Receiver], store, checkReadonly: false })
    scope.defer(() => host.stop())
    const actors = Array.from({ length: ACTORS }, (_, index) => host.actor(Receiver, `c${index}`))
    await Promise.all(actors.map(actor => actor.total()))
    let turn = 0
    return {
      floor: seconds => keepInFlight({ inFlight, seconds }, () => actors[turn++ % ACTORS]!.take()),
      subject: seconds => keepInFlight({ inFlight, seconds }, () => {
        const index = turn++
        return actors[index % ACTORS]!.with({ idempotencyKey: `key-${index}` }).take()
      }),
    }
  },
})

export const suite: Suite = {
  name: 'idempotent',
  title: 'durable calls with an idempotency key',
  cases: durableStores.flatMap(under => (under.name === 'LMDB' ? [64, 256] : [256]).map(inFlight => keyed(under, inFlight))),
}
