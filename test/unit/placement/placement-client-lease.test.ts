/** What hangs on the lease: may the host serve, who leads, which tables the stream did not bring, and when the membership is over. */
import { beforeEach, expect, test } from 'vitest'
import { TroupeError } from '../../../core/errors.ts'
import {
  begin, client, clock, clusterStore, create, delta, full, hear, joined, lease, led, link, links, one, self, store, three, two,
} from './client-world.ts'

beforeEach(begin)

// ---- the lease ------------------------------------------------------------------------------------------------------

test('the lease is open under the incarnation before anybody is dialed; the host may serve as long as it is valid', async () => {
  let opened!: () => void
  lease.opening = new Promise(resolve => { opened = resolve })
  const done = client.join(self, 5_000)
  await clock.advance(100)
  expect(lease.opened).toEqual(['a1'])
  expect(links).toHaveLength(0)
  expect(client.mayServe()).toBe(false)
  opened()
  await clock.advance(0)
  hear(full(one))
  await done
  expect(client.mayServe()).toBe(true)
  lease.holds = false
  expect(client.mayServe()).toBe(false)
})

test('a lease that cannot be opened, or not in time, ends the join with the store named', async () => {
  lease.opening = Promise.reject(new TroupeError('STORE_UNAVAILABLE', 'no store there'))
  await expect(client.join(self, 5_000)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', message: 'no store there' })
  create()
  lease.opening = new Promise(() => {})
  const failed = client.join(self, 5_000).catch((error: unknown) => error)
  await clock.advance(5_000)
  expect(await failed).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringMatching(/no lease.*memory:.*5000 ms/) })
  expect(lease.closed).toEqual([true])
  expect(links).toHaveLength(0)
})

test('a revoked lease expels once with FENCED and is not released; nothing is dialed or heard any more', async () => {
  const expelled: unknown[] = []
  client.onExpelled(reason => expelled.push(reason))
  await joined()
  lease.revoked()
  expect(expelled).toMatchObject([{ code: 'FENCED', message: expect.stringMatching(/revoked/) }])
  expect(client.mayServe()).toBe(false)
  expect(link().open).toBe(false)
  expect(lease.closed).toEqual([false])
  hear({ version: 0, term: 1, kind: 'refused', refused: { code: 'DUPLICATE_HOST', message: 'taken', data: '', retry: false } })
  led('r:3', 9)
  await clock.advance(10_000)
  await client.close()
  expect(expelled).toHaveLength(1)
  expect(links).toHaveLength(1)
})

test('a lease that is revoked while joining fails the join with FENCED', async () => {
  const failed = client.join(self, 5_000).catch((error: unknown) => error)
  await clock.advance(0)
  lease.revoked()
  expect(await failed).toMatchObject({ code: 'FENCED' })
})

test('after a planned leave the lease is released at the end; of a membership that just ends it runs out', async () => {
  await joined()
  const left = client.leave(60_000)
  hear({ version: 1, term: 1, kind: 'left', left: {} })
  await left
  expect(lease.closed).toEqual([])
  await client.close()
  expect(lease.closed).toEqual([true])
  create()
  await joined()
  await client.close()
  expect(lease.closed).toEqual([false])
})

test('who leaves while nobody leads goes on alone, and releases its lease', async () => {
  await joined()
  link().listener.closed(new Error('gone'))
  const left = client.leave(60_000)
  await clock.advance(1_500)
  await left
  await client.close()
  expect(lease.closed).toEqual([true])
})

// ---- who leads ------------------------------------------------------------------------------------------------------

test('the leader row comes before the given addresses; without either the join waits, and says so', async () => {
  create([])
  const failed = client.join(self, 5_000).catch((error: unknown) => error)
  await clock.advance(2_000)
  expect(links).toHaveLength(0)
  expect(lease.asked).toBeGreaterThan(1)
  await clock.advance(3_000)
  expect(await failed).toMatchObject({ code: 'PLACEMENT_UNREACHABLE', message: expect.stringMatching(/no leader row.*5000 ms/) })

  create()
  const done = client.join(self, 5_000)
  led('r:3', 4)
  await clock.advance(0)
  expect(link().address).toBe('r:3')
  link().listener.closed(new Error('gone'))
  await clock.advance(100)
  expect(link().address).toBe('p:1')
  hear(full(one))
  await done
})

test('a row that appears while nobody was known is dialed at once', async () => {
  create([])
  const done = client.join(self, 5_000)
  await clock.advance(1_000)
  led('r:3', 1)
  expect(link().address).toBe('r:3')
  hear(full(one))
  await done
})

test('a renewal that names a later term is followed at once; the same or an earlier one is not', async () => {
  const lost: number[] = []
  client.onLeaderLost(() => lost.push(links.length))
  await joined()
  hear(full(two, 5))
  led('p-by-another-name:1', 5)
  led('p:1', 5)
  led('r:3', 4)
  expect(links).toHaveLength(1)
  led('r:3', 6)
  expect(links).toHaveLength(2)
  expect(links[0]!.open).toBe(false)
  expect(link()).toMatchObject({ address: 'r:3', open: true })
  expect(lost).toEqual([])
  hear(full(three, 6))
  expect(client.connected).toBe(true)
  led('r:3', 6)
  expect(links).toHaveLength(2)
})

test('while a silent address is waited for, a leader that turns up is dialed at once', async () => {
  const done = client.join(self, 60_000)
  await clock.advance(500)
  expect(link().address).toBe('p:1')
  led('r:3', 1)
  expect(links[0]!.open).toBe(false)
  expect(link().address).toBe('r:3')
  hear(full(one))
  await done
})

test('the candidate of this host is heard: dialed while not connected, else looked into', async () => {
  await joined()
  const asked = lease.asked
  client.leaderMayBe('p:1')
  client.leaderMayBe('s:4')
  client.leaderMayBe('s:4')
  expect(links).toHaveLength(1)
  expect(lease.asked).toBe(asked + 1)
  client.leaderMayBe(undefined)
  link().listener.closed(new Error('gone'))
  client.leaderMayBe('t:5')
  expect(link().address).toBe('t:5')
})

test('a stream that breaks is told, once each time, and asks who leads now', async () => {
  let lost = 0
  client.onLeaderLost(() => lost++)
  await joined()
  const asked = lease.asked
  link().listener.closed(new Error('gone'))
  expect(lost).toBe(1)
  expect(lease.asked).toBe(asked + 1)
  await clock.advance(100)
  link().listener.closed(new Error('refused'))
  expect(lost).toBe(1)
})

// ---- tables that the stream does not bring --------------------------------------------------------------------------

test('a renewal tells of a table that the stream does not bring: it is loaded, after a moment while connected', async () => {
  await joined()
  await store(two, 1)
  led('p:1', 1, 2)
  await clock.advance(200)
  expect(client.table.version).toBe(1)
  await clock.advance(100)
  expect(client.table.version).toBe(2)
  expect(client.connected).toBe(true)
  hear(delta(one, two))
  hear(delta(two, three))
  expect(client.table.version).toBe(3)
  expect(links).toHaveLength(1)
})

test('while the service is away a table comes with the next renewal, and who waits for one asks for it', async () => {
  await joined()
  link().listener.closed(new Error('gone'))
  await store(three, 1)
  const asked = lease.asked
  const waited = client.waitFor(3, 1_000)
  expect(lease.asked).toBe(asked + 1)
  led('p:1', 1, 3)
  expect(await waited).toBe(true)
  expect(client.table.owner('A', 0)).toEqual(three.owner('A', 0))
})

test('a stored table of an earlier leader than was seen is refused; bytes that are none change nothing', async () => {
  await joined()
  hear(full(two, 5))
  link().listener.closed(new Error('gone'))
  await store(three, 4)
  led('p:1', 5, 3)
  await clock.advance(10)
  expect(client.table.version).toBe(2)
  await clusterStore.saveTable({ term: 6, version: 7, bytes: new Uint8Array([1]) })
  led('p:1', 5, 7)
  await clock.advance(10)
  expect(client.table.version).toBe(2)
})

test('a load that hangs is given up, and one that fails is tried with the next renewal', async () => {
  await joined()
  await store(two, 1)
  link().listener.closed(new Error('gone'))
  const load = clusterStore.loadTable.bind(clusterStore)
  let loads = 0
  clusterStore.loadTable = () => {
    loads++
    if (loads === 1) return new Promise(() => {})
    return loads === 2 ? Promise.reject(new TroupeError('STORE_UNAVAILABLE', 'away')) : load()
  }
  for (const wait of [1_000, 6_000, 10]) {
    lease.news({ version: 2, leader: undefined })
    await clock.advance(wait)
  }
  expect(loads).toBe(2)
  lease.news({ version: 2, leader: undefined })
  await clock.advance(10)
  expect(client.table.version).toBe(2)
})

test('a service that does not lead sends on to who does; two that send to each other are asked slower and slower', async () => {
  const sendOn = (leader: unknown): void =>
    hear({ version: 0, term: 0, kind: 'refused', refused: { code: 'NOT_READY', message: 'does not lead', data: JSON.stringify({ leader }), retry: true } })
  const failed = client.join(self, 20_000).catch((error: unknown) => error)
  await clock.advance(0)
  sendOn('r:9')
  await clock.advance(25)
  expect(link().address).toBe('r:9')
  sendOn('no address')
  await clock.advance(25)
  expect(link().address).toBe('p:1')
  for (let i = 0; i < 1_000; i++) {
    if (link().open) sendOn(link().address === 's:1' ? 's:2' : 's:1')
    await clock.advance(10)
  }
  expect(links.slice(-4).map(l => l.address)).toEqual(expect.arrayContaining(['s:1', 's:2']))
  expect(links.length).toBeLessThan(60)
  await clock.advance(20_000)
  expect(await failed).toMatchObject({ code: 'PLACEMENT_UNREACHABLE', message: expect.stringMatching(/does not lead/) })
})
