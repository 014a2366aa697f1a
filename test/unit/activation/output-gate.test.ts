// P3 and P4: nothing leaves before what it could have seen is durable; what was not stored was never said.
import { describe, expect, it } from 'vitest'
import { Actor, type ActorOptions, type MethodOptions } from 'troupe'
import { adaptedStores, hostOf } from './running-host.ts'
import { failureOf, settle, until, watch } from './signal.ts'

const told: string[] = []
class Ledger extends Actor {
  total = 0
  add(n: number) {
    this.total += n
    return this.total
  }
  async addLater(n: number) {
    await Promise.resolve()
    this.total += n
    return this.total
  }
  nothing() {
    return 'seen'
  }
  read() {
    return this.total
  }
  async readLater() {
    await Promise.resolve()
    return this.total
  }
  fail() {
    throw new Error(`saw ${this.total}`)
  }
  async tell(name: string) {
    return await this.ctx.actor(Witness, 'w').hear(`${name} ${this.total}`)
  }
  async tellFromReader(name: string) {
    return await this.ctx.actor(Witness, 'w').hear(`${name} ${this.total}`)
  }
  tellAfterwards(name: string) {
    this.total++
    void Promise.resolve().then(() => this.ctx.actor(Witness, 'w').hear(`${name} ${this.total}`)).catch(() => undefined)
  }
  async *items() {
    yield `item ${this.total}`
  }
  async store(key: string) {
    await this.ctx.storage.put(key, this.total)
  }
  async keys() {
    return [await this.ctx.storage.get('k'), [...(await this.ctx.storage.list()).keys()]]
  }
  static readonly methods = {
    read: { readonly: true }, readLater: { readonly: true }, tellFromReader: { readonly: true }, items: { readonly: true }, keys: { readonly: true },
  } satisfies MethodOptions<Ledger>
}
class Witness extends Actor {
  hear(what: string) {
    told.push(what)
    return what
  }
}
class Again extends Actor {
  notes: string[] = []
  async outer() {
    this.notes.push('outer')
    const answer = await this.ctx.actor(Again, this.ctx.id).inner()
    this.notes.push('after')
    return answer
  }
  inner() {
    this.notes.push('inner')
    return 'inner answered'
  }
  static readonly options: ActorOptions = { reentrancy: 'call-chain' }
}

/** Everything that could show what `add` left behind, started while its commit is held. */
async function begin(withStream = false) {
  told.length = 0
  const stores = adaptedStores()
  const host = await hostOf([Ledger, Witness], { store: stores })
  const ledger = host.actor(Ledger, 'a')
  await ledger.add(1)
  await host.actor(Witness, 'w').hear('warm')
  told.length = 0
  const release = stores.actors.hold()
  const commits = stores.actors.commits
  const writer = watch(ledger.add(10))
  await stores.actors.committing(commits + 1)
  const calls = {
    writer,
    reader: watch(ledger.read()),
    laterReader: watch(ledger.readLater()),
    unchanged: watch(ledger.nothing()),
    error: watch(ledger.fail()),
    field: watch(host.readState('Ledger', 'a', 'total')),
    reads: watch(ledger.keys()),
    readersCall: watch(ledger.tellFromReader('reader')),
  }
  // Writers queue behind an open stream, so it is not always there.
  const items = ledger.items()[Symbol.asyncIterator]()
  const stream = withStream ? watch(items.next().finally(() => items.return?.())) : undefined
  await settle()
  return { stores, host, ledger, release, calls, stream }
}

describe('while a commit is on its way', () => {
  it('nothing leaves that could have seen it', async () => {
    const { calls, stream, release, host, ledger } = await begin(true)
    expect(Object.values(calls).map(c => c.state)).toEqual(Array(8).fill('pending'))
    expect(stream!.state).toBe('pending')
    expect(told).toEqual([])
    // Another actor is not concerned.
    expect(await host.actor(Witness, 'w').hear('free')).toBe('free')
    release()
    await until(() => [...Object.values(calls), stream!].every(c => c.state !== 'pending'), 'all were answered')
    expect(calls.writer.value).toBe(11)
    expect([calls.reader.value, calls.laterReader.value, calls.unchanged.value]).toEqual([11, 11, 'seen'])
    expect(calls.error.value).toMatchObject({ code: 'METHOD_FAILED', message: 'saw 11' })
    expect(stream!.value).toEqual({ done: false, value: 'item 11' })
    expect(calls.field.value).toMatchObject({ value: 11 })
    expect(told).toEqual(['free', 'reader 11'])
    expect(await ledger.read()).toBe(11)
  })

  it('calls to other actors wait, of later turns and of code that a turn left behind', async () => {
    const { calls, release, ledger } = await begin()
    const teller = watch(ledger.tell('writer'))
    const behind = watch(ledger.tellAfterwards('behind'))
    await settle()
    expect([told, teller.state, behind.state]).toEqual([[], 'pending', 'pending'])
    release()
    await until(() => [teller, behind, calls.writer].every(c => c.state === 'resolved') && told.length === 3, 'all were told')
    expect(told).toEqual(['reader 11', 'writer 11', 'behind 12'])
  })

  it('a nested turn answers its outer turn only when it is durable', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Again], { store: stores })
    const release = stores.actors.hold()
    const outer = watch(host.actor(Again, 'a').outer())
    await stores.actors.committing(1)
    await settle()
    expect([outer.state, stores.actors.writes.length]).toEqual(['pending', 1])
    release()
    await until(() => outer.state === 'resolved', 'it was answered')
    expect(stores.actors.writes.length).toBe(2)
  })

  it('many turns fold into few writes', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Ledger], { store: stores })
    const ledger = host.actor(Ledger, 'a')
    const release = stores.actors.hold()
    const first = ledger.add(1)
    await stores.actors.committing(1)
    const more = Array.from({ length: 500 }, () => ledger.addLater(1))
    const stored = ledger.store('k')
    await settle(50)
    release()
    expect(await first).toBe(1)
    expect(await Promise.all(more)).toEqual(Array.from({ length: 500 }, (_, i) => i + 2))
    await stored
    expect(stores.actors.writes.length).toBe(2)
    expect(await ledger.keys()).toEqual([501, ['k']])
  })

  it('storage keys of the flush and of turns that wait for the next are seen by later turns', async () => {
    const { ledger, release } = await begin()
    const first = ledger.store('k')
    const read = watch(ledger.keys())
    await settle()
    expect(read.state).toBe('pending')
    release()
    await first
    await until(() => read.state === 'resolved', 'it was read')
    expect(read.value).toEqual([11, ['k']])
  })
})

describe('when a commit is not stored', () => {
  it.each([
    ['fenced', 'FENCED', 'unknown'], ['conflict', 'STORE_CONFLICT', 'unknown'], ['unavailable', 'STORE_UNAVAILABLE', 'unknown'], ['unknown', 'COMMIT_UNKNOWN', 'unknown'], [new Error('closed'), 'COMMIT_UNKNOWN', 'unknown'],
  ] as const)('(%s) everything that saw it fails, and the next call sees the store', async (answer, code, executed) => {
    const { stores, ledger, calls, release } = await begin()
    stores.actors.answerNext(answer)
    const teller = watch(ledger.tell('writer'))
    await settle()
    release()
    await until(() => [...Object.values(calls), teller].every(c => c.state !== 'pending'), 'all were answered')
    for (const [name, call] of Object.entries(calls)) {
      expect([name, call.state, call.value]).toEqual([name, 'rejected', expect.objectContaining({ code, executed })])
    }
    // It waited behind a reader, so it did not run then: it may tell what is stored, never what was lost.
    expect(told.filter(what => what !== 'writer 1')).toEqual([])
    expect(await ledger.read()).toBe(1)
    expect(await ledger.add(1)).toBe(2)
  })

  it('a write that landed although nobody was told is what the next call sees', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Ledger], { store: stores })
    const ledger = host.actor(Ledger, 'a')
    stores.actors.storeAndAnswer('unknown')
    expect(await failureOf(ledger.add(5))).toMatchObject({ code: 'COMMIT_UNKNOWN', executed: 'unknown' })
    expect(await ledger.read()).toBe(5)
  })

  it('a turn that runs on meanwhile cannot store anything more', async () => {
    const { stores, ledger, release, calls } = await begin()
    stores.actors.answerNext('conflict')
    const later = [ledger.addLater(1), ledger.addLater(1)].map(watch)
    release()
    await until(() => later.every(c => c.state !== 'pending') && calls.writer.state !== 'pending', 'all were answered')
    // Whatever did not start yet runs on what is stored.
    for (const call of later) if (call.state === 'resolved') expect([2, 3]).toContain(call.value)
    expect(await ledger.read()).toBe(1 + later.filter(c => c.state === 'resolved').length)
  })

  it('calls that wait in the mailbox did not run, and run on the next activation', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Ledger], { store: stores })
    const ledger = host.actor(Ledger, 'a')
    await ledger.add(1)
    stores.actors.answerNext('conflict')
    const release = stores.actors.hold()
    const lost = watch(ledger.add(10))
    await stores.actors.committing(2)
    release()
    await until(() => lost.state === 'rejected', 'it failed')
    expect(lost.value).toMatchObject({ code: 'STORE_CONFLICT' })
    expect(await Promise.all([ledger.add(1), ledger.add(1)])).toEqual([2, 3])
  })
})

describe('two hosts on one store', () => {
  it('the newer takes over, the older is fenced, and no acknowledged write is lost', async () => {
    const stores = adaptedStores()
    const older = await hostOf([Ledger], { store: stores })
    expect(await older.actor(Ledger, 'a').add(1)).toBe(1)
    const newer = await hostOf([Ledger], { store: stores })
    expect(await newer.actor(Ledger, 'a').add(1)).toBe(2)
    expect(await failureOf(older.actor(Ledger, 'a').add(100))).toMatchObject({ code: 'FENCED', executed: 'unknown', retryable: true })
    expect(await newer.actor(Ledger, 'a').add(1)).toBe(3)
    // It knows no newer table: it tells so instead of serving from a claim that it lost.
    const refused = await failureOf(older.actor(Ledger, 'a').with({ timeout: 300 }).add(100))
    expect(refused).toMatchObject({ executed: 'no' })
    expect(['FENCED', 'MOVED', 'CALL_TIMEOUT']).toContain(refused.code)
    expect(await newer.actor(Ledger, 'a').read()).toBe(3)
  })

  it('under load, every sum that was acknowledged is in the store', async () => {
    const stores = adaptedStores()
    let acknowledged = 0
    let host = await hostOf([Ledger], { store: stores })
    for (let round = 0; round < 5; round++) {
      const before = host
      const calls = Array.from({ length: 50 }, () => before.actor(Ledger, 'a').with({ timeout: 500 }).addLater(1))
      host = await hostOf([Ledger], { store: stores })
      const more = Array.from({ length: 50 }, () => host.actor(Ledger, 'a').addLater(1))
      for (const result of await Promise.allSettled([...calls, ...more])) if (result.status === 'fulfilled') acknowledged++
      const total = await host.actor(Ledger, 'a').read()
      expect(total).toBe(acknowledged)
    }
    expect(acknowledged).toBeGreaterThanOrEqual(250)
  })
})

class Stuck extends Actor {
  total = 0
  add(n: number) {
    this.total += n
  }
  hang() {
    return new Promise(() => {})
  }
  static readonly options: ActorOptions = { turnTimeout: '60ms' }
}

it("a turn that is abandoned while the one before it is being stored: that one's outcome is unknown, its time was not up", async () => {
  const stores = adaptedStores()
  const host = await hostOf([Stuck], { store: stores })
  const letGo = stores.actors.hold()
  const adding = failureOf(host.actor(Stuck, 'a').add(1))
  const hanging = failureOf(host.actor(Stuck, 'a').hang())
  expect(await hanging).toMatchObject({ code: 'TURN_TIMEOUT' })
  expect(await adding).toMatchObject({ code: 'COMMIT_UNKNOWN', executed: 'unknown' })
  letGo()
})
