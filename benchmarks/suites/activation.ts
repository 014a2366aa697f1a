/**
 * `activation`: first calls, each to an id that this host has not seen.
 *
 * Each measurement has a host of its own, so that activations of earlier rounds weigh on none. It first calls enough
 * other ids to have claimed all shards: a claim is paid once a shard and host, not once an actor. Supply is limited, so
 * a measurement may end before its time.
 */
import { BareCounter } from '../floors/bare-object.ts'
import type { BareStore } from '../floors/bare-store.ts'
import { withCpuOf } from '../harness/cpu.ts'
import { keepInFlight } from '../harness/keep-in-flight.ts'
import type { Measure } from '../harness/sample.ts'
import { Scope } from '../harness/scope.ts'
import type { RateCase, Suite } from '../harness/suite.ts'
import { Counter } from '../subjects/counter.ts'
import { openHost } from '../subjects/open-host.ts'
import { stores, type OpenedStore, type StoreUnderTest } from './stores.ts'

const perMeasurement = 20_000
// A get of a bare store takes about a microsecond: reading the clock for each would be a good part of it.
const supply = { operations: perMeasurement, timedEvery: 8 }
// With 1,024 shards, the chance that one of them has none of these is one in two million for each.
const toClaimAllShards = 15_000

/** Calls `count` things, 1,024 at a time. */
async function forEach(count: number, operation: (index: number) => unknown): Promise<void> {
  let next = 0
  await keepInFlight({ inFlight: 1024, seconds: 600, operations: count }, () => operation(next++))
}

/** First calls of one method on a fresh host: to ids `idOf(0)`, `idOf(1)` … */
const firstCalls = (opened: OpenedStore, inFlight: number, method: 'increment' | 'total', idOf: (index: number) => string): Measure =>
  async seconds => {
    await using scope = new Scope()
    const host = await openHost(scope, { store: opened.store })
    await forEach(toClaimAllShards, index => host.actor(Counter, `claim${index}`).total())
    let next = 0
    return await withCpuOf(opened.bare.servers, () =>
      keepInFlight({ inFlight, seconds, ...supply }, () => host.actor(Counter, idOf(next++))[method]()))
  }

const freshIds = () => {
  let next = 0
  return () => `fresh${next++}`
}

/** `new` around what the store's own client reads. */
const construct = (bare: BareStore, inFlight: number, idOf: (index: number) => string): Measure => seconds => {
  const objects: BareCounter[] = []
  let next = 0
  const add = (found: unknown) => { objects.push(new BareCounter(found == null ? 0 : 1)) }
  return withCpuOf(bare.servers, () => keepInFlight({ inFlight, seconds, ...supply }, () => {
    const found = bare.get(idOf(next++))
    return found instanceof Promise ? found.then(add) : add(found)
  }))
}

const persisted = (under: StoreUnderTest, inFlight: number): RateCase => ({
  kind: 'rate',
  name: `${under.name}, nothing stored, persisted first call`,
  inFlight,
  floor: `${under.name}: ${under.put}, to fresh keys`,
  ...under.name === 'LMDB' && { atLeast: 0.4 },
  async open(scope) {
    const opened = await under.open(scope)
    const key = freshIds()
    return {
      floor: seconds => withCpuOf(opened.bare.servers, () =>
        keepInFlight({ inFlight, seconds, ...supply }, () => opened.bare.put(key()))),
      subject: firstCalls(opened, inFlight, 'increment', freshIds()),
    }
  },
})

const missing = (under: StoreUnderTest, inFlight: number): RateCase => ({
  kind: 'rate',
  name: `${under.name}, nothing stored, readonly first call`,
  inFlight,
  floor: `new + ${under.get} that finds nothing`,
  async open(scope) {
    const opened = await under.open(scope)
    return {
      floor: construct(opened.bare, inFlight, freshIds()),
      subject: firstCalls(opened, inFlight, 'total', freshIds()),
    }
  },
})

const stored = (under: StoreUnderTest, inFlight: number): RateCase => ({
  kind: 'rate',
  name: `${under.name}, state stored, readonly first call`,
  inFlight,
  floor: `new + ${under.get}`,
  ...under.name === 'LMDB' && { atLeast: 1 / 6 },
  async open(scope) {
    const opened = await under.open(scope)
    const idOf = (index: number) => `stored${index}`
    await forEach(perMeasurement, index => opened.bare.put(idOf(index)))
    await using before = new Scope()
    const host = await openHost(before, { store: opened.store })
    await forEach(perMeasurement, index => host.actor(Counter, idOf(index)).increment())
    return {
      floor: construct(opened.bare, inFlight, idOf),
      subject: firstCalls(opened, inFlight, 'total', idOf),
    }
  },
})

export const suite: Suite = {
  name: 'activation',
  title: 'first calls to actors that are not active',
  cases: stores.flatMap(under => [
    ...[64, 256].map(inFlight => persisted(under, inFlight)),
    missing(under, 64),
    stored(under, 64),
  ]),
}
