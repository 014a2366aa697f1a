/**
 * A reminder, a durable send and a call with a key that kill whichever process runs them end three hosts and no more: they become
 * dead letters or fail with QUARANTINED, everything else goes on, and whoever has looked can retry them.
 */
import { rmSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { connect, type Client } from '../../gateway/client.ts'
import { repeat } from './crash-ledger.ts'
import { TestProcesses, type RunningHost } from './processes.ts'

const bombs = `
import { existsSync } from 'node:fs'
import { Actor } from 'troupe'

const deadly = () => { if (existsSync(process.env.POISON)) process.kill(process.pid, 'SIGKILL') }

export class Bomb extends Actor {
  runs = 0
  async arm(inMs) { await this.ctx.reminders.set('tick', { every: '10m', first: new Date(Date.now() + inMs) }, this._explode) }
  _explode() { return this.explode() }
  explode() { deadly(); return ++this.runs }
  count() { return this.runs }
}
export class Mine extends Actor {
  runs = 0
  onActivate() { deadly() }
  async arm(inMs) { await this.ctx.reminders.set('tick', { in: inMs }, this._explode) }
  _explode() { return ++this.runs }
  count() { return this.runs }
}
export class Sender extends Actor {
  send(to) { this.ctx.send(Bomb, to).explode() }
}
`
const innocents = `
import { Actor } from 'troupe'
export class Courier extends Actor {
  send(to) { this.ctx.send('Bomb', to).explode() }
}
export class Innocent extends Actor {
  runs = 0
  async arm(inMs) { await this.ctx.reminders.set('tick', { in: inMs }, this._fire) }
  _fire() { return ++this.runs }
  count() { return this.runs }
}
`

interface Bomb { arm(inMs: number): void; explode(): number; count(): number }
interface Sender { send(to: string): void }

/** A host that is started again each time it dies. */
class Supervised {
  readonly #start: () => Promise<RunningHost>
  readonly #loop: Promise<void>
  deaths = 0
  #host: RunningHost | undefined
  #running = true

  constructor(start: () => Promise<RunningHost>) {
    this.#start = start
    this.#loop = this.#run()
  }

  async #run(): Promise<void> {
    while (this.#running) {
      try {
        this.#host = await this.#start()
        await this.#host.process.exited
      } catch {
        // It died before it could say that it was ready.
      }
      this.#host = undefined
      if (this.#running) this.deaths++
    }
  }

  /** What `ask` says, as soon as a host lives that answers. */
  ask<Value>(what: string, ask: (client: Client) => Promise<Value | false>): Promise<Value> {
    return repeat(what, async () => {
      if (this.#host === undefined) return false
      const client = connect(this.#host.http, { timeout: '2s' })
      try {
        return await ask(client).catch(() => false as const)
      } finally {
        await client.close()
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running = false
    this.#host?.process.signal('SIGKILL')
    await this.#loop
  }
}

const setUp = (processes: TestProcesses) => {
  const poison = processes.write('poison', 'on')
  return {
    mend: () => rmSync(poison),
    settings: { apps: [processes.write('bombs.js', bombs), processes.write('innocents.js', innocents)], env: { POISON: poison } },
  }
}

describe('a host alone, started again each time it dies', () => {
  it('is ended three times by a reminder; then that is a dead letter, and others run', async () => {
    await using processes = new TestProcesses()
    const { mend, settings } = setUp(processes)
    await using host = new Supervised(() => processes.host('a', settings))
    await host.ask('the innocent one is set', async client => client.actor<Bomb>('Innocent', 'i').arm(2_500).then(() => true))
    await host.ask('the reminder is set', async client => client.actor<Bomb>('Bomb', 'b').arm(1_500).then(() => true))
    const dead = await host.ask('the reminder is a dead letter', async client => (await client.reminders('Bomb', { dead: true })).reminders[0] ?? false)
    expect(dead).toMatchObject({ id: 'b', name: 'tick', dead: { error: expect.stringMatching(/^QUARANTINED: reminder "tick" of Bomb\/b was running in 3 hosts/) } })
    expect(host.deaths).toBe(3)
    await host.ask('the innocent one ran', async client => await client.actor<Bomb>('Innocent', 'i').count() === 1)
    expect(await host.ask('its actor answers', async client => ({ runs: await client.actor<Bomb>('Bomb', 'b').count() }))).toEqual({ runs: 0 })
    // Somebody has looked, and mended it.
    mend()
    await host.ask('it is retried', async client => client.actor('Bomb', 'b').manage.reminders.retry('tick').then(() => true))
    await host.ask('it runs', async client => await client.actor<Bomb>('Bomb', 'b').count() === 1)
    const [next] = await host.ask('its next occurrence', async client => (await client.reminders('Bomb')).reminders)
    expect(next).toMatchObject({ name: 'tick', dead: undefined, count: 1 })
    expect(host.deaths).toBe(3)
  }, 90_000)

  it('is ended three times by a reminder whose actor cannot even be brought to life', async () => {
    await using processes = new TestProcesses()
    const { mend, settings } = setUp(processes)
    mend()
    await using host = new Supervised(() => processes.host('a', settings))
    await host.ask('the reminder is set', async client => client.actor<Bomb>('Mine', 'm').arm(3_000).then(() => true))
    processes.write('poison', 'on')
    await host.ask('the actor is called', async client => client.actor<Bomb>('Mine', 'other').count().then(() => false, () => true))
    await repeat('the host dies of it', async () => host.deaths >= 1)
    const dead = await host.ask('the reminder is a dead letter', async client => (await client.reminders('Mine', { dead: true })).reminders[0] ?? false)
    expect(dead).toMatchObject({ id: 'm', dead: { error: expect.stringMatching(/^QUARANTINED/) } })
    expect(host.deaths).toBeLessThanOrEqual(4)
  }, 90_000)

  it('is ended three times by a send', async () => {
    await using processes = new TestProcesses()
    const { mend, settings } = setUp(processes)
    await using host = new Supervised(() => processes.host('a', settings))
    await host.ask('the send is made', async client => client.actor<Sender>('Sender', 's').send('b').then(() => true, () => true))
    const dead = await host.ask('the send is a dead letter', async client => (await client.sends('Sender', { dead: true })).sends[0] ?? false)
    expect(dead).toMatchObject({ from: 's', id: 'b', method: 'explode', dead: { error: expect.stringMatching(/^QUARANTINED: send 1 of Sender\/s to Bomb\/b\.explode/) } })
    expect(host.deaths).toBe(3)
    mend()
    await host.ask('it is retried', async client => client.actor('Sender', 's').manage.sends.retry(dead.number).then(() => true))
    await host.ask('it is applied', async client => await client.actor<Bomb>('Bomb', 'b').count() === 1)
    expect(host.deaths).toBe(3)
  }, 90_000)
})

describe('a cluster', () => {
  const start = async (processes: TestProcesses, victims: number) => {
    const { settings } = setUp(processes)
    const { address: placement } = await processes.placement()
    // It runs no bombs, so it lives through them all.
    const door = await processes.host('door', { ...settings, placement, apps: [settings.apps[1]!] })
    const hosts = await Promise.all(Array.from({ length: victims }, (_, i) => processes.host(`v${i}`, { ...settings, placement, apps: [settings.apps[0]!] })))
    return { client: connect(door.http, { timeout: '30s' }), living: () => hosts.filter(host => host.process.running).length }
  }

  it('loses three hosts to a send from a host that lives', async () => {
    await using processes = new TestProcesses()
    const { client, living } = await start(processes, 5)
    try {
      await client.actor<Sender>('Courier', 'c').send('b')
      const dead = await repeat('the send is a dead letter', async () => (await client.sends('Courier', { dead: true })).sends[0] ?? false)
      expect(dead).toMatchObject({ from: 'c', dead: { error: expect.stringMatching(/^QUARANTINED: send 1 of Courier\/c to Bomb\/b\.explode was running in 3 hosts/) } })
      // Counted in memory, by what is heard of deaths: one that is heard of late is not counted in time.
      expect([1, 2]).toContain(living())
      expect(await client.actor<Bomb>('Bomb', 'other').count()).toBe(0)
    } finally {
      await client.close()
    }
  }, 60_000)

  it('loses three hosts to a call with a key, and serves the rest', async () => {
    await using processes = new TestProcesses()
    const { client, living } = await start(processes, 5)
    try {
      const error: unknown = await client.actor<Bomb>('Bomb', 'b').with({ idempotencyKey: 'k1' }).explode().then(() => undefined, (failure: unknown) => failure)
      expect(error).toMatchObject({ code: 'QUARANTINED', executed: 'unknown', retryable: false })
      expect([1, 2]).toContain(living())
      expect(await client.actor<Bomb>('Bomb', 'other').count()).toBe(0)
      expect(await client.actor<Bomb>('Innocent', 'i').count()).toBe(0)
    } finally {
      await client.close()
    }
  }, 60_000)
})
