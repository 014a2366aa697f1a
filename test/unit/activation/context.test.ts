// this.ctx: what it is when, storage keys, references, copies between actors; and names of actors that stay apart.
import { describe, expect, it } from 'vitest'
import { Actor, type MethodOptions } from 'troupe'
import { adaptedStores, hostOf, lmdbFolder } from './running-host.ts'
import { failureOf } from './signal.ts'

class Shelf extends Actor {
  bornAs = `${this.ctx.type}/${this.ctx.id}`
  constructed = ''
  constructor() {
    super()
    this.constructed = this.ctx.id
  }
  born() { return [this.bornAs, this.constructed, this.ctx.id, this.ctx.type] }
  async put(entries: Record<string, unknown>) { for (const [key, value] of Object.entries(entries)) await this.ctx.storage.put(key, value) }
  async drop(...keys: string[]) { for (const key of keys) await this.ctx.storage.delete(key) }
  async get(key: string) { return await this.ctx.storage.get(key) }
  async list(options?: { prefix?: string; after?: string; limit?: number }) { return [...await this.ctx.storage.list(options)] }
  async mixed() {
    const { storage } = this.ctx
    const before = await storage.get('a')
    await storage.put('a', { own: [1] })
    const mine = await storage.get<{ own: number[] }>('a')
    mine!.own.push(2)
    await storage.delete('b')
    await storage.put('c', undefined)
    return { before, mine: await storage.get('a'), gone: await storage.get('b'), keys: [...(await storage.list()).keys()] }
  }
  badKey(key: unknown) { return this.ctx.storage.put(key as string, 1) }
  keep(value: { list: number[] }) { kept = value; return value }
  async give(to: string) {
    const value = { list: [1] }
    const answer = await this.ctx.actor(Shelf, to).keep(value)
    value.list.push(2)
    answer.list.push(3)
    return [value, answer, kept]
  }
  async byName(to: string) { return await this.ctx.actor<Shelf>('Shelf', to).born() }
  async sayLog() { this.ctx.log.info({ extra: 1 }, 'hello') }
  static readonly methods = { get: { readonly: true }, list: { readonly: true }, born: { readonly: true } } satisfies MethodOptions<Shelf>
}
let kept: { list: number[] } | undefined

describe('ctx', () => {
  it('works in initialisers and constructors', async () => {
    const host = await hostOf([Shelf])
    expect(await host.actor(Shelf, 'x').born()).toEqual(['Shelf/x', 'x', 'x', 'Shelf'])
  })

  it('is not there in an instance that no host made', () => {
    expect(() => new Shelf()).toThrow(expect.objectContaining({ code: 'OUTSIDE_TURN', message: expect.stringContaining('Shelf') }))
  })

  it('refers to actors by class and by name', async () => {
    const host = await hostOf([Shelf])
    expect(await host.actor(Shelf, 'x').byName('y')).toEqual(['Shelf/y', 'y', 'y', 'Shelf'])
  })

  it('logs with the name of the actor', async () => {
    const lines: unknown[] = []
    const logger = (fields: object): any => ({ debug() {}, warn() {}, error() {}, info: (more: object, text: string) => { lines.push([{ ...fields, ...more }, text]) }, child: (more: object) => logger({ ...fields, ...more }) })
    const host = await hostOf([Shelf], { log: logger({}) })
    await host.actor(Shelf, 'x').sayLog()
    expect(lines).toContainEqual([expect.objectContaining({ actor: 'Shelf/x', extra: 1 }), 'hello'])
  })

  it('copies arguments and results between actors of one host', async () => {
    const host = await hostOf([Shelf])
    expect(await host.actor(Shelf, 'x').give('y')).toEqual([{ list: [1, 2] }, { list: [1, 3] }, { list: [1] }])
    const mine = { list: [1] }
    const answer = host.actor(Shelf, 'y').keep(mine)
    mine.list.push(9)
    expect(await answer).toEqual({ list: [1] })
  })
})

describe('storage keys', () => {
  it("show the turn's own changes, and are loaded again elsewhere", async () => {
    const store = lmdbFolder()
    const host = await hostOf([Shelf], { store })
    const shelf = host.actor(Shelf, 'x')
    await shelf.put({ a: 1, b: 2 })
    expect(await shelf.mixed()).toEqual({ before: 1, mine: { own: [1] }, gone: undefined, keys: ['a', 'c'] })
    await host.stop()
    const again = (await hostOf([Shelf], { store })).actor(Shelf, 'x')
    expect(await again.list()).toEqual([['a', { own: [1] }], ['c', undefined]])
  })

  it('are listed in order, by prefix, after a key, in pages, across what is not stored yet', async () => {
    const host = await hostOf([Shelf])
    const shelf = host.actor(Shelf, 'x')
    const keys = ['a', 'b/1', 'b/2', 'b/3', 'c', 'é', '\uffee', '😀']
    await shelf.put(Object.fromEntries(keys.toReversed().map(key => [key, key])))
    const names = async (options?: Parameters<typeof shelf.list>[0]): Promise<string[]> => (await shelf.list(options)).map(([key]) => key)
    expect(await names()).toEqual(keys)
    expect(await names({ prefix: 'b/' })).toEqual(['b/1', 'b/2', 'b/3'])
    expect(await names({ after: 'b/2' })).toEqual(keys.slice(3))
    expect(await names({ prefix: 'b/', after: 'b/1', limit: 1 })).toEqual(['b/2'])
    const paged: string[] = []
    for (let page = await names({ limit: 3 }); page.length > 0; page = await names({ limit: 3, after: paged.at(-1)! })) paged.push(...page)
    expect(paged).toEqual(keys)
    await shelf.drop('b/1', 'a')
    expect(await names({ limit: 2 })).toEqual(['b/2', 'b/3'])
  })

  it.each([['', ''], ['a number', 5], ['nothing', undefined], ['257 bytes', 'x'.repeat(257)], ['half a pair', 'a\ud800']])('that are %s are refused', async (_, key) => {
    const host = await hostOf([Shelf])
    expect(await failureOf(host.actor(Shelf, 'x').badKey(key))).toMatchObject({ code: 'BAD_REQUEST', executed: 'yes' })
  })

  it.each([0, -1, 1001, 1.5])('are not listed %s at a time', async limit => {
    const host = await hostOf([Shelf])
    expect(await failureOf(host.actor(Shelf, 'x').list({ limit }))).toMatchObject({ code: 'BAD_OPTION' })
  })
})

describe('ids', () => {
  it('that look alike stay apart', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Shelf], { store: stores })
    const ids = ['__proto__', 'constructor', 'A||B', 'A', '{x}', '{troupe:1}', '😀', 'é'.normalize('NFC'), 'é'.normalize('NFD'), ' ', 'a b', '%2F', '@:|', 'x'.repeat(1024)]
    for (const id of ids) await host.actor(Shelf, id).put({ id })
    await host.stop()
    const again = await hostOf([Shelf], { store: stores })
    for (const id of ids) {
      expect(await again.actor(Shelf, id).get('id')).toBe(id)
      expect((await again.actor(Shelf, id).born())[2]).toBe(id)
    }
  })

  it.each([
    '', 'x'.repeat(1025), 'é'.repeat(513), 'a/b', 'a\\b', 'a#b', 'a?b', 'a\u0000', 'a\nb', 'a\u007f', '.', '..', 'a\ud800', '\udc00a', 5 as unknown as string, null as unknown as string,
  ])('like %j are BAD_REQUEST, wherever they are given', async id => {
    const host = await hostOf([Shelf])
    const bad = expect.objectContaining({ code: 'BAD_REQUEST', executed: 'no' })
    expect(() => host.actor(Shelf, id)).toThrow(bad)
    expect(() => host.actor('Shelf', id)).toThrow(bad)
    expect(() => host.locate('Shelf', id)).toThrow(bad)
    expect(await failureOf(host.call({ type: 'Shelf', id, method: 'born', args: [] }))).toEqual(bad)
    expect(await failureOf(host.readState('Shelf', id, 'x'))).toEqual(bad)
    expect(await failureOf(host.actor(Shelf, 'x').byName(id))).toMatchObject({ code: 'BAD_REQUEST', executed: 'yes' })
  })
})
