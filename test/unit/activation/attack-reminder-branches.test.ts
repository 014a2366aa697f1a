// Branches of one turn that set and delete the same reminder: the actor's tally stays what it has.
import { expect, it } from 'vitest'
import { Actor, type ActorOptions } from 'troupe'
import { hostOf, lmdbFolder } from './running-host.ts'
import { failureOf } from './signal.ts'

class Few extends Actor {
  async twice(name: string) {
    await Promise.all([this.ctx.reminders.set(name, { in: '1h' }), this.ctx.reminders.set(name, { in: '2h' })])
  }
  async twiceNew(name: string) {
    const results = await Promise.allSettled([1, 2].map(hours => this.ctx.reminders.set(name, { in: `${hours}h`, overwrite: false })))
    return results.map(result => result.status)
  }
  async deleteTwice(name: string) {
    return Promise.all([this.ctx.reminders.delete(name), this.ctx.reminders.delete(name)])
  }
  async set(...names: string[]) {
    await Promise.all(names.map(name => this.ctx.reminders.set(name, { in: '1h' })))
  }
  async names() {
    return (await this.ctx.reminders.list()).map(each => each.name)
  }
  onReminder() {}
  static readonly options: ActorOptions = { maxReminders: 3 }
}

it.each(['memory:', 'lmdb:'])('a reminder that two branches of a turn set counts once, one that two delete is taken away once (%s)', async store => {
  const host = await hostOf([Few], { store: store === 'lmdb:' ? lmdbFolder() : store })
  const few = host.actor(Few, 'a')
  await few.twice('a')
  await few.set('b', 'c')
  expect(await few.names()).toEqual(['a', 'b', 'c'])
  expect((await failureOf(few.set('d'))).code).toBe('QUOTA_EXCEEDED')
  expect(await few.deleteTwice('a')).toContain(true)
  await few.set('d')
  expect((await failureOf(few.set('e'))).code).toBe('QUOTA_EXCEEDED')
  await few.deleteTwice('b')
  await few.deleteTwice('c')
  await few.deleteTwice('d')
  expect((await failureOf(few.set('1', '2', '3', '4'))).code).toBe('QUOTA_EXCEEDED')
  await few.set('1', '2', '3')
})

it('of two branches that set a new reminder without overwriting, one is refused', async () => {
  const host = await hostOf([Few], { store: lmdbFolder() })
  expect((await host.actor(Few, 'b').twiceNew('a')).sort()).toEqual(['fulfilled', 'rejected'])
})
