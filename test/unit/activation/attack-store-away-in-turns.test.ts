// A store that is away while a turn reads is no failure of the turn's method: what is durable waits for the store.
import { expect, it } from 'vitest'
import { Actor, TroupeError } from 'troupe'
import { SystemClock } from '../../../core/clock.ts'
import type { EntryRead, EntryValues } from '../../../stores/actor-store.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'
import { AdaptedStore } from './adapted-store.ts'
import { eventually } from './eventually.ts'
import { hostOf } from './running-host.ts'

class OftenAway extends AdaptedStore {
  away = 0
  override loadEntries(reads: readonly EntryRead[]): readonly Promise<EntryValues>[] {
    if (this.away === 0 || !reads.some(read => read.names.includes('s:rate'))) return super.loadEntries(reads)
    this.away--
    return reads.map(() => Promise.reject(new TroupeError('STORE_UNAVAILABLE', 'the store is away')))
  }
}

class Account extends Actor {
  total = 0
  async begin(how: 'reminder' | 'send') {
    this.total = 1
    const retry = { attempts: 2, backoff: 1 }
    if (how === 'reminder') await this.ctx.reminders.set('add', { in: 1, retry }, 'add')
    else this.ctx.send(Account, `${this.ctx.id} target`, { retry }).add()
  }
  async add() {
    this.total += 10 + (await this.ctx.storage.get<number>('rate') ?? 0)
  }
  async state() {
    return { total: this.total, reminders: await this.ctx.reminders.list() }
  }
}

it.each(['reminder', 'send'] as const)('a %s whose target reads from a store that is away oftener than it may fail', async how => {
  const actors = new OftenAway(new MemoryActorStore())
  const host = await hostOf([Account], { store: { actors, cluster: new MemoryClusterStore(new SystemClock()) } })
  const id = how === 'reminder' ? 'a' : 'a target'
  await host.actor(Account, 'a target').begin('reminder')
  await eventually(() => host.actor(Account, 'a target').state(), ({ reminders }) => reminders.length === 0, 'both are stored')
  actors.away = 5
  await host.actor(Account, 'a').begin(how)
  const { total, reminders } = await eventually(() => host.actor(Account, id).state(), state => state.total === (how === 'reminder' ? 11 : 21), 'it took effect', 8000)
  expect(reminders).toEqual([])
  expect(total).toBe(how === 'reminder' ? 11 : 21)
  expect(actors.away).toBe(0)
}, 15_000)
