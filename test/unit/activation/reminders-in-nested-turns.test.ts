// P2 in turns that re-enter their actor: fields, keys, reminders and sends of a turn that throws go back together, to where the last turn inside it was committed.
import { describe, expect, it } from 'vitest'
import { Actor, type ActorOptions } from 'troupe'
import { eventually } from './eventually.ts'
import { hostOf } from './running-host.ts'
import { settle } from './signal.ts'

describe('nested turns', () => {
  class Nest extends Actor {
    depth: string[] = []
    async inside(throwsAt: number, level: number): Promise<void> {
      this.depth.push(`in ${level}`)
      await this.ctx.reminders.set(`r${level}`, { in: '1h' }, this._never)
      await this.ctx.storage.put(`k${level}`, level)
      this.ctx.send(NestLog, this.ctx.id).note(`${level} before`)
      if (level < 3) await this.ctx.actor(Nest, this.ctx.id).inside(throwsAt, level + 1).catch(() => undefined)
      this.depth.push(`out ${level}`)
      await this.ctx.reminders.set(`s${level}`, { in: '1h' }, this._never)
      this.ctx.send(NestLog, this.ctx.id).note(`${level} after`)
      if (level === throwsAt) throw new Error('on purpose')
    }
    async state() {
      return { depth: this.depth, reminders: (await this.ctx.reminders.list()).map(each => each.name), keys: [...(await this.ctx.storage.list()).keys()] }
    }
    _never() {}
    static readonly options: ActorOptions = { reentrancy: 'call-chain' }
  }
  class NestLog extends Actor {
    notes: string[] = []
    note(text: string) { this.notes.push(text) }
    read() { return this.notes }
  }

  // A failing turn goes back to its start, or to the end of the last nested turn that committed inside it.
  it.each([
    [1, ['in 1', 'in 2', 'in 3', 'out 3', 'out 2'], ['r1', 'r2', 'r3', 's2', 's3'], ['1 before', '2 before', '3 before', '3 after', '2 after']],
    [2, ['in 1', 'in 2', 'in 3', 'out 3', 'out 1'], ['r1', 'r2', 'r3', 's1', 's3'], ['1 before', '2 before', '3 before', '3 after', '1 after']],
    [3, ['in 1', 'in 2', 'out 2', 'out 1'], ['r1', 'r2', 's1', 's2'], ['1 before', '2 before', '2 after', '1 after']],
  ])('of which level %i throws leave fields, keys, reminders and sends alike', async (level, depth, reminders, notes) => {
    const host = await hostOf([Nest, NestLog])
    const nest = host.actor(Nest, 'n')
    await nest.inside(level, 1).catch(() => undefined)
    const keys = reminders.filter(name => name.startsWith('r')).map(name => `k${name.slice(1)}`)
    expect(await nest.state()).toEqual({ depth, reminders, keys })
    await eventually(() => host.actor(NestLog, 'n').read(), read => read.length >= notes.length, 'all sends came')
    await settle(20)
    expect(await host.actor(NestLog, 'n').read()).toEqual(notes)
    expect(await nest.manage.sends.list()).toEqual([])
  })
})
