// The wall clock is set back after something was found due and before its turn could begin: it waits, and is not forgotten.
import { expect, it } from 'vitest'
import { Actor } from 'troupe'
import { NEVER_DUE } from '../../../stores/actor-store.ts'
import { eventually } from './eventually.ts'
import { MovedClock, Nudge } from './moved-clock.ts'
import { adaptedStores, hostOf } from './running-host.ts'
import { settle, Signal, until } from './signal.ts'

const gates = new Map<string, Signal>()
const ran: string[] = []

class Busy extends Actor {
  async setAndBeBusy(what: 'reminder' | 'key') {
    if (what === 'reminder') await this.ctx.reminders.set('r', { in: 20 }, '_run')
    else await this.ctx.storage.put('s', 1, { ttl: 20 })
  }
  async beBusy(what: string) {
    ran.push(`${what} busy`)
    await gates.get(what)!.wait()
  }
  _run() {
    ran.push('reminder')
  }
}

it.each(['reminder', 'key'] as const)('a %s whose turn waits while the clock is set back', async what => {
  const clock = new MovedClock()
  const stores = adaptedStores()
  const host = await hostOf([Busy, Nudge], { store: stores, clock, shardBits: 1 })
  gates.set(what, new Signal())
  const set = host.actor(Busy, 'a').setAndBeBusy(what)
  const held = host.actor(Busy, 'a').beBusy(what)
  await set
  const due = Date.now() + 100
  await until(() => Date.now() > due, 'the row is due')
  await settle()
  await clock.jump(-3_600_000, host)
  gates.get(what)!.fire()
  await held
  await settle(50)
  const rows = async () => (await stores.actors.due([0, 1].map(shard => ({ type: 'Busy', shard, until: NEVER_DUE, limit: 10 })))).flatMap(page => page.rows)
  expect(await rows()).toHaveLength(1)
  expect(ran).not.toContain('reminder')
  await clock.jump(3_600_000, host)
  await eventually(rows, left => left.length === 0, 'it is run, or removed, when it is due again')
  expect(ran.filter(each => each === 'reminder')).toHaveLength(what === 'reminder' ? 1 : 0)
  ran.length = 0
})
