/** A host alone: all shards are its own, and epochs rise from one start to the next. */
import { expect, test } from 'vitest'
import { StandaloneMembership } from '../../../placement/standalone.ts'
import { clock, memoryStore, random, request } from './cluster.ts'

const open = (clusterStore = memoryStore(), shardBits = 6): StandaloneMembership => new StandaloneMembership({ clusterStore, clock, random, shardBits })

test('owns every shard of its types at version 1 on a fresh store, and tells of it', async () => {
  const membership = open()
  const changes: number[] = []
  membership.onChange(change => changes.push(change.version, change.shards.length, change.joined.length))
  await membership.join(request('a', 'a:1', ['A', 'B']), 1_000)
  expect(changes).toEqual([1, 128, 1])
  expect(membership.table.owner('B', 63)).toMatchObject({ epoch: 1, from: undefined, member: { id: 'a' } })
  expect(membership.table.owner('C', 0)).toBe(undefined)
  expect(membership.connected).toBe(true)
  expect(await membership.waitFor(1, 0)).toBe(true)
  const later = membership.waitFor(2, 60_000)
  membership.released([])
  membership.suspect('b')
  await membership.leave(10)
  await membership.close()
  expect(await later).toBe(false)
})

test('each start on one store gets a higher epoch, ten at once each their own', async () => {
  const store = memoryStore()
  const memberships = Array.from({ length: 10 }, () => open(store))
  await Promise.all(memberships.map((membership, i) => membership.join(request(`h${i}`, 'a:1'), 1_000)))
  const epochs = memberships.map(membership => membership.table.owner('A', 0)!.epoch)
  expect(epochs.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})

test('goes above the term of a leader that has saved nothing yet', async () => {
  const store = memoryStore()
  await open(store).join(request('a', 'a:1'), 1_000)
  for (const nonce of ['x', 'y', 'z']) {
    await store.campaign({ nonce, address: 'x:1', ttlMs: 60_000 })
    await store.resign(nonce)
  }
  const membership = open(store)
  await membership.join(request('b', 'b:1'), 1_000)
  expect(membership.table.version).toBe(2)
  expect((await store.loadTable())!.term).toBeGreaterThanOrEqual(3)
})

test('a store written with other shard bits is refused', async () => {
  const store = memoryStore()
  await open(store, 6).join(request('a', 'a:1'), 1_000)
  await expect(open(store, 8).join(request('a', 'a:1'), 1_000)).rejects.toMatchObject({ code: 'CLUSTER_MISMATCH', message: expect.stringMatching(/has 6.*given 8/) })
})

test('a cluster row of somebody else is refused', async () => {
  const store = memoryStore()
  await store.saveTable({ term: 1, version: 1, bytes: new Uint8Array([0xc0]) })
  await expect(open(store).join(request('a', 'a:1'), 1_000)).rejects.toMatchObject({ code: 'PROTOCOL' })
})

test('is refused on a store that a placement service leads, and not after that service died', async () => {
  const store = memoryStore()
  const living = await store.campaign({ nonce: 'leader', address: '10.0.0.1:50005', ttlMs: 60_000 })
  await expect(open(store).join(request('a', 'a:1'), 1_000)).rejects.toMatchObject({ code: 'LEADER_HELD', message: expect.stringContaining('--placement') })
  await store.resign(living.nonce)
  await store.campaign({ nonce: 'dead', address: '10.0.0.1:50005', ttlMs: 300 })
  await open(store).join(request('a', 'a:1'), 1_000)
})
