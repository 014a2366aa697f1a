// P2 and P6 on real hosts: a durable send exists if and only if its turn's state does, and is applied once, in order.
import { describe, expect, it } from 'vitest'
import { Actor, ActorError, type ActorOptions, type Host, type MethodOptions, type SendInfo } from 'troupe'
import { eventually } from './eventually.ts'
import { adaptedStores, hostOf } from './running-host.ts'
import { failureOf, settle, Signal } from './signal.ts'

class Refused extends ActorError<{ n: number }> {}

/** What happens at the target, by its id: how many of the next turns throw; what they wait for. */
const failing = new Map<string, number>()
const waiting = new Map<string, Signal>()
const runs = new Map<string, number>()

class Inbox extends Actor {
  got: unknown[] = []
  async take(what: unknown) {
    const { id } = this.ctx
    runs.set(id, (runs.get(id) ?? 0) + 1)
    this.got.push(what)
    await waiting.get(id)?.wait()
    const fails = failing.get(id) ?? 0
    if (fails > 0) {
      failing.set(id, fails - 1)
      throw new Refused({ n: fails })
    }
  }
  look(what: unknown) {
    runs.set(this.ctx.id, (runs.get(this.ctx.id) ?? 0) + 1)
    return `looked at ${String(what)}`
  }
  read() {
    return this.got
  }
  async *items() {
    yield 1
  }
  static readonly methods = { look: { readonly: true } } satisfies MethodOptions<Inbox>
}

class Outlet extends Actor {
  sent = 0
  echoes: number[] = []
  post(to: string, items: unknown[], backoff = 1, attempts = 3) {
    for (const item of items) this.ctx.send(Inbox, to, { retry: { attempts, backoff } }).take(item)
    this.sent += items.length
  }
  async postAndThrow(to: string) {
    this.ctx.send(Inbox, to).take('never')
    await Promise.resolve()
    throw new Error('on purpose')
  }
  mutates(to: string) {
    const list = [1]
    this.ctx.send(Inbox, to).take(list)
    list.push(2)
  }
  toItself(n: number) {
    this.echoes.push(n)
    if (n < 5) this.ctx.send(Outlet, this.ctx.id).toItself(n + 1)
  }
  byName(type: string, method: string, ...args: unknown[]) {
    this.ctx.send(type, 'x', { retry: { attempts: 2, backoff: 1 } })[method]!(...args)
  }
  looks(to: string, n: number) {
    for (let i = 0; i < n; i++) this.ctx.send(Inbox, to).look(i)
  }
  bad(what: string) {
    const to = this.ctx.send(Inbox, 'bad') as unknown as Record<string, (...args: unknown[]) => void>
    if (what === 'function') to.take!(() => 1)
    if (what === 'stream') to.items!()
    if (what === 'large') to.take!('x'.repeat(5_000_000))
    if (what === 'inner') this.ctx.send('Inbox', 'bad')._take!()
    if (what === 'method') this.ctx.send('Inbox', 'bad')['a/b']!()
    if (what === 'id') this.ctx.send(Inbox, '')
    if (what === 'attempts') this.ctx.send(Inbox, 'bad', { retry: { attempts: 0 } })
    if (what === 'backoff') this.ctx.send(Inbox, 'bad', { retry: { backoff: '-1s' } })
    return 'nothing was refused'
  }
  later() {
    setTimeout(() => {
      try {
        this.ctx.send(Inbox, 'late').take(1)
        lateError.fire(undefined)
      } catch (error) {
        lateError.fire(error)
      }
    })
  }
  peek() {
    this.ctx.send(Inbox, 'peek').take(1)
  }
  read() {
    return { sent: this.sent, echoes: this.echoes }
  }
  static readonly methods = { peek: { readonly: true } } satisfies MethodOptions<Outlet>
}

let lateError = new Signal<unknown>()

const received = (host: Host, id: string, count: number): Promise<unknown[]> =>
  eventually(() => host.actor(Inbox, id).read(), got => got.length >= count, `${count} came to ${id}`)
const gone = (host: Host, id: string): Promise<SendInfo[]> =>
  eventually(() => host.actor(Outlet, id).manage.sends.list(), sends => sends.length === 0, 'its rows are removed')
const dead = (host: Host, id: string, count = 1): Promise<SendInfo[]> =>
  eventually(() => host.actor(Outlet, id).manage.sends.list({ dead: true }), sends => sends.length === count, `${count} dead letters`)

/** A shard is read while its host starts: until then its sends come from there, not from the commits of this host. */
async function warm(host: Host, id: string): Promise<void> {
  await host.actor(Outlet, id).post('warm', [1])
  await gone(host, id)
}

describe('a durable send', () => {
  it('is applied once, in order for each pair, and its row goes', async () => {
    const host = await hostOf([Outlet, Inbox])
    const items = Array.from({ length: 200 }, (_, i) => i)
    await host.actor(Outlet, 'a').post('p', items)
    await host.actor(Outlet, 'a').post('q', items)
    for (const id of ['p', 'q']) expect(await received(host, id, 200)).toEqual(items)
    await gone(host, 'a')
    await settle()
    for (const id of ['p', 'q']) expect(await host.actor(Inbox, id).read()).toEqual(items)
  })

  it('is written by the commit of its turn and removed by a write without a head', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Outlet, Inbox], { store: stores })
    await host.actor(Outlet, 'rows').post('rows', ['x', 'y'])
    await received(host, 'rows', 2)
    await gone(host, 'rows')
    const writes = stores.actors.writes.filter(w => w.id === 'rows' && w.type === 'Outlet')
    expect(writes[0]!.head).not.toBeNull()
    expect(writes[0]!.entries!.map(([name, , due]) => [name, due])).toEqual([['o:00000000001', 0], ['o:00000000002', 0]])
    expect(writes.slice(1).every(w => w.head === null)).toBe(true)
    expect(writes.slice(1).flatMap(w => w.entries!)).toEqual([['o:00000000001', null, null, 0], ['o:00000000002', null, null, 0]])
    // At the target its number lies in the commit of what it changed.
    const inbox = stores.actors.writes.filter(w => w.type === 'Inbox')
    for (const write of inbox) expect(write.entries!.map(([name]) => name)).toContain('i:Outlet/rows')
  })

  it('of a turn that throws, or whose commit fails, never was', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Outlet, Inbox], { store: stores })
    await warm(host, 't')
    await host.actor(Outlet, 't').post('t', ['first'])
    await failureOf(host.actor(Outlet, 't').postAndThrow('t'))
    await host.actor(Outlet, 't').post('t', ['second'])
    expect(await received(host, 't', 2)).toEqual(['first', 'second'])
    await gone(host, 't')
    stores.actors.answerNext('conflict')
    expect(await failureOf(host.actor(Outlet, 't').post('t', ['lost']))).toMatchObject({ code: 'STORE_CONFLICT' })
    await host.actor(Outlet, 't').post('t', ['third'])
    expect(await received(host, 't', 3)).toEqual(['first', 'second', 'third'])
    await gone(host, 't')
    expect(await host.actor(Inbox, 't').read()).toEqual(['first', 'second', 'third'])
  })

  it.each(['stored', 'not stored'] as const)('whose commit is unknown (%s) is what the store says', async truth => {
    const stores = adaptedStores()
    const host = await hostOf([Outlet, Inbox], { store: stores })
    if (truth === 'stored') stores.actors.storeAndAnswer('unknown')
    else stores.actors.answerNext('unknown')
    expect(await failureOf(host.actor(Outlet, 'u').post(truth, ['first']))).toMatchObject({ code: 'COMMIT_UNKNOWN' })
    await host.actor(Outlet, 'u').post(truth, ['second'])
    const expected = truth === 'stored' ? ['first', 'second'] : ['second']
    expect(await received(host, truth, expected.length)).toEqual(expected)
    await gone(host, 'u')
    expect(await host.actor(Inbox, truth).read()).toEqual(expected)
  })

  it.each(['fenced', 'conflict', 'unknown', 'unknown but stored'] as const)('whose turn at the target commits with "%s" is applied once', async answer => {
    const stores = adaptedStores()
    const host = await hostOf([Outlet, Inbox], { store: stores })
    const id = `target ${answer}`
    const open = new Signal()
    waiting.set(id, open)
    await host.actor(Outlet, id).post(id, ['a', 'b', 'c'])
    await settle()
    if (answer === 'unknown but stored') stores.actors.storeAndAnswer('unknown')
    else stores.actors.answerNext(answer)
    open.fire()
    expect(await received(host, id, 3)).toEqual(['a', 'b', 'c'])
    await gone(host, id)
    expect(await host.actor(Inbox, id).read()).toEqual(['a', 'b', 'c'])
  })

  it('leaves when its commit is durable, not before', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Outlet, Inbox], { store: stores })
    await warm(host, 'held')
    const { commits } = stores.actors
    const release = stores.actors.hold()
    const posted = host.actor(Outlet, 'held').post('held', ['x'])
    await stores.actors.committing(commits + 1)
    await settle()
    expect(runs.get('held')).toBeUndefined()
    release()
    await posted
    expect(await received(host, 'held', 1)).toEqual(['x'])
  })

  it('carries its arguments as they were when it was made', async () => {
    const host = await hostOf([Outlet, Inbox])
    await host.actor(Outlet, 'm').mutates('m')
    expect(await received(host, 'm', 1)).toEqual([[1]])
    const rich = [new Map([[1n, new Date(5)]]), new Set(['x']), undefined, null, new Uint8Array([1, 2])]
    await host.actor(Outlet, 'm').post('rich', [rich])
    expect(await received(host, 'rich', 1)).toEqual([rich])
  })

  it('may go to its own sender', async () => {
    const host = await hostOf([Outlet, Inbox])
    await host.actor(Outlet, 'self').toItself(1)
    const { echoes } = await eventually(() => host.actor(Outlet, 'self').read(), read => read.echoes.length === 5, 'five echoes')
    expect(echoes).toEqual([1, 2, 3, 4, 5])
    await gone(host, 'self')
  })

  it('to a readonly method runs it once', async () => {
    const host = await hostOf([Outlet, Inbox])
    await host.actor(Outlet, 'ro').looks('ro', 20)
    await gone(host, 'ro')
    expect(runs.get('ro')).toBe(20)
  })

  it('wakes a target that was collected, and a sender need not be awake', async () => {
    class Nap extends Outlet {
      static readonly type = 'Nap'
      static readonly options: ActorOptions = { idleAfter: 10 }
    }
    const host = await hostOf([Nap, Inbox])
    failing.set('nap', 2)
    await host.actor(Nap, 'nap').post('nap', ['x'], 60)
    await eventually(async () => host.hostStatus().activations.Nap, count => count === 0, 'the sender is collected')
    expect(await received(host, 'nap', 1)).toEqual(['x'])
    expect(runs.get('nap')).toBe(3)
  })
})

describe('a send that fails', () => {
  it('is tried again in its place: those behind it wait', async () => {
    const host = await hostOf([Outlet, Inbox])
    failing.set('again', 2)
    await host.actor(Outlet, 'again').post('again', [1, 2, 3])
    await host.actor(Outlet, 'again').post('other', [1])
    expect(await received(host, 'other', 1)).toEqual([1])
    expect(await received(host, 'again', 3)).toEqual([1, 2, 3])
  })

  it('for good is a dead letter; the next go on; it may be sent again under a new number, or dropped', async () => {
    const host = await hostOf([Outlet, Inbox])
    const { sends } = host.actor(Outlet, 'dl').manage
    failing.set('dl', 3)
    await host.actor(Outlet, 'dl').post('dl', ['dead', 'next'])
    expect(await received(host, 'dl', 1)).toEqual(['next'])
    const letter = { number: 1, failures: 3, problem: 'Refused {"n":1}', type: 'Inbox', id: 'dl', method: 'take', args: ['dead'], dead: { error: expect.stringContaining('Refused') as string, at: expect.any(Date) as Date } }
    expect(await dead(host, 'dl')).toEqual([letter])
    expect((await host.listSends('Outlet', { dead: true })).sends).toEqual([{ from: 'dl', ...letter }])
    for (const call of [() => sends.retry(2), () => sends.retry(99), () => sends.delete(2)]) expect(await failureOf(call())).toMatchObject({ code: 'NOT_FOUND' })
    for (const call of [() => sends.retry(0), () => sends.retry('1' as never), () => sends.delete(1.5), () => sends.list({ limit: 0 }), () => sends.list({ after: -1 })]) {
      expect(await failureOf(call())).toMatchObject({ code: 'BAD_REQUEST' })
    }
    await sends.retry(1)
    expect(await received(host, 'dl', 2)).toEqual(['next', 'dead'])
    await gone(host, 'dl')
    failing.set('dl', 3)
    await host.actor(Outlet, 'dl').post('dl', ['dropped'])
    const [dropped] = await dead(host, 'dl')
    expect(dropped).toMatchObject({ number: 4 })
    await sends.delete(4)
    expect(await sends.list()).toEqual([])
    expect(await failureOf(sends.retry(4))).toMatchObject({ code: 'NOT_FOUND' })
    expect(await host.actor(Inbox, 'dl').read()).toEqual(['next', 'dead'])
  })

  it('to a method that is not there is a dead letter that says so; one to a type that nobody runs now waits for its hosts', async () => {
    const host = await hostOf([Outlet, Inbox])
    await host.actor(Outlet, 'names').byName('Nobody', 'ping')
    await host.actor(Outlet, 'names').byName('Inbox', 'nothing')
    const letters = await dead(host, 'names', 1)
    expect(letters.map(letter => letter.dead!.error)).toEqual([expect.stringMatching(/^UNKNOWN_METHOD/)])
    expect(await host.actor(Outlet, 'names').manage.sends.list()).toMatchObject([{ type: 'Nobody', dead: undefined }, { type: 'Inbox' }])
  })
})

describe('wrong use of ctx.send', () => {
  it.each([
    ['function', 'NOT_ENCODABLE'], ['stream', 'UNKNOWN_METHOD'], ['large', 'PAYLOAD_TOO_LARGE'], ['inner', 'UNKNOWN_METHOD'], ['method', 'BAD_REQUEST'],
    ['id', 'BAD_REQUEST'], ['attempts', 'BAD_OPTION'], ['backoff', 'BAD_OPTION'],
  ])('(%s) fails the turn with %s', async (what, code) => {
    const host = await hostOf([Outlet, Inbox])
    expect(await failureOf(host.actor(Outlet, 'bad').bad(what))).toMatchObject({ code })
    expect(await host.actor(Outlet, 'bad').manage.sends.list()).toEqual([])
    await host.actor(Outlet, 'bad').post('after bad', [what])
    expect(await received(host, 'after bad', 1)).toEqual([what])
  })

  it('in a readonly turn, or after a turn, is refused', async () => {
    const host = await hostOf([Outlet, Inbox])
    expect(await failureOf(host.actor(Outlet, 'ro').peek())).toMatchObject({ code: 'READONLY_VIOLATION' })
    lateError = new Signal()
    await host.actor(Outlet, 'late').later()
    expect(await lateError.wait()).toMatchObject({ code: 'OUTSIDE_TURN' })
  })

  it('beyond 10,000 undelivered sends of an actor is refused, until some are delivered', async () => {
    const host = await hostOf([Outlet, Inbox])
    const open = new Signal()
    waiting.set('full', open)
    const outlet = host.actor(Outlet, 'full')
    await warm(host, 'full')
    const items = Array.from({ length: 5_000 }, (_, i) => i)
    await outlet.post('full', items)
    await outlet.post('full', items)
    expect(await failureOf(outlet.post('full', ['more']))).toMatchObject({ code: 'QUOTA_EXCEEDED', retryAfterMs: 1000 })
    open.fire()
    waiting.delete('full')
    await eventually(() => outlet.post('full', ['more']).then(() => true, () => false), done => done, 'there is room')
    expect(await received(host, 'full', 10_001)).toEqual([...items, ...items, 'more'])
  })
})
