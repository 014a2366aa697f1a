/** A child process: what a host's memory holds of a million registered reminders, of which few are due soon. */
import { createHost, type HostOptions } from 'troupe'
import { hash32, shardOf } from '../../core/ids.ts'
import { SystemClock } from '../../core/clock.ts'
import { encode } from '../../core/codec.ts'
import { encodeReminder, newReminder, reminderEntry } from '../../reminders/reminder.ts'
import { readSchedule } from '../../reminders/schedule.ts'
import type { ActorStore } from '../../stores/actor-store.ts'
import { openStores } from '../../stores/open-store.ts'
import { collectGarbage } from '../harness/collect-garbage.ts'
import { serveParent } from '../harness/serve-parent.ts'
import { Scheduled } from './scheduled.ts'

const SHARD_BITS = 10
const ACTORS = 10_000
const HOUR_MS = 3_600_000
/** Within the scheduler's window when the memory is looked at, some ten seconds after they were written, and not yet run. */
const SOON_MS = 20_000
const SPREAD_MS = 5_000
const EPOCH = 1
const NONCE = 'registered'
const seed = hash32('Scheduled')

type Row = readonly [name: string, value: Uint8Array, due: number]

function rowAt(name: string, at: number): Row {
  const { schedule, policy } = readSchedule({ at }, Date.now())
  const reminder = newReminder(schedule, policy, '_run', [], Date.now())
  return [reminderEntry(name), encodeReminder(reminder), reminder.due]
}

/** One commit an actor. */
async function write(store: ActorStore, previous: number, rowsOf: (index: number) => readonly Row[]): Promise<void> {
  const head = encode([1, { fired: 0 }, null, null, [100, 0, 0, false]], 'state')
  const batch = 200
  for (let first = 0; first < ACTORS; first += batch) {
    const results = await store.commit(Array.from({ length: batch }, (_, i) => {
      const id = `c${first + i}`
      return { type: 'Scheduled', shard: shardOf(seed, id, SHARD_BITS), id, epoch: EPOCH, nonce: NONCE, previous, head, entries: rowsOf(first + i) }
    }))
    const refused = results.find(result => result !== 'ok')
    if (refused !== undefined) throw new Error(`a write was answered ${refused}`)
  }
}

async function heldMegabytes(): Promise<number> {
  for (let pass = 0; pass < 3; pass++) {
    collectGarbage()
    await new Promise(resolve => setImmediate(resolve))
  }
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1024 / 1024
}

const api = {
  /**
   * Writes the rows as turns of 10,000 actors would have; of every hundred, one is due soon. Those are written last, and
   * only if they cannot fall due before `hold` has looked.
   */
  register: async (store: string, count: number): Promise<void> => {
    const { actors } = openStores(store, { clock: new SystemClock(), namespace: 'default' })
    await actors.open()
    await actors.claim(Array.from({ length: 2 ** SHARD_BITS }, (_, shard) => ({ type: 'Scheduled', shard, epoch: EPOCH, nonce: NONCE })))
    const each = count / ACTORS
    const soonEach = each / 100
    const now = Date.now()
    await write(actors, 0, index => Array.from({ length: each - soonEach }, (_, k) => rowAt(`r${k}`, now + (k + 1) * HOUR_MS + index)))
    const soon = Date.now() + SOON_MS
    await write(actors, 1, index => Array.from({ length: soonEach }, (_, k) => rowAt(`soon${k}`, soon + index % SPREAD_MS)))
    if (Date.now() > soon - SOON_MS / 2) throw new Error('the rows that are due soon took too long to write')
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
