// Hosts that come to one LMDB folder, leave it, and that stop in the middle of work: every acknowledged write is there, every call settles.
import { describe, expect, it } from 'vitest'
import { Actor, type TroupeError } from 'troupe'
import { hostOf, lmdbFolder } from '../unit/activation/running-host.ts'
import { failureOf } from '../unit/activation/signal.ts'

class Tally extends Actor {
  names: string[] = []
  async add(name: string) {
    await Promise.resolve()
    this.names.push(name)
    return this.names.length
  }
  read() {
    return this.names
  }
}

describe('acknowledged writes', () => {
  it('survive that hosts come and go', async () => {
    const store = lmdbFolder()
    const acknowledged: string[] = []
    const add = async (host: Awaited<ReturnType<typeof hostOf>>, name: string): Promise<void> => {
      await host.actor(Tally, 'a').add(name).then(() => acknowledged.push(name), () => undefined)
    }
    let host = await hostOf([Tally], { store })
    for (let round = 0; round < 4; round++) {
      const older = host
      const calls = Array.from({ length: 30 }, (_, i) => add(older, `${round}/old/${i}`))
      host = await hostOf([Tally], { store })
      const newer = host
      calls.push(...Array.from({ length: 30 }, (_, i) => add(newer, `${round}/new/${i}`)))
      await older.stop()
      await Promise.all(calls)
      const stored = await newer.actor(Tally, 'a').read()
      expect(acknowledged.filter(name => !stored.includes(name))).toEqual([])
      expect(new Set(stored).size).toBe(stored.length)
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(200)
  })

  it('survive a stop in the middle of work, and every call settles', async () => {
    const store = lmdbFolder()
    const host = await hostOf([Tally], { store })
    await host.actor(Tally, 'a').add('first')
    const calls = Array.from({ length: 200 }, (_, i) => host.actor(Tally, i % 2 === 0 ? 'a' : `cold-${i}`).add(`call ${i}`).then(() => `call ${i}`, (error: TroupeError) => error))
    await host.stop()
    const results = await Promise.all(calls)
    const again = await hostOf([Tally], { store })
    const stored = await again.actor(Tally, 'a').read()
    for (const [i, result] of results.entries()) {
      const there = i % 2 === 0 ? stored.includes(`call ${i}`) : (await again.actor(Tally, `cold-${i}`).read()).length > 0
      if (typeof result === 'string') expect([result, there]).toEqual([result, true])
      else if (result.executed === 'no') expect([i, result.code, there]).toEqual([i, result.code, false])
    }
    expect(await failureOf(host.actor(Tally, 'a').add('after'))).toMatchObject({ code: 'HOST_STOPPING', executed: 'no' })
  })
})
