import { Metadata } from '@grpc/grpc-js'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Actor, createHost, httpGateway, TroupeError, type Host, type HostOptions } from '../../index.ts'
import type { Authorize, AuthorizeRequest } from '../../actors/authorize.ts'
import { connect } from '../../gateway/client.ts'
import { grpcGateway } from '../../gateway/grpc.ts'
import { lmdbFolder } from '../unit/activation/running-host.ts'
import { daprStub } from './dapr-stub.ts'

const activated: string[] = []

class Vault extends Actor {
  gold = 0
  done: string[] = []
  onActivate() {
    activated.push(this.ctx.id)
  }
  put(n: number) {
    this.gold += n
    return this.gold
  }
  look() {
    return this.gold
  }
  note(what: string) {
    this.done.push(what)
  }
  said() {
    return this.done
  }
  async *coins() {
    yield this.gold
  }
  onReminder(name: string) {
    this.done.push(name)
  }
  async tick() {
    this.ctx.timers.set('t', { every: 5 }, this._ticked)
  }
  _ticked() {
    this.done.push('tick')
    this.ctx.timers.delete('t')
  }
  async remindMyself() {
    await this.ctx.reminders.set('own', { in: 1 }, this.note, 'own')
  }
}

class Thief extends Actor {
  async rob(id: string) {
    return this.ctx.actor(Vault, id).look()
  }
  async robByName(id: string, method: string) {
    return (this.ctx.actor('Vault', id) as unknown as Record<string, () => Promise<unknown>>)[method]!()
  }
  bribe(id: string) {
    this.ctx.send(Vault, id, { retry: { attempts: 1 } }).note('bribed')
  }
}

class Watched {
  readonly asked: AuthorizeRequest[] = []
  readonly host: Host
  readonly url: string

  private constructor(host: Host, asked: AuthorizeRequest[]) {
    this.host = host
    this.asked = asked
    this.url = host.addresses.http ?? ''
  }
  static async start(authorize: Authorize, options: Partial<HostOptions> = {}): Promise<Watched> {
    const asked: AuthorizeRequest[] = []
    const host = await createHost({
      actors: [Vault, Thief], store: 'memory:', gateways: [httpGateway({ port: 0 }), grpcGateway({ port: 0 })],
      authorize: request => {
        asked.push(request)
        return authorize(request)
      },
      ...options,
    })
    onTestFinished(() => host.stop())
    return new Watched(host, asked)
  }
  get brief(): string[] {
    return this.asked.map(({ type, id, method, kind, caller }) => `${kind} ${type}/${id}.${method} by ${caller.kind === 'actor' ? `${caller.type}/${caller.id}` : caller.kind}`)
  }
  client() {
    const client = connect(this.url)
    onTestFinished(() => client.close())
    return client
  }
}

/** `executed`: what it proves of the call that was made; a method that passes a refusal on has run. */
const forbidden = async (work: Promise<unknown>, executed = 'no'): Promise<void> => {
  const error = await work.then(() => { throw new Error('it was allowed') }, (thrown: unknown) => thrown)
  expect(TroupeError.is(error, 'FORBIDDEN'), String(error)).toBe(true)
  expect((error as TroupeError).executed).toBe(executed)
}
const until = async (what: string, holds: () => Promise<boolean> | boolean): Promise<void> => {
  const deadline = Date.now() + 8000
  while (!await holds()) {
    expect(Date.now(), what).toBeLessThan(deadline)
    await new Promise(resolve => setImmediate(resolve))
  }
}

describe('the hook is asked for', () => {
  it('calls of the host itself, from HTTP and from gRPC, with the names that are dispatched', async () => {
    const watched = await Watched.start(() => true)
    await watched.host.actor(Vault, 'a').put(1)
    await fetch(`${watched.url}/v1.0/actors/Vault/a%20b/method/x%2F..%2Flook`, { method: 'POST' })
    await watched.client().actor<Vault>('Vault', 'c').put(2)
    const stub = daprStub(watched.host.addresses.grpc!)
    await stub.invoke({ actorType: 'Vault', actorId: 'd', method: 'y/../look' }, new Metadata())
    expect(watched.brief).toEqual(['call Vault/a.put by host', 'call Vault/a b.look by outside', 'call Vault/c.put by outside', 'call Vault/d.look by outside'])
    expect(watched.asked.map(r => r.caller).slice(1)).toEqual(['http', 'http', 'grpc'].map(via => ({ kind: 'outside', via })))
  })

  it('streams, reads of state, and management', async () => {
    const watched = await Watched.start(({ kind }) => kind === 'call')
    const vault = watched.client().actor<Vault>('Vault', 'a')
    for await (const coin of vault.coins()) expect(coin).toBe(0)
    expect((await fetch(`${watched.url}/v1.0/actors/Vault/a/state/gold`)).status).toBe(403)
    await forbidden(vault.manage.reminders.list())
    await forbidden(vault.manage.sends.list())
    await forbidden(watched.client().reminders('Vault'))
    await forbidden(watched.client().sends('Vault'))
    await forbidden(watched.client().deleteReminders('Vault'))
    expect(watched.brief).toEqual([
      'call Vault/a.coins by outside', 'read Vault/a.gold by outside', 'manage Vault/a.reminders.list by outside', 'manage Vault/a.sends.list by outside',
      'list Vault/.reminders by outside', 'list Vault/.sends by outside', 'list Vault/.reminders by outside',
    ])
  })

  it('calls of actors, by class and by name, and durable sends when they arrive', async () => {
    const watched = await Watched.start(({ type, caller, method }) => type === 'Thief' || caller.kind !== 'actor' || method === 'note')
    await watched.host.actor(Vault, 'v').put(7)
    await forbidden(watched.host.actor(Thief, 't').rob('v'), 'yes')
    await forbidden(watched.host.actor(Thief, 't').robByName('v', 'look'), 'yes')
    await watched.host.actor(Thief, 't').bribe('v')
    await until('the send arrives', async () => (await watched.host.actor(Vault, 'v').said()).includes('bribed'))
    expect(watched.brief).toContain('call Vault/v.look by Thief/t')
    expect(watched.brief).toContain('send Vault/v.note by Thief/t')
  })

  it('a send that is refused becomes a dead letter, which says why', async () => {
    const watched = await Watched.start(({ kind }) => kind !== 'send')
    const thief = watched.host.actor(Thief, 't')
    await thief.bribe('v')
    await until('it is dead', async () => (await thief.manage.sends.list({ dead: true })).length === 1)
    expect((await thief.manage.sends.list())[0]?.dead?.error).toMatch(/^FORBIDDEN/)
    expect(await watched.host.actor(Vault, 'v').said()).toEqual([])
  })

  it('reminders from outside: setting them, and the method that they will run', async () => {
    const watched = await Watched.start(({ kind, caller, method }) => kind !== 'reminder' || caller.kind !== 'outside' || method !== 'put')
    const vault = watched.client().actor<Vault>('Vault', 'a')
    await forbidden(vault.manage.reminders.set('sneaky', { in: 1 }, 'put', 1000))
    const set = await fetch(`${watched.url}/v1.0/actors/Vault/a/reminders/plain`, { method: 'POST', body: '{"dueTime":"1ms"}' })
    expect(set.status).toBe(204)
    await until('it runs', async () => (await watched.host.actor(Vault, 'a').said()).includes('plain'))
    expect(watched.brief.filter(text => !text.includes('.said'))).toEqual([
      'manage Vault/a.reminders.set by outside', 'reminder Vault/a.put by outside',
      'manage Vault/a.reminders.set by outside', 'reminder Vault/a.onReminder by outside', 'reminder Vault/a.onReminder by Vault/a',
    ])
    expect(await watched.host.actor(Vault, 'a').look()).toBe(0)
  })

  it('reminders when they run; refused for good they are dead letters', async () => {
    const watched = await Watched.start(({ kind, caller }) => kind !== 'reminder' || caller.kind !== 'actor')
    const vault = watched.host.actor(Vault, 'a')
    await vault.manage.reminders.set('r', { in: 1, retry: { attempts: 1 } }, 'note', 'never')
    await until('it is dead', async () => (await vault.manage.reminders.get('r'))?.dead !== undefined)
    expect((await vault.manage.reminders.get('r'))?.dead?.error).toMatch(/^FORBIDDEN/)
    expect(await vault.said()).toEqual([])
  })

  it('not timers, which only the actor itself sets', async () => {
    const watched = await Watched.start(() => true)
    const vault = watched.host.actor(Vault, 'a')
    await vault.tick()
    await until('it ticks', async () => (await vault.said()).includes('tick'))
    expect(new Set(watched.brief)).toEqual(new Set(['call Vault/a.tick by host', 'call Vault/a.said by host']))
  })
})

describe('a refusal', () => {
  it('activates nobody, costs no place, and reaches the client as FORBIDDEN', async () => {
    activated.length = 0
    const watched = await Watched.start(() => false)
    await forbidden(watched.host.actor(Vault, 'x').look())
    const reply = await fetch(`${watched.url}/v1.0/actors/Vault/x/method/look`, { method: 'POST' })
    expect([reply.status, await reply.json()]).toEqual([403, expect.objectContaining({
      code: 'FORBIDDEN', errorCode: 'ERR_PERMISSION_DENIED', executed: 'no', message: expect.stringContaining('Vault/x.look'),
    })])
    expect(Object.values(watched.host.hostStatus().activations).reduce((sum, n) => sum + n, 0)).toBe(0)
    expect(activated).toEqual([])
  })

  it.each<[string, Authorize]>([
    ['false', () => false], ['a promise of false', async () => false], ['nothing', () => undefined as never], ['1', () => 1 as never], ['"true"', async () => 'true' as never],
    ['a throw', () => { throw new Error('db is down') }], ['a rejection', () => Promise.reject(new Error('db is down'))],
  ])('is %s', async (_, authorize) => {
    const watched = await Watched.start(authorize)
    await forbidden(watched.host.actor(Vault, 'x').look())
  })

  it('is no answer in time; the call ends with it, and the next one is asked anew', async () => {
    let hangs = true
    const watched = await Watched.start(() => (hangs ? new Promise<boolean>(() => {}) : true))
    await forbidden(watched.host.actor(Vault, 'x').look())
    hangs = false
    expect(await watched.host.actor(Vault, 'x').look()).toBe(0)
  }, 15_000)

  it('tells the caller nothing of what is wrong with the hook', async () => {
    const watched = await Watched.start(() => { throw new Error('password=hunter2') })
    const text = await (await fetch(`${watched.url}/v1.0/actors/Vault/x/method/look`, { method: 'POST' })).text()
    expect(text).not.toContain('hunter2')
  })
})

it('a hook that thinks first admits calls in the end, and gives no place to callers who have left', async () => {
  let admit!: (allowed: boolean) => void
  const watched = await Watched.start(({ method }) => (method === 'put' ? new Promise<boolean>(resolve => { admit = resolve }) : true))
  const first = watched.host.actor(Vault, 'x').put(5)
  await until('it is asked', () => watched.asked.length === 1)
  expect(await watched.host.actor(Vault, 'x').look()).toBe(0)
  admit(true)
  expect(await first).toBe(5)
  const abort = new AbortController()
  const second = watched.host.actor(Vault, 'x', { signal: abort.signal }).put(5)
  await until('it is asked', () => watched.asked.length === 3)
  abort.abort()
  await expect(second).rejects.toMatchObject({ code: 'CANCELLED', executed: 'no' })
  admit(true)
  expect(await watched.host.actor(Vault, 'x').look()).toBe(5)
})

it('a hook may call actors: those are calls of the host, of no turn', async () => {
  const watched: Watched = await Watched.start(async ({ type, caller }) =>
    type === 'Vault' && caller.kind === 'actor' ? (await watched.host.actor(Vault, 'judge').look()) === 0 : true)
  expect(await watched.host.actor(Thief, 't').rob('judge')).toBe(0)
  expect(watched.brief).toEqual(['call Thief/t.rob by host', 'call Vault/judge.look by Thief/t', 'call Vault/judge.look by host'])
})

it('another host asks its own hook, and knows who calls', async () => {
  const store = lmdbFolder()
  const a = await Watched.start(() => true, { store, hostId: 'a', actors: [Thief] })
  const b = await Watched.start(({ method }) => method !== 'put', { store, hostId: 'b', actors: [Vault] })
  const client = a.client()
  expect(await client.actor<Vault>('Vault', 'v').look()).toBe(0)
  await forbidden(client.actor<Vault>('Vault', 'v').put(1))
  expect(await a.host.actor(Thief, 't').rob('v')).toBe(0)
  expect(await a.host.actor('Vault', 'v').look!()).toBe(0)
  expect((await fetch(`${a.url}/v1.0/actors/Vault/v/state/gold`)).status).toBe(200)
  expect(b.asked).toEqual([
    { kind: 'call', type: 'Vault', id: 'v', method: 'look', caller: { kind: 'outside', via: 'http' } },
    { kind: 'call', type: 'Vault', id: 'v', method: 'put', caller: { kind: 'outside', via: 'http' } },
    { kind: 'call', type: 'Vault', id: 'v', method: 'look', caller: { kind: 'actor', type: 'Thief', id: 't' } },
    { kind: 'call', type: 'Vault', id: 'v', method: 'look', caller: { kind: 'host', id: 'a' } },
    { kind: 'read', type: 'Vault', id: 'v', method: 'gold', caller: { kind: 'outside', via: 'http' } },
  ])
  expect(a.asked.map(r => r.type)).toEqual(['Thief'])
})
