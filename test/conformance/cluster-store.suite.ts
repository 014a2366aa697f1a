/** What every ClusterStore must do; `elapse` lets time pass by the store's clock. */
import { afterEach, describe, expect, test } from 'vitest'
import type { ClusterStore } from '../../stores/cluster-store.ts'

export interface ClusterPlace {
  /** A new, opened store on this place. */
  store(): Promise<ClusterStore>
  elapse(ms: number): Promise<void>
  remove(): Promise<void>
}

export function clusterStoreSuite(name: string, makePlace: () => Promise<ClusterPlace>): void {
  describe(`ClusterStore on ${name}`, () => {
    let place: ClusterPlace
    const stores: ClusterStore[] = []
    const open = async (): Promise<ClusterStore> => {
      if (stores.length === 0) place = await makePlace()
      const store = await place.store()
      stores.push(store)
      return store
    }
    afterEach(async () => {
      for (const store of stores.splice(0)) await store.close()
      await place.remove()
    })
    const a = { nonce: 'a', address: '10.0.0.1:1', ttlMs: 60_000 }
    const b = { nonce: 'b', address: '10.0.0.2:1', ttlMs: 60_000 }

    test('the first candidate wins term 1, renews it, and the next one sees who leads', async () => {
      const [one, two] = [await open(), await open()]
      expect(await one.campaign(a)).toEqual({ nonce: 'a', address: a.address, term: 1 })
      expect(await one.campaign(a)).toEqual({ nonce: 'a', address: a.address, term: 1 })
      expect(await two.campaign(b)).toEqual({ nonce: 'a', address: a.address, term: 1 })
    })

    test('an expired row is taken with the next term, and the old leader sees it', async () => {
      const [one, two] = [await open(), await open()]
      await one.campaign({ ...a, ttlMs: 30 })
      await place.elapse(60)
      expect(await two.campaign(b)).toEqual({ nonce: 'b', address: b.address, term: 2 })
      expect(await one.campaign(a)).toMatchObject({ nonce: 'b', term: 2 })
    })

    test('a row that was given up is free at once, and its term stays used', async () => {
      const [one, two] = [await open(), await open()]
      await one.campaign(a)
      await two.resign('b')
      expect(await two.campaign(b)).toMatchObject({ nonce: 'a', term: 1 })
      await one.resign('a')
      expect(await one.campaign(a)).toMatchObject({ nonce: 'a', term: 2 })
    })

    test('of many candidates one wins', async () => {
      const all = [await open(), await open(), await open()]
      const rows = await Promise.all(Array.from({ length: 12 }, (_, i) => all[i % 3]!.campaign({ ...a, nonce: `n${i}` })))
      expect(new Set(rows.map(row => row.nonce)).size).toBe(1)
      expect(new Set(rows.map(row => row.term))).toEqual(new Set([1]))
    })

    test('a table is saved for the newest term and a higher version only', async () => {
      const [one, two] = [await open(), await open()]
      expect(await one.loadTable()).toBeUndefined()
      await one.campaign({ ...a, ttlMs: 30 })
      expect(await one.saveTable({ term: 1, version: 4, bytes: Buffer.from('four') })).toBe('ok')
      expect(await one.saveTable({ term: 1, version: 4, bytes: Buffer.from('again') })).toBe('stale')
      expect(await one.saveTable({ term: 1, version: 3, bytes: Buffer.from('three') })).toBe('stale')
      await place.elapse(60)
      await two.campaign(b)
      // The old leader is out even before the new one has saved anything.
      expect(await one.saveTable({ term: 1, version: 5, bytes: Buffer.from('zombie') })).toBe('stale')
      expect(await two.saveTable({ term: 2, version: 5, bytes: Buffer.alloc(300_000, 5) })).toBe('ok')
      expect(await two.saveTable({ term: 1, version: 9, bytes: Buffer.from('lower term') })).toBe('stale')
      const table = await one.loadTable()
      expect([table?.term, table?.version, Buffer.alloc(300_000, 5).equals(Buffer.from(table!.bytes))]).toEqual([2, 5, true])
    })
  })
}
