/** What every ClusterStore must do; `elapse` lets time pass by the store's clock. */
import { afterEach, describe, expect, test } from 'vitest'
import type { ClusterStore, LeaseRenewal, LeaseState } from '../../stores/cluster-store.ts'

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

    test('a leader whose process is gone is deposed by its nonce: the term rises, and nobody else is hit by it', async () => {
      const [one, two] = [await open(), await open()]
      await one.campaign(a)
      expect(await two.campaign({ ...b, deposes: 'c' })).toMatchObject({ nonce: 'a', term: 1 })
      expect(await two.campaign({ ...b, deposes: '' })).toMatchObject({ nonce: 'a', term: 1 })
      expect(await two.campaign({ ...b, deposes: 'a' })).toEqual({ nonce: 'b', address: b.address, term: 2 })
      // Whoever believed the same, and comes later, hits nobody.
      expect(await one.campaign({ ...a, nonce: 'c', deposes: 'a' })).toMatchObject({ nonce: 'b', term: 2 })
      expect(await one.campaign(a)).toMatchObject({ nonce: 'b', term: 2 })
      expect(await one.saveTable({ term: 1, version: 1, bytes: Buffer.from('deposed') })).toBe('stale')
      expect(await two.campaign({ ...b, deposes: 'b' })).toMatchObject({ nonce: 'b', term: 2 })
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

    const held = { held: true, version: 0, leader: undefined }
    const gone = { ...held, held: false }
    const ids = (rows: readonly LeaseState[]): string[] => rows.map(row => row.id).sort()

    test('a lease is there from its opening, lasts as long as it was given, and is gone when it is ended', async () => {
      const [one, two] = [await open(), await open()]
      expect(await one.leases()).toEqual([])
      await one.openLease({ id: 'host/1 {x}', ttlMs: 60_000 })
      await two.openLease({ id: 'host/2', ttlMs: 30_000 })
      const rows = await two.leases()
      expect(ids(rows)).toEqual(['host/1 {x}', 'host/2'])
      const [first, second] = ['host/1 {x}', 'host/2'].map(id => rows.find(row => row.id === id)!.leftMs)
      expect([first! > 50_000, first! <= 60_000, second! > 20_000, second! <= 30_000]).toEqual([true, true, true, true])
      expect(await two.renewLease({ id: 'host/1 {x}', ttlMs: 120_000 })).toEqual(held)
      expect((await one.leases()).find(row => row.id === 'host/1 {x}')!.leftMs).toBeGreaterThan(110_000)
      await two.endLease('host/1 {x}')
      await two.endLease('host/1 {x}')
      expect(ids(await one.leases())).toEqual(['host/2'])
      expect(await one.renewLease({ id: 'host/1 {x}', ttlMs: 60_000 })).toEqual(gone)
    })

    test('only what was opened can be renewed; a renewal opens nothing', async () => {
      const one = await open()
      expect(await one.renewLease({ id: 'never', ttlMs: 60_000 })).toEqual(gone)
      expect(await one.leases()).toEqual([])
      expect(await one.revokeLease('never')).toBe('revoked')
    })

    test('a lease that lasts is not revoked; one that is over is renewed as long as nobody has', async () => {
      const [one, two] = [await open(), await open()]
      await one.openLease({ id: 'h', ttlMs: 30 })
      await one.openLease({ id: 'other', ttlMs: 60_000 })
      expect(await two.revokeLease('other')).toBe('held')
      await place.elapse(60)
      const over = (await two.leases()).find(row => row.id === 'h')!
      expect(over.leftMs).toBeLessThanOrEqual(0)
      expect(await one.renewLease({ id: 'h', ttlMs: 60_000 })).toEqual(held)
      expect(await two.revokeLease('h')).toBe('held')
      expect((await two.leases()).find(row => row.id === 'h')!.leftMs).toBeGreaterThan(50_000)
    })

    test('a lease that was revoked is never held again, and others know nothing of it', async () => {
      const [one, two] = [await open(), await open()]
      await one.openLease({ id: 'h', ttlMs: 30 })
      await one.openLease({ id: 'h2', ttlMs: 60_000 })
      await place.elapse(60)
      expect(await two.revokeLease('h')).toBe('revoked')
      expect(await two.revokeLease('h')).toBe('revoked')
      for (const store of [one, two, one]) expect(await store.renewLease({ id: 'h', ttlMs: 60_000 })).toEqual(gone)
      expect(ids(await one.leases())).toEqual(['h2'])
      expect(await one.renewLease({ id: 'h2', ttlMs: 60_000 })).toEqual(held)
      await one.openLease({ id: 'h3', ttlMs: 60_000 })
      expect(ids(await two.leases())).toEqual(['h2', 'h3'])
    })

    test('of a renewal and a revocation that meet, exactly one wins, 200 times', async () => {
      const [one, two] = [await open(), await open()]
      const all = Array.from({ length: 200 }, (_, i) => `h${i}`)
      await Promise.all(all.map(id => one.openLease({ id, ttlMs: 30 })))
      await place.elapse(60)
      const outcomes = { renewed: 0, revoked: 0 }
      for (const [i, id] of all.entries()) {
        const renew = (): Promise<LeaseRenewal> => one.renewLease({ id, ttlMs: 60_000 })
        const revoke = (): Promise<'revoked' | 'held'> => two.revokeLease(id)
        const [renewal, revocation] = i % 2 === 0
          ? await Promise.all([renew(), revoke()])
          : await Promise.all([revoke(), renew()]).then(([revoked, renewed]) => [renewed, revoked] as const)
        expect([id, renewal.held]).toEqual([id, revocation === 'held'])
        expect(await renew()).toEqual(renewal)
        outcomes[renewal.held ? 'renewed' : 'revoked']++
      }
      expect(outcomes.renewed + outcomes.revoked).toBe(200)
      expect(ids(await one.leases())).toHaveLength(outcomes.renewed)
    }, 30_000)

    test('a renewal tells the version of the saved table and who leads, until his time is over', async () => {
      const [one, two] = [await open(), await open()]
      await one.openLease({ id: 'h', ttlMs: 60_000 })
      const renew = (): Promise<LeaseRenewal> => two.renewLease({ id: 'h', ttlMs: 60_000 })
      expect(await renew()).toEqual(held)
      await one.campaign({ ...a, ttlMs: 30 })
      await one.saveTable({ term: 1, version: 7, bytes: Buffer.from('seven') })
      await place.elapse(60)
      expect(await renew()).toEqual({ held: true, version: 7, leader: undefined })
      const leader = await two.campaign(b)
      expect(await renew()).toEqual({ held: true, version: 7, leader: { nonce: 'b', address: b.address, term: 2 } })
      expect(leader).toEqual((await renew()).leader)
      await one.saveTable({ term: 2, version: 8, bytes: Buffer.from('eight') })
      await two.resign('b')
      expect(await renew()).toEqual({ held: true, version: 8, leader: undefined })
      // Whoever lost his lease learns as much.
      await one.endLease('h')
      expect(await renew()).toEqual({ held: false, version: 8, leader: undefined })
    })
  })
}
