/** A thousand scheduled actors on one host: reminders are set on them in turn, and waited for. */
import { createHost, type Host, type HostOptions } from 'troupe'
import { cpuSecondsOfProcess, type Sample } from '../harness/sample.ts'
import { keepInFlight } from '../harness/keep-in-flight.ts'
import type { Scope } from '../harness/scope.ts'
import { runs, Scheduled } from './scheduled.ts'

export const ACTORS = 1000
const FAR_MS = 365 * 24 * 60 * 60_000
/** Time for planning before the first is due; a store is faster, but not by much in its worst second. */
const PLANS_A_SECOND = 5_000

export class ReminderPlans {
  readonly #actors
  #planned = 0

  constructor(host: Host) {
    this.#actors = Array.from({ length: ACTORS }, (_, index) => host.actor(Scheduled, `c${index}`))
  }

  static async open(scope: Scope, store: NonNullable<HostOptions['store']>): Promise<ReminderPlans> {
    const host = await createHost({ actors: [Scheduled], store, checkReadonly: false })
    scope.defer(() => host.stop())
    const plans = new ReminderPlans(host)
    await plans.fired()
    return plans
  }

  /** The row that the next plan makes, as a key: the floor writes the same. */
  static rowKey(index: number): string {
    return `c${index % ACTORS}/r${index}`
  }

  plan(at = Date.now() + FAR_MS): Promise<void> {
    const index = this.#planned++
    return this.#actors[index % ACTORS]!.plan(`r${index}`, at)
  }

  /** Runs that are durable, over all actors. */
  async fired(): Promise<number> {
    const totals = await Promise.all(this.#actors.map(actor => actor.total()))
    return totals.reduce((sum, total) => sum + total, 0)
  }

  /** Sets `count` reminders due at one instant; measures from then until all have run and are durable. */
  async trigger(count: number): Promise<Sample> {
    const before = await this.fired()
    const at = Math.ceil(Date.now() + 2_000 + count / PLANS_A_SECOND * 1000)
    await keepInFlight({ inFlight: 1024, seconds: 600, operations: count }, () => this.plan(at))
    if (Date.now() >= at) throw new Error(`${count} reminders could not be set before they were due`)
    const ran = untilRuns(count)
    await new Promise(resolve => setTimeout(resolve, at - Date.now() - 5))
    const cpu = cpuSecondsOfProcess()
    await ran
    const after = await this.fired()
    const seconds = (Date.now() - at) / 1000
    if (after - before !== count) throw new Error(`${count} reminders were due, ${after - before} runs are stored`)
    return { operations: count, seconds, p50Us: NaN, p99Us: NaN, cpu: { bench: cpuSecondsOfProcess() - cpu } }
  }

  /** Sets `count` reminders, `perSecond` of them due each second (Infinity: all at once). @returns how late each began, ms, sorted */
  async lateness(count: number, perSecond: number): Promise<number[]> {
    const first = Math.ceil(Date.now() + 2_000 + count / PLANS_A_SECOND * 1000)
    let next = 0
    await keepInFlight({ inFlight: 256, seconds: 600, operations: count }, () => this.plan(first + Math.floor(next++ / perSecond * 1000)))
    runs.late = []
    try {
      await untilRuns(count)
      return runs.late.sort((a, b) => a - b)
    } finally {
      runs.late = undefined
    }
  }
}

function untilRuns(count: number): Promise<void> {
  const all = runs.count + count
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${all - runs.count} of ${count} reminders have not run after two minutes`)), 120_000)
    runs.onRun = () => {
      if (runs.count < all) return
      clearTimeout(timer)
      runs.onRun = undefined
      resolve()
    }
  })
}
