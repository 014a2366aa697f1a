/** A child process: what a host's memory holds of a million registered reminders, of which few are due soon. */
import { createHost, type HostOptions } from 'troupe'
import { hash32, shardOf } from '../../core/ids.ts'
import { SystemClock } from '../../core/clock.ts'
import { encode } from '../../core/codec.ts'
import { encodeReminder, newReminder, reminderEntry } from '../../reminders/reminder.ts'
import { readSchedule } from '../../reminders/schedule.ts'
import { openStores } from '../../stores/open-store.ts'
import { collectGarbage } from '../harness/collect-garbage.ts'
import { serveParent } from '../harness/serve-parent.ts'
import { Scheduled } from './scheduled.ts'

const SHARD_BITS = 10
const ACTORS = 10_000
const HOUR_MS = 3_600_000
/** What is due soon is due while the memory is looked at: within the scheduler's window, but not yet run. */
const SOON_MS = 15_000

async function heldMegabytes(): Promise<number> {
  for (let pass = 0; pass < 3; pass++) {
    collectGarbage()
    await new Promise(resolve => setImmediate(resolve))
  }
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1024 / 1024
}

const api = {
  /** Writes the rows as turns of 10,000 actors would have; of every hundred, one is due within 15 s after `dueInMs` from now. */
  register: async (store: string, count: number, dueInMs: number): Promise<void> => {
    const from = Date.now() + dueInMs
    const { actors } = openStores(store, { clock: new SystemClock(), namespace: 'default' })
    await actors.open()
    const seed = hash32('Scheduled')
    const epoch = 1
    const nonce = 'registered'
    await actors.claim(Array.from({ length: 2 ** SHARD_BITS }, (_, shard) => ({ type: 'Scheduled', shard, epoch, nonce })))
    const each = count / ACTORS
    const head = encode([1, { fired: 0 }, null, null, [each, 0, 0, false]], 'state')
    const batch = 200
    for (let first = 0; first < ACTORS; first += batch) {
      const results = await actors.commit(Array.from({ length: batch }, (_, i) => {
        const id = `c${first + i}`
        const entries = Array.from({ length: each }, (_, k) => {
          const at = k % 100 === 0 ? from + ((first + i) % SOON_MS) : from + HOUR_MS + k * HOUR_MS + first
          const { schedule, policy } = readSchedule({ at }, from)
          const reminder = newReminder(schedule, policy, '_run', [], from)
          return [reminderEntry(`r${k}`), encodeReminder(reminder), reminder.due] as const
        })
        return { type: 'Scheduled', shard: shardOf(seed, id, SHARD_BITS), id, epoch, nonce, previous: 0, head, entries }
      }))
      if (results.some(result => result !== 'ok')) throw new Error(`a write was answered ${results.find(result => result !== 'ok')}`)
    }
    await actors.close()
  },
  /** Megabytes that a host holds more on this store than on an empty one. */
  hold: async (store: NonNullable<HostOptions['store']>, empty: NonNullable<HostOptions['store']>): Promise<number> => {
    const first = await createHost({ actors: [Scheduled], store: empty })
    await new Promise(resolve => setTimeout(resolve, 2_000))
    const before = await heldMegabytes()
    const host = await createHost({ actors: [Scheduled], store })
    // Long enough to claim and read every shard.
    await new Promise(resolve => setTimeout(resolve, 6_000))
    const megabytes = await heldMegabytes() - before
    await Promise.all([first.stop(), host.stop()])
    return megabytes
  },
}
export type RegisteredMemoryApi = typeof api

serveParent(api)
