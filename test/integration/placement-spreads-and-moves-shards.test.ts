/** A real placement service and real streams, all in this process: joins, deaths, leaves, releases. */
import { expect, test } from 'vitest'
import { clock, host, noMoves, peerPort, placement, shares, until } from '../unit/placement/cluster.ts'

test('three hosts that join together have a third each, by few tables', async () => {
  const { address } = await placement()
  const hosts = await Promise.all(['a', 'b', 'c'].map(id => host(address, id)))
  for (const { client } of hosts) {
    await until(client, () => Object.keys(shares(client)).length === 3, 'three owners')
    for (const count of Object.values(shares(client))) expect(count).toBeGreaterThanOrEqual(21)
    await until(client, () => noMoves(client), 'all moves released')
    expect(client.connected).toBe(true)
  }
  const versions = hosts[0]!.client.table.version
  expect(versions).toBeLessThan(6)
  expect(hosts.map(h => h.client.table.version)).toEqual([versions, versions, versions])
})

test('a host that joins later gets its share, with epochs that rise for what moved alone', async () => {
  const { address } = await placement()
  const a = await host(address, 'a')
  const before = Array.from({ length: 64 }, (_, shard) => a.client.table.owner('A', shard)!)
  const b = await host(address, 'b')
  await until(a.client, () => shares(a.client).b === 32 && noMoves(a.client), 'b has its half')
  before.forEach((owner, shard) => {
    const now = a.client.table.owner('A', shard)!
    expect(now.epoch > owner.epoch).toBe(now.member.id === 'b')
  })
  expect(await b.client.waitFor(a.client.table.version, 1_000)).toBe(true)
})

test('the shards of a killed host are reassigned within a second', async () => {
  const { address } = await placement()
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(id => host(address, id)))
  await until(a!.client, () => Object.keys(shares(a!.client)).length === 3 && noMoves(a!.client), 'three owners')
  const killed = clock.monotonicMs()
  await c!.die()
  await until(a!.client, () => shares(a!.client).c === undefined, 'c is gone', 1_000)
  expect(clock.monotonicMs() - killed).toBeLessThan(1_000)
  expect(shares(a!.client)).toEqual({ a: 32, b: 32 })
  expect(noMoves(a!.client)).toBe(true)
  await until(b!.client, () => shares(b!.client).c === undefined, 'b hears it')
})

test('a suspected host whose port is closed is dead, one whose port is open is not', async () => {
  const { address } = await placement()
  const a = await host(address, 'a')
  const b = await host(address, 'b')
  await until(a.client, () => shares(a.client).b === 32 && noMoves(a.client), 'two owners')
  a.client.suspect('b')
  expect(await a.client.waitFor(a.client.table.version + 1, 600)).toBe(false)
  const gone = await peerPort()
  const c = await host(address, 'c', ['A'], { address: gone.address })
  const expelled = new Promise<Error>(resolve => c.client.onExpelled(resolve))
  await until(a.client, () => shares(a.client).c !== undefined && noMoves(a.client), 'c owns')
  await gone.close()
  a.client.suspect('c')
  await until(a.client, () => a.changes.some(change => change.gone.some(m => m.id === 'c')), 'c is dead', 1_000)
  // Its process lives on, and hears that its lease was taken away.
  expect(await expelled).toMatchObject({ code: 'FENCED' })
  expect(b.client.connected).toBe(true)
})

test('a planned leave moves everything with `from`, waits for the releases, and ends the membership', async () => {
  const { address } = await placement()
  const a = await host(address, 'a')
  const b = await host(address, 'b', ['A'], { releases: false })
  await until(a.client, () => shares(a.client).b === 32, 'b owns')
  await until(a.client, () => noMoves(a.client), 'b has all its shards')
  const left = b.client.leave(5_000).then(() => 'left')
  await until(a.client, () => shares(a.client).b === undefined, 'all moved')
  await until(b.client, () => shares(b.client).b === undefined, 'b knows')
  const waiting = Array.from({ length: 64 }, (_, shard) => ({ type: 'A', shard })).filter(s => a.client.table.owner('A', s.shard)!.from === 'b')
  expect(waiting).toHaveLength(32)
  expect(a.client.table.members.get('b')?.leaving).toBe(true)
  const epochs = waiting.map(s => a.client.table.owner('A', s.shard)!.epoch)
  b.client.released(waiting.slice(0, 10))
  await until(a.client, () => waiting.slice(0, 10).every(s => a.client.table.owner('A', s.shard)!.from === undefined), 'ten released')
  expect(waiting.slice(10).every(s => a.client.table.owner('A', s.shard)!.from === 'b')).toBe(true)
  b.client.released(waiting.slice(10))
  expect(await left).toBe('left')
  await until(a.client, () => noMoves(a.client) && !a.client.table.members.has('b'), 'b is gone')
  expect(waiting.map(s => a.client.table.owner('A', s.shard)!.epoch)).toEqual(epochs)
})

test('a move that its old owner never releases ends after a bounded time', async () => {
  const { address } = await placement({ times: { releaseMs: 200 } })
  const a = await host(address, 'a', ['A'], { releases: false })
  const b = await host(address, 'b')
  await until(b.client, () => shares(b.client).b === 32 && noMoves(b.client), 'released by time', 2_000)
  expect(a.client.connected).toBe(true)
})

test('a leave that the service never answers resolves after its time', async () => {
  const service = await placement()
  const a = await host(service.address, 'a')
  await service.stop()
  const start = clock.monotonicMs()
  await a.client.leave(200)
  expect(clock.monotonicMs() - start).toBeGreaterThanOrEqual(199)
})

test('types may differ by host, come later, and lose their last host', async () => {
  const { address } = await placement()
  const a = await host(address, 'a', ['A'])
  expect(a.client.table.owner('B', 0)).toBe(undefined)
  const b = await host(address, 'b', ['A', 'B'])
  await until(a.client, () => shares(a.client, 'B').b === 64 && shares(a.client, 'A').b === 32, 'B is all b\'s')
  await b.die()
  await until(a.client, () => shares(a.client, 'B')['-'] === 64 && shares(a.client, 'A').a === 64, 'B has no host', 1_500)
  expect(a.client.table.types.has('B')).toBe(true)
  const c = await host(address, 'c', ['B'])
  await until(c.client, () => shares(c.client, 'B').c === 64, 'B is back')
  expect(shares(c.client, 'A')).toEqual({ a: 64 })
})

test('a weighted host gets shards by its weight', async () => {
  const { address } = await placement()
  const a = await host(address, 'a', ['A'], { weight: 3 })
  await host(address, 'b')
  await until(a.client, () => shares(a.client).b === 16 && noMoves(a.client), 'b has a quarter')
})

test('waitFor hears of a version, or says no in time', async () => {
  const { address } = await placement()
  const a = await host(address, 'a')
  const next = a.client.waitFor(a.client.table.version + 1, 5_000)
  await host(address, 'b')
  expect(await next).toBe(true)
  expect(await a.client.waitFor(1_000_000, 50)).toBe(false)
  expect(await a.client.waitFor(1, 0)).toBe(true)
})
