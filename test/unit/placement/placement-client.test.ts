/** The client's decisions over links made by hand: what it refuses, when it gives a stream up, what it says again. */
import { beforeEach, expect, test } from 'vitest'
import { begin, client, clock, delta, full, hear, joined, kinds, link, links, one, self, three, two } from './client-world.ts'

beforeEach(begin)

test('joins with the first table, then follows deltas in order, each told once', async () => {
  const versions: number[] = []
  client.onChange(change => {
    expect(client.table.version).toBe(change.version)
    versions.push(change.version)
  })
  await joined()
  hear(delta(one, two))
  hear(delta(two, three))
  expect(versions).toEqual([1, 2, 3])
  expect(client.table.owner('A', 0)).toEqual(three.owner('A', 0))
})

test('a lower or equal table changes nothing; a delta that does not fit ends the stream for a full one', async () => {
  await joined(two)
  const { table } = client
  hear(full(one))
  hear(full(two))
  hear(delta(one, two))
  expect(client.table).toBe(table)
  expect(client.connected).toBe(true)
  hear(delta(three, three.renumbered(9)))
  expect(link().open).toBe(false)
  expect(client.connected).toBe(false)
  await clock.advance(2_000)
  expect(link().address).toBe('q:2')
  expect(link().sent[0]).toMatchObject({ version: 2, kind: 'join', join: { incarnation: 'a1', leaving: false } })
  hear(full(three))
  expect(client.connected).toBe(true)
  expect(client.table.version).toBe(3)
})

test('bytes that are no table end the stream, and the old table stays', async () => {
  await joined()
  hear({ version: 9, term: 1, kind: 'full', full: new Uint8Array([1, 2, 3]) })
  expect(client.connected).toBe(false)
  expect(client.table.version).toBe(1)
})

test('a leader of an earlier term is left for another address', async () => {
  await joined()
  hear(full(two, 5))
  hear(full(three, 4))
  expect(client.table.version).toBe(2)
  expect(client.connected).toBe(false)
})

test('a stream that goes silent is given up; heartbeats carry the version', async () => {
  await joined()
  await clock.advance(600)
  expect(link().sent.at(-1)).toMatchObject({ kind: 'heartbeat', version: 1 })
  await clock.advance(1_500)
  hear({ version: 1, term: 1, kind: 'heartbeat', heartbeat: {} })
  await clock.advance(1_500)
  expect(client.connected).toBe(true)
  await clock.advance(1_500)
  expect(links.length).toBeGreaterThan(1)
  expect(client.connected).toBe(false)
  expect(client.table.version).toBe(1)
})

test('an address that cannot be reached is given up soon; a service that was reached may take its time for a verdict', async () => {
  const done = client.join(self, 60_000)
  await clock.advance(0)
  link().reached = false
  await clock.advance(2_600)
  expect(link().address).toBe('q:2')
  await clock.advance(9_000)
  expect(link().address).toBe('q:2')
  hear(full(one))
  await done
})

test('tries the addresses in turn for ever, slower and slower, with chance in between', async () => {
  const failed = client.join(self, 60_000).catch((error: unknown) => error)
  await clock.advance(0)
  const fail = (): void => link().listener.closed(new Error('connect refused'))
  for (let i = 0; i < 20; i++) {
    fail()
    await clock.advance(1_001)
  }
  expect(links.slice(0, 4).map(l => l.address)).toEqual(['p:1', 'q:2', 'p:1', 'q:2'])
  expect(links.length).toBe(21)
  await clock.advance(60_000)
  expect(await failed).toMatchObject({ code: 'PLACEMENT_UNREACHABLE', message: expect.stringMatching(/p:1, q:2/), retryable: true })
  expect(links.at(-1)!.open).toBe(false)
})

test('a service that does not lead is passed over; other refusals are the answer', async () => {
  const refused = client.join(self, 5_000).catch((error: unknown) => error)
  await clock.advance(0)
  hear({ version: 0, term: 0, kind: 'refused', refused: { code: 'NOT_READY', message: 'does not lead', data: 'null', retry: true } })
  await clock.advance(100)
  expect(link().address).toBe('q:2')
  hear({ version: 0, term: 1, kind: 'refused', refused: { code: 'DUPLICATE_HOST', message: 'taken', data: '{"id":"a"}', retry: false } })
  expect(await refused).toMatchObject({ code: 'DUPLICATE_HOST', message: 'taken', data: { id: 'a' } })
  expect(link().open).toBe(false)
})

test('a refusal after joining expels, once, and ends everything', async () => {
  const expelled: unknown[] = []
  client.onExpelled(reason => expelled.push(reason))
  await joined()
  const waiting = client.waitFor(9, 60_000)
  const leaving = client.leave(60_000)
  hear({ version: 0, term: 1, kind: 'refused', refused: { code: 'DUPLICATE_HOST', message: 'taken', data: '', retry: false } })
  expect(expelled).toMatchObject([{ code: 'DUPLICATE_HOST' }])
  expect(await waiting).toBe(false)
  await leaving
  await clock.advance(10_000)
  expect(links).toHaveLength(1)
  expect(await client.waitFor(1, 0)).toBe(true)
})

test('a release is said at once, and again after a reconnection until a table shows it', async () => {
  const shard = Array.from({ length: 16 }, (_, s) => s).find(s => two.owner('A', s)!.from === 'a')!
  await joined()
  hear(delta(one, two))
  client.released([{ type: 'A', shard }])
  expect(link().sent.at(-1)).toEqual({ version: 2, kind: 'released', released: { sets: [{ type: 'A', shards: [shard] }] } })
  link().listener.closed(new Error('gone'))
  await clock.advance(2_000)
  hear(full(two))
  expect(kinds()).toEqual(['join', 'released'])
  hear(delta(two, three))
  link().listener.closed(new Error('gone'))
  await clock.advance(2_000)
  hear(full(three))
  expect(kinds()).toEqual(['join'])
})

test('a leave is said again after a reconnection, and ends with `left`', async () => {
  await joined()
  const left = client.leave(60_000)
  expect(kinds()).toContain('leave')
  link().listener.closed(new Error('gone'))
  await clock.advance(2_000)
  expect(link().sent[0]).toMatchObject({ kind: 'join', join: { leaving: true } })
  hear({ version: 1, term: 1, kind: 'left', left: {} })
  await left
  expect(client.connected).toBe(false)
  await clock.advance(10_000)
  expect(links).toHaveLength(2)
})

test('a suspicion goes out while connected, and is dropped while not', async () => {
  await joined()
  client.suspect('b')
  expect(link().sent.at(-1)).toMatchObject({ kind: 'suspect', suspect: { id: 'b' } })
  link().listener.closed(new Error('gone'))
  client.suspect('b')
})

test('closing while joining rejects the join; joining twice is refused', async () => {
  const failed = client.join(self, 5_000).catch((error: unknown) => error)
  await expect(client.join(self, 5_000)).rejects.toMatchObject({ code: 'INTERNAL' })
  await client.close()
  expect(await failed).toMatchObject({ code: 'PLACEMENT_UNREACHABLE' })
  await client.leave(5)
})
