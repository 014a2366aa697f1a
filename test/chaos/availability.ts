/**
 * How long actors of one host cannot be called: from a fault to their first success. Calls begin every few milliseconds without
 * waiting for those before, as from many clients, so that one that waits in vain hides nothing.
 */
import { pause, type ChaosCluster, type ChaosHost } from './chaos-cluster.ts'
import type { LedgerLoad } from './ledger-load.ts'

const EVERY_MS = 25
const ANSWER_MS = 3_000

/**
 * From now (the fault has just happened) until each of the actors has answered a call that began since, through the doors of the
 * other hosts: the slowest of them. Infinity when not within `deadlineMs`; undefined when there are no actors.
 */
export async function firstSuccess(
  cluster: ChaosCluster, load: LedgerLoad, ids: readonly string[], deadlineMs: number, doors: () => readonly ChaosHost[] = () => cluster.doors,
): Promise<number | undefined> {
  const fromMs = load.nowMs
  const times = await Promise.all(ids.map(id => firstOf(load, id, doors, fromMs, deadlineMs)))
  return times.length === 0 ? undefined : Math.max(...times)
}

async function firstOf(load: LedgerLoad, id: string, doors: () => readonly ChaosHost[], fromMs: number, deadlineMs: number): Promise<number> {
  let firstMs: number | undefined
  for (let i = 0; firstMs === undefined && load.nowMs - fromMs < deadlineMs; i++) {
    const open = doors()
    const door = open[i % open.length]
    if (door !== undefined) {
      void load.once('add', id, door, ANSWER_MS).then(outcome => { if (outcome.kind === 'ok') firstMs ??= load.nowMs - fromMs })
    }
    await pause(EVERY_MS)
  }
  return firstMs ?? Infinity
}
