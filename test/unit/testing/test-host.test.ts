import { describe, expect, it } from 'vitest'
import { Actor, type Firing } from '../../../index.ts'
import { testHost } from '../../../runtime/testing/testing.ts'

const HOUR = 3_600_000

class Account extends Actor {
  balance = 0
  rings: [number, number][] = []
  #warm = 0

  static readonly options = { idleAfter: '10m' }

  deposit(cents: number) {
    this.#warm++
    return this.balance += cents
  }
  warmth() {
    return this.#warm
  }
  transfer(to: string, cents: number) {
    this.balance -= cents
    this.ctx.send(Account, to).deposit(cents)
  }
  async payHourly(cents: number) {
    await this.ctx.reminders.set('interest', { every: '1h' }, this._interest, cents)
  }
  _interest(cents: number, due: Firing) {
    this.balance += cents
    this.rings.push([due.due.getTime(), due.count])
  }
  seen() {
    return this.rings
  }
  never() {
    return new Promise<void>(() => undefined)
  }
  throwUp() {
    throw new Error('no')
  }
  async poke(other: string) {
    this.ctx.send(Account, other).throwUp()
  }
}

describe('a test host', () => {
  it('answers calls without time passing', async () => {
    await using host = await testHost({ actors: [Account], startAt: '2024-02-29T12:00:00Z' })
    expect(await host.actor(Account, 'ada').deposit(5)).toBe(5)
    expect(await host.actor<Account>('Account', 'ada').deposit(5)).toBe(10)
    expect(host.now.toISOString()).toBe('2024-02-29T12:00:00.000Z')
  })

  it('runs every occurrence of a reminder at its instant when a day is advanced', async () => {
    await using host = await testHost({ actors: [Account], startAt: 0 })
    const ada = host.actor(Account, 'ada')
    await ada.payHourly(3)
    await host.advance('24h')
    expect(await ada.deposit(0)).toBe(72)
    expect(await ada.seen()).toEqual(Array.from({ length: 24 }, (_, i) => [(i + 1) * HOUR, i + 1]))
    expect(host.now.getTime()).toBe(24 * HOUR)
  })

  it('delivers durable sends by itself', async () => {
    await using host = await testHost({ actors: [Account] })
    await host.actor(Account, 'ada').transfer('bob', 7)
    await host.settle()
    expect(await host.actor(Account, 'bob').deposit(0)).toBe(7)
  })

  it('collects idle actors', async () => {
    await using host = await testHost({ actors: [Account] })
    const ada = host.actor(Account, 'ada')
    await ada.deposit(1)
    await host.advance('5m')
    expect(await ada.warmth()).toBe(1)
    await host.advance('1h')
    expect(await ada.warmth()).toBe(0)
    expect(await ada.deposit(0)).toBe(1)
  })

  it('runs timers, retries and deadlines by the same time', async () => {
    await using host = await testHost({ actors: [Account], callTimeout: '5s' })
    const late = expect(host.actor(Account, 'ada').never()).rejects.toMatchObject({ code: 'CALL_TIMEOUT' })
    await host.advance('6s')
    await late
    await host.actor(Account, 'bob').poke('eve')
    await host.advance('1d')
    expect((await host.host.listSends('Account', { limit: 10 })).sends).toHaveLength(1)
  })

  it('keeps what was stored over a crash, and nothing else', async () => {
    await using host = await testHost({ actors: [Account] })
    await host.actor(Account, 'ada').deposit(5)
    await host.actor(Account, 'ada').payHourly(1)
    await host.crash()
    expect(await host.actor(Account, 'ada').warmth()).toBe(0)
    await host.advance('1h')
    expect(await host.actor(Account, 'ada').deposit(0)).toBe(6)
  })

  it('fires nothing early when the wall clock is set back', async () => {
    await using host = await testHost({ actors: [Account], startAt: 0 })
    const ada = host.actor(Account, 'ada')
    await ada.payHourly(1)
    await host.advance('30m')
    host.setWallClock(0)
    await host.advance('45m')
    expect(await ada.deposit(0)).toBe(0)
    await host.advance('15m')
    expect(await ada.deposit(0)).toBe(1)
  })

  it('repeats exactly', async () => {
    const run = async (): Promise<unknown> => {
      await using host = await testHost({ actors: [Account], seed: 7 })
      await host.actor(Account, 'bob').poke('eve')
      await host.actor(Account, 'ada').payHourly(1)
      await host.advance('7h')
      return [await host.actor(Account, 'ada').seen(), await host.host.listSends('Account', { limit: 10 })]
    }
    expect(await run()).toEqual(await run())
  })

  it('refuses a wrong start', async () => {
    await expect(testHost({ actors: [Account], startAt: 'soon' })).rejects.toMatchObject({ code: 'BAD_OPTION' })
    await using host = await testHost({ actors: [Account] })
    await expect(host.advance('a while')).rejects.toMatchObject({ code: 'BAD_OPTION' })
  })
})
