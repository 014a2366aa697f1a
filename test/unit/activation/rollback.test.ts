// P2: a turn that throws leaves no trace, in memory or in the store; a readonly turn that changes something neither.
import { describe, expect, it } from 'vitest'
import { Actor, type MethodOptions } from 'troupe'
import { adaptedStores, hostOf, lmdbFolder } from './running-host.ts'
import { failureOf } from './signal.ts'

class Sheet extends Actor {
  number = 1
  text = 'a'
  big = 1n
  list: unknown[] = [{ deep: 1 }]
  map = new Map<string, number[]>([['k', [1]]])
  set = new Set(['x'])
  date = new Date(0)
  bytes = new Uint8Array([1, 2, 3])
  maybe?: string
  #memory = 0

  #spoil(): void {
    this.number++
    this.text += 'b'
    this.big *= 3n
    ;(this.list[0] as { deep: number }).deep = 2
    this.list.push('more')
    this.map.get('k')!.push(2)
    this.map.delete('none')
    this.set.clear()
    this.date.setFullYear(2000)
    this.bytes.fill(9)
    this.maybe = 'there'
    ;(this as Record<string, unknown>).added = [1]
    delete (this as Partial<Sheet>).text
    this.#memory++
  }
  async spoilAndThrow(how: 'now' | 'later') {
    await this.ctx.storage.put('key', 'value')
    await this.ctx.storage.delete('kept')
    this.#spoil()
    if (how === 'later') await Promise.resolve()
    throw new Error('spoilt')
  }
  spoilSync() {
    this.#spoil()
    throw new Error('spoilt')
  }
  unstorable(kind: string) {
    this.number = 99
    const bad: Record<string, unknown> = {
      function: () => 1, symbol: Symbol('s'), instance: new (class Money {})(), promise: Promise.resolve(1), date: new (class Day extends Date {})(),
    }
    if (kind === 'cycle') {
      const ring: unknown[] = []
      ring.push(ring)
      this.list = ring
    } else this.list = [{ here: bad[kind] }]
  }
  unstorableResult(kind: string): unknown {
    this.number = 99
    const bad: Record<string, unknown> = { function: () => 1, instance: new (class Money {})(), promise: { inside: Promise.resolve(1) }, map: new Map([[1, () => 1]]) }
    return kind === 'this' ? this : bad[kind]
  }
  unstorableKey() {
    this.number = 99
    return this.ctx.storage.put('bad', { at: [() => 1] })
  }
  async fill() {
    await this.ctx.storage.put('kept', 'still')
  }
  async state() {
    const { ...fields } = this as Record<string, unknown>
    return { fields, kept: await this.ctx.storage.get('kept'), key: await this.ctx.storage.get('key') }
  }
  memory() {
    return this.#memory
  }
  freeze() {
    Object.freeze(this)
    throw new Error('frozen')
  }
  sly(how: string) {
    this.number = 50
    this.list.push('sly')
    if (how === 'throw') throw new Error('sly')
    if (how === 'function') (this as Record<string, unknown>).number = () => 1
    return 'sly'
  }
  async writeStorage() {
    await this.ctx.storage.put('key', 1)
  }
  async deleteStorage() {
    await this.ctx.storage.delete('kept')
  }
  static readonly methods = {
    state: { readonly: true }, sly: { readonly: true }, writeStorage: { readonly: true }, deleteStorage: { readonly: true },
  } satisfies MethodOptions<Sheet>
}

const first = {
  number: 1, text: 'a', big: 1n, list: [{ deep: 1 }], map: new Map([['k', [1]]]), set: new Set(['x']), date: new Date(0), bytes: new Uint8Array([1, 2, 3]), maybe: undefined,
}

describe('a turn that throws', () => {
  it.each(['now', 'later', 'sync'])('(%s) takes everything back and writes nothing', async how => {
    const stores = adaptedStores()
    const host = await hostOf([Sheet], { store: stores })
    const sheet = host.actor(Sheet, 'a')
    await sheet.fill()
    const writes = stores.actors.writes.length
    const error = await failureOf(how === 'sync' ? sheet.spoilSync() : sheet.spoilAndThrow(how as 'now'))
    expect(error).toMatchObject({ code: 'METHOD_FAILED', message: 'spoilt', executed: 'yes' })
    expect(await sheet.state()).toEqual({ fields: first, kept: 'still', key: undefined })
    expect(stores.actors.writes.length).toBe(writes)
    // What is private is memory, not state: nothing takes it back.
    expect(await sheet.memory()).toBe(1)
  })

  it('is not seen by turns that waited behind it', async () => {
    const host = await hostOf([Sheet])
    const sheet = host.actor(Sheet, 'a')
    const failing = failureOf(sheet.spoilAndThrow('later'))
    const next = sheet.state()
    await failing
    expect((await next).fields).toEqual(first)
  })

  it('ends the activation when its changes cannot be taken back', async () => {
    const host = await hostOf([Sheet])
    const sheet = host.actor(Sheet, 'a')
    expect(await failureOf(sheet.freeze())).toMatchObject({ message: expect.stringContaining('frozen') })
    expect((await sheet.state()).fields).toEqual(first)
    await sheet.fill()
  })
})

describe('a field that cannot be stored', () => {
  it.each([
    ['function', /list\[0\]\.here is a function/], ['symbol', /list\[0\]\.here is a symbol/], ['instance', /list\[0\]\.here is an instance of Money/],
    ['promise', /list\[0\]\.here is a promise/], ['date', /list\[0\]\.here is an instance of Day/], ['cycle', /list.* contains itself/],
  ])('(%s) fails the turn with the path and takes it back', async (kind, text) => {
    const stores = adaptedStores()
    const host = await hostOf([Sheet], { store: stores })
    const sheet = host.actor(Sheet, 'a')
    expect(await failureOf(sheet.unstorable(kind))).toMatchObject({ code: 'STATE_NOT_STORABLE', message: expect.stringMatching(text), executed: 'yes' })
    expect((await sheet.state()).fields).toEqual(first)
    expect(stores.actors.writes).toEqual([])
  })

  it('as a storage key fails the turn with the path', async () => {
    const host = await hostOf([Sheet])
    expect(await failureOf(host.actor(Sheet, 'a').unstorableKey())).toMatchObject({ code: 'STATE_NOT_STORABLE', message: expect.stringContaining('"bad".at[0] is a function') })
    expect((await host.actor(Sheet, 'a').state()).fields).toEqual(first)
  })

  it('as a first value fails the activation with the name', async () => {
    class Broken extends Actor {
      handler = () => 1
      ping() { return 1 }
    }
    const host = await hostOf([Broken])
    expect(await failureOf(host.actor(Broken, 'a').ping())).toMatchObject({ code: 'ACTIVATION_FAILED', executed: 'no', message: expect.stringContaining('handler is a function') })
  })
})

describe('a result that cannot travel', () => {
  it.each([
    ['function', /result is a function/], ['instance', /result is an instance of Money/], ['promise', /result\.inside is a promise/],
    ['map', /result\.values\(\)\[0\] is a function/], ['this', /result is an instance of Sheet/],
  ])('(%s) fails the turn and takes it back', async (kind, text) => {
    const host = await hostOf([Sheet])
    const sheet = host.actor(Sheet, 'a')
    expect(await failureOf(sheet.unstorableResult(kind))).toMatchObject({ code: 'RESULT_NOT_ENCODABLE', message: expect.stringMatching(text), executed: 'yes' })
    expect((await sheet.state()).fields).toEqual(first)
  })
})

describe('a readonly turn', () => {
  it.each(['return', 'function'])('that changes something (%s) fails, and the change is taken back', async how => {
    const host = await hostOf([Sheet])
    const sheet = host.actor(Sheet, 'a')
    const error = await failureOf(sheet.sly(how))
    expect(error).toMatchObject({ code: how === 'return' ? 'READONLY_VIOLATION' : expect.stringMatching(/READONLY_VIOLATION|STATE_NOT_STORABLE/), executed: 'yes' })
    expect((await sheet.state()).fields).toEqual(first)
  })

  it('that changes something and throws leaves no trace for the next commit', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Sheet], { store: stores })
    const sheet = host.actor(Sheet, 'a')
    expect(await failureOf(sheet.sly('throw'))).toMatchObject({ code: 'METHOD_FAILED', message: 'sly' })
    await sheet.fill()
    expect((await sheet.state()).fields).toEqual(first)
  })

  it('may not write storage keys', async () => {
    const host = await hostOf([Sheet])
    const sheet = host.actor(Sheet, 'a')
    for (const call of [sheet.writeStorage(), sheet.deleteStorage()]) expect(await failureOf(call)).toMatchObject({ code: 'READONLY_VIOLATION' })
  })
})

class Growing extends Actor {
  count = 0
  large: unknown = undefined
  #secret = 'in memory'
  set(value: unknown) {
    this.large = value
    this.#secret = 'changed'
  }
  add() {
    return ++this.count
  }
  read() {
    return { count: this.count, large: this.large, secret: this.#secret }
  }
}

describe('what reaches the store', () => {
  it('is of large fields only what changed', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Growing], { store: stores })
    const actor = host.actor(Growing, 'a')
    const entriesOf = (at: number): unknown => stores.actors.writes[at]!.entries?.map(([name, value]) => [name, value === null ? null : 'bytes'])
    await actor.add()
    await actor.set('x'.repeat(5000))
    await actor.add()
    await actor.set(new Uint8Array(7000))
    await actor.set(1)
    expect([0, 1, 2, 3, 4].map(entriesOf)).toEqual([undefined, [['f:large', 'bytes']], undefined, [['f:large', 'bytes']], [['f:large', null]]])
    expect(stores.actors.writes[2]!.head!.length).toBeLessThan(100)
  })

  it('is all there after a restart; #private fields are not', async () => {
    const store = lmdbFolder()
    for (const value of [undefined, 'x'.repeat(5000), new Map([['k', new Uint8Array(3000)]]), [1n, new Date(5)], 'small']) {
      const writer = await hostOf([Growing], { store })
      await writer.actor(Growing, 'a').add()
      await writer.actor(Growing, 'a').set(value)
      expect((await writer.actor(Growing, 'a').read()).secret).toBe('changed')
      await writer.stop()
      const reader = await hostOf([Growing], { store })
      const seen = await reader.actor(Growing, 'a').read()
      expect(seen).toMatchObject({ large: value, secret: 'in memory' })
      await reader.stop()
    }
  })
})
