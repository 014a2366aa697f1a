// A reminder's turn that is re-entered: what the turns in it set or delete is what the reminder is from then on.
import { describe, expect, it } from 'vitest'
import { Actor, type ActorOptions } from 'troupe'
import { eventually } from './eventually.ts'
import { hostOf } from './running-host.ts'

class Plan extends Actor {
  runs = 0
  touched = 0
  async start(method: '_moves') {
    await this.ctx.reminders.set('plan', { in: 1 }, method)
  }
  async repeat(method: '_isDeleted' | '_undone') {
    await this.ctx.reminders.set('plan', { every: '1h', first: new Date() }, method)
  }
  async _moves() {
    this.runs++
    await this.ctx.reminders.set('plan', { in: '5h' }, '_moves')
    await this.ctx.actor(Back, this.ctx.id).into('touch')
  }
  async _isDeleted() {
    this.runs++
    await this.ctx.actor(Back, this.ctx.id).into('cancel')
  }
  async _undone() {
    this.runs++
    await this.ctx.actor(Back, this.ctx.id).into('cancelAndThrow').catch(() => undefined)
  }
  touch() {
    this.touched++
  }
  async cancel() {
    await this.ctx.reminders.delete('plan')
  }
  async cancelAndThrow() {
    await this.ctx.reminders.delete('plan')
    throw new Error('taken back')
  }
  async look() {
    return { runs: this.runs, reminder: await this.ctx.reminders.get('plan') }
  }
  static readonly options: ActorOptions = { reentrancy: 'call-chain' }
}

class Back extends Actor {
  async into(method: 'touch' | 'cancel' | 'cancelAndThrow') {
    await this.ctx.actor(Plan, this.ctx.id)[method]()
  }
}

describe('a reminder whose turn is re-entered', () => {
  it('stays as its own turn set it, though a nested turn has committed since', async () => {
    const host = await hostOf([Plan, Back])
    await host.actor(Plan, 'a').start('_moves')
    const { reminder } = await eventually(() => host.actor(Plan, 'a').look(), seen => seen.runs === 1, 'it ran')
    expect(reminder?.due?.getTime()).toBeGreaterThan(Date.now() + 4 * 3_600_000)
  })

  it('stays deleted when a nested turn deleted it', async () => {
    const host = await hostOf([Plan, Back])
    await host.actor(Plan, 'b').repeat('_isDeleted')
    const { reminder } = await eventually(() => host.actor(Plan, 'b').look(), seen => seen.runs === 1, 'it ran')
    expect(reminder).toBeUndefined()
  })

  it('goes on when the nested turn that deleted it was taken back', async () => {
    const host = await hostOf([Plan, Back])
    await host.actor(Plan, 'c').repeat('_undone')
    const { reminder } = await eventually(() => host.actor(Plan, 'c').look(), seen => seen.runs === 1, 'it ran')
    expect(reminder?.count).toBe(1)
    expect(reminder?.due?.getTime()).toBeGreaterThan(Date.now() + 3_000_000)
  })
})
