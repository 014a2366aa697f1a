/**
 * `reminders`: setting them, running them, how late they run, and what a host's memory holds of a million. The floor of the
 * rates is one bare durable put an operation, to a fresh key that lies where the reminder's row lies: under its actor.
 */
import { withCpuOf } from '../harness/cpu.ts'
import { keepInFlight } from '../harness/keep-in-flight.ts'
import type { Scope } from '../harness/scope.ts'
import type { FigureCase, RateCase, Suite } from '../harness/suite.ts'
import type { RegisteredMemoryApi } from '../subjects/registered-memory.ts'
import { ReminderPlans } from '../subjects/reminder-plans.ts'
import { durableStores, type StoreUnderTest } from './stores.ts'

const TRIGGERS = 100_000
const REGISTERED = 1_000_000

const floorOf = (under: StoreUnderTest): string => `${under.name}: ${under.put}, each to a fresh key under its actor`

const registrations = (under: StoreUnderTest, inFlight: number): RateCase => ({
  kind: 'rate', name: `${under.name}, registrations`, inFlight, floor: floorOf(under), ...under.name === 'LMDB' && { atLeast: 0.45 },
  async open(scope) {
    const { store, bare } = await under.open(scope)
    const plans = await ReminderPlans.open(scope, store)
    let put = 0
    return {
      floor: seconds => withCpuOf(bare.servers, () => keepInFlight({ inFlight, seconds }, () => bare.put(ReminderPlans.rowKey(put++)))),
      subject: seconds => withCpuOf(bare.servers, () => keepInFlight({ inFlight, seconds }, () => plans.plan())),
    }
  },
})

const triggers = (under: StoreUnderTest): RateCase => ({
  kind: 'rate', name: `${under.name}, triggers, all due at once`, inFlight: 1024, floor: floorOf(under), ...under.name === 'LMDB' && { atLeast: 0.25 },
  async open(scope) {
    const { store, bare } = await under.open(scope)
    const plans = await ReminderPlans.open(scope, store)
    let put = 0
    return {
      floor: seconds => withCpuOf(bare.servers, () => keepInFlight({ inFlight: 1024, seconds }, () => bare.put(ReminderPlans.rowKey(put++)))),
      // As many as there is time for in a quick run.
      subject: seconds => withCpuOf(bare.servers, () => plans.trigger(Math.round((under.name === 'LMDB' ? TRIGGERS : TRIGGERS / 10) * Math.min(1, seconds)))),
    }
  },
})

const at = (sorted: readonly number[], share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!

const burst = (under: StoreUnderTest): FigureCase => ({
  kind: 'figure', name: `${under.name}, 1,000 due in one millisecond: the last begins after`, unit: 'ms', ...under.name === 'LMDB' && { atMost: 100 },
  open: async scope => {
    const plans = await openPlans(scope, under)
    return { subject: async () => at(await plans.lateness(1000, Infinity), 1) }
  },
})

const lateness = (under: StoreUnderTest, share: number): FigureCase => ({
  kind: 'figure', name: `${under.name}, lateness p${share * 100} at 1,000 a second`, unit: 'ms', ...under.name === 'LMDB' && share === 0.99 && { atMost: 50 },
  open: async scope => {
    const plans = await openPlans(scope, under)
    return { subject: async () => at(await plans.lateness(3000, 1000), share) }
  },
})

async function openPlans(scope: Scope, under: StoreUnderTest): Promise<ReminderPlans> {
  const { store } = await under.open(scope)
  return ReminderPlans.open(scope, store)
}

const heap = (under: StoreUnderTest): FigureCase => ({
  kind: 'figure', name: `${under.name}, heap for 1,000,000 registered, 1 % due soon`, unit: 'MB', exact: true, ...under.name === 'LMDB' && { atMost: 150 },
  open: async scope => {
    const [full, empty] = [await under.open(scope), await under.open(scope)]
    if (typeof full.store !== 'string' || typeof empty.store !== 'string') throw new Error('needs stores that other processes can open')
    const urls = [full.store, empty.store] as const
    const child = () => scope.child<RegisteredMemoryApi>(new URL('../subjects/registered-memory.ts', import.meta.url))
    const registrar = await child()
    await registrar.ask('register', urls[0], REGISTERED)
    await registrar.stop()
    return {
      subject: async () => {
        const holder = await child()
        try {
          return await holder.ask('hold', ...urls)
        } finally {
          await holder.stop()
        }
      },
    }
  },
})

export const suite: Suite = {
  name: 'reminders',
  title: 'reminders: set, run, late, held',
  cases: durableStores.flatMap(under => [
    ...(under.name === 'LMDB' ? [64, 256, 1024] : [256]).map(inFlight => registrations(under, inFlight)),
    triggers(under), burst(under), lateness(under, 0.5), lateness(under, 0.99), heap(under),
  ]),
}
