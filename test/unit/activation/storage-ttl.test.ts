// Storage keys with a time to live: gone for readers at once, removed from the store in the background.
import { describe, expect, it } from 'vitest'
import { Actor, type StoragePutOptions } from 'troupe'
import { eventually } from './eventually.ts'
import { MovedClock, Nudge } from './moved-clock.ts'
import { adaptedStores, hostOf, lmdbFolder } from './running-host.ts'
import { failureOf } from './signal.ts'
import type { AdaptedStore } from './adapted-store.ts'

class Cache extends Actor {
  puts = 0
  async put(key: string, value: unknown, options?: StoragePutOptions) {
    this.puts++
    await this.ctx.storage.put(key, value, options)
  }
  async putAndThrow(key: string, value: unknown, options?: StoragePutOptions) {
    await this.ctx.storage.put(key, value, options)
    throw new Error('on purpose')
  }
  async get(key: string) {
    return this.ctx.storage.get(key)
  }
  async list(limit?: number) {
    return [...await this.ctx.storage.list(limit === undefined ? {} : { limit })]
  }
  async remove(key: string) {
    await this.ctx.storage.delete(key)
  }
}

/** Keys that the store holds, by what was committed. */
function stored(store: AdaptedStore): string[] {
  const rows = new Map<string, boolean>()
  for (const write of store.writes) for (const [name, value] of write.entries ?? []) if (name.startsWith('s:')) rows.set(name.slice(2), value !== null)
  return [...rows].filter(([, there]) => there).map(([name]) => name).sort()
}

describe('a storage key with a time to live', () => {
  it('is there until its time, then gone for readers at once, and soon gone from the store', async () => {
    const stores = adaptedStores()
    const clock = new MovedClock()
    const host = await hostOf([Cache, Nudge], { store: stores, clock })
    const cache = host.actor(Cache, 'a')
    await cache.put('hour', { a: 1n }, { ttl: '1h' })
    await cache.put('day', 'd', { ttl: '24h' })
    await cache.put('ever', 'e')
    await clock.jump(3_590_000, host)
    expect(await cache.list()).toEqual([['day', 'd'], ['ever', 'e'], ['hour', { a: 1n }]])
    await clock.jump(10_001, host)
    expect(await cache.get('hour')).toBeUndefined()
    expect(await cache.list()).toEqual([['day', 'd'], ['ever', 'e']])
    await eventually(async () => stored(stores.actors), keys => keys.length === 2, 'its row is removed')
    await clock.jump(86_400_000, host)
    expect(await cache.list()).toEqual([['ever', 'e']])
    await eventually(async () => stored(stores.actors), keys => keys.length === 1, 'its row is removed')
    expect(await cache.get('ever')).toBe('e')
  })

  it('is gone for readers before anything removes it, and lists ask on past what has expired', async () => {
    const stores = adaptedStores()
    const clock = new MovedClock()
    const host = await hostOf([Cache, Nudge], { store: stores, clock })
    const cache = host.actor(Cache, 'many')
    for (let i = 0; i < 10; i++) await cache.put(`k${i}`, i, i < 8 ? { ttl: 1_000 } : {})
    const before = stores.actors.commits
    const release = stores.actors.hold()
    const jumped = clock.jump(1_001, host)
    await stores.actors.committing(before + 1)
    expect(stored(stores.actors).length).toBe(10)
    expect(await cache.list(2)).toEqual([['k8', 8], ['k9', 9]])
    expect(await cache.get('k0')).toBeUndefined()
    release()
    await jumped
    await eventually(async () => stored(stores.actors), keys => keys.length === 2, 'their rows are removed')
    expect(await cache.list()).toEqual([['k8', 8], ['k9', 9]])
  })

  it('lasts when it is put again without one, and lives longer when it is put again with another', async () => {
    const stores = adaptedStores()
    const clock = new MovedClock()
    const host = await hostOf([Cache, Nudge], { store: stores, clock })
    const cache = host.actor(Cache, 'again')
    for (const key of ['lasts', 'longer', 'replaced', 'deleted']) await cache.put(key, 1, { ttl: 1_000 })
    await cache.put('lasts', 2)
    // Its due time is taken away in the store as well.
    expect(stores.actors.writes.at(-1)!.entries).toEqual([['s:lasts', expect.any(Uint8Array), null]])
    await cache.put('longer', 2, { ttl: 5_000 })
    await cache.remove('deleted')
    await cache.put('deleted', 2)
    await clock.jump(2_000, host)
    expect(await cache.list()).toEqual([['deleted', 2], ['lasts', 2], ['longer', 2]])
    await cache.put('replaced', 3)
    await eventually(async () => stored(stores.actors), keys => keys.length === 4, 'nothing was removed')
    await clock.jump(4_000, host)
    expect(await cache.list()).toEqual([['deleted', 2], ['lasts', 2], ['replaced', 3]])
    await eventually(async () => stored(stores.actors), keys => keys.length === 3, 'the longer one is removed')
  })

  it('of a turn that throws keeps what it was', async () => {
    const clock = new MovedClock()
    const host = await hostOf([Cache, Nudge], { clock })
    const cache = host.actor(Cache, 'throws')
    await cache.put('lasts', 1)
    await cache.put('ends', 1, { ttl: 1_000 })
    await failureOf(cache.putAndThrow('lasts', 2, { ttl: 1_000 }))
    await failureOf(cache.putAndThrow('ends', 2))
    expect(await cache.list()).toEqual([['ends', 1], ['lasts', 1]])
    await clock.jump(1_001, host)
    expect(await cache.list()).toEqual([['lasts', 1]])
  })

  it('is removed after a restart, and with real time', async () => {
    const store = lmdbFolder()
    let host = await hostOf([Cache], { store })
    await host.actor(Cache, 'lmdb').put('k', 1, { ttl: 100 })
    await host.actor(Cache, 'lmdb').put('other', 1, { ttl: '1h' })
    await host.stop()
    host = await hostOf([Cache], { store })
    await eventually(() => host.actor(Cache, 'lmdb').get('k'), value => value === undefined, 'it is over')
    expect(await host.actor(Cache, 'lmdb').list()).toEqual([['other', 1]])
  })

  it.each([0, -1, NaN, Infinity, 0.5, '', 'soon', '0s', '200y', null, {}])('of %s is refused', async ttl => {
    const host = await hostOf([Cache])
    const cache = host.actor(Cache, 'bad')
    expect(await failureOf(cache.put('k', 1, { ttl: ttl as string }))).toMatchObject({ code: 'BAD_OPTION' })
    expect(await cache.get('k')).toBeUndefined()
  })
})
