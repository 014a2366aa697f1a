/** Real processes on one LMDB folder: kill -9, SIGSTOP, SIGTERM of hosts and of leaders. */
import { expect, test } from 'vitest'
import { candidate, clock, host, noMoves, placement, reconnected, shares, until } from '../unit/placement/cluster.ts'
import { lmdbFolder } from '../unit/placement/lmdb-folder.ts'
import { run, type Child } from '../unit/placement/processes.ts'

const since = (start: number): number => clock.monotonicMs() - start

test('killed with -9: its shards are with others within a second; frozen: within three; thawed, it finds its lease revoked', async () => {
  const { directory, clusterStore } = await lmdbFolder()
  const { address } = await placement({ clusterStore })
  const a = await host(address, 'a')
  const [b, c] = await Promise.all(['b', 'c'].map(id => run('host-process.ts', [directory, address, id, 'A']))) as [Child, Child]
  await until(a.client, () => Object.keys(shares(a.client)).length === 3 && noMoves(a.client), 'three owners')

  let start = clock.monotonicMs()
  b.kill('SIGKILL')
  await until(a.client, () => shares(a.client).b === undefined, 'b is replaced', 1_000)
  expect(since(start)).toBeLessThan(1_000)

  start = clock.monotonicMs()
  c.kill('SIGSTOP')
  await until(a.client, () => shares(a.client).c === undefined, 'c is replaced', 3_000)
  expect(since(start)).toBeGreaterThan(1_000)
  expect(shares(a.client)).toEqual({ a: 64 })
  expect(noMoves(a.client)).toBe(true)

  c.kill('SIGCONT')
  // It says so by its exit code: nothing makes it a member again but a new incarnation.
  expect(await c.exited()).toBe(3)
  await run('host-process.ts', [directory, address, 'b', 'A'])
  await until(a.client, () => Object.keys(shares(a.client)).length === 2, 'b is back')
}, 40_000)

test('SIGTERM: the host leaves when everything is released, its epochs stand, and its lease is gone', async () => {
  const { directory, clusterStore } = await lmdbFolder()
  const { address } = await placement({ clusterStore })
  const a = await host(address, 'a')
  const b = await run('host-process.ts', [directory, address, 'b', 'A'])
  await until(a.client, () => shares(a.client).b === 32 && noMoves(a.client), 'b owns')
  b.kill('SIGTERM')
  expect(await b.exited()).toBe(0)
  await until(a.client, () => !a.client.table.members.has('b') && noMoves(a.client), 'b is gone')
  expect(shares(a.client)).toEqual({ a: 64 })
  expect((await clusterStore.leases()).map(lease => lease.id)).toEqual([a.self.incarnation])
})

test('the service killed with -9 comes back from its store: same owners, same epochs, next term', async () => {
  const { directory, clusterStore } = await lmdbFolder()
  const first = await run('service-process.ts', [directory, '0'])
  const [a, b] = [await host(first.said, 'a', ['A'], { clusterStore }), await host(first.said, 'b', ['A'], { clusterStore })]
  await until(a.client, () => shares(a.client).b === 32 && noMoves(a.client), 'two owners')
  const owners = (): unknown => Array.from({ length: 64 }, (_, s) => [a.client.table.owner('A', s)!.member.id, a.client.table.owner('A', s)!.epoch])
  const before = owners()
  const { version } = a.client.table
  first.kill('SIGKILL')
  await first.exited()
  expect(owners()).toEqual(before)
  await run('service-process.ts', [directory, first.said.split(':')[1]!])
  const c = await host(first.said, 'c', ['A'], { clusterStore })
  await until(c.client, () => shares(c.client).c !== undefined, 'c has a share')
  await until(a.client, () => a.client.table.version >= c.client.table.version, 'a hears it')
  const after = owners() as [string, number][]
  ;(before as [string, number][]).forEach(([id, epoch], s) => {
    expect(after[s]).toEqual(after[s]![0] === 'c' ? ['c', expect.any(Number)] : [id, epoch])
  })
  expect(c.client.table.version).toBeGreaterThan(version)
  await reconnected(b)
}, 40_000)

/** The one that is told of the candidate's next leader, and when. */
const nextLeader = (one: Awaited<ReturnType<typeof candidate>>, not: string): Promise<{ address: string; at: number }> => new Promise(resolve => {
  one.onLeader(address => { if (address !== undefined && address !== not) resolve({ address, at: clock.monotonicMs() }) })
})

test('a leader killed with -9 is replaced by a standby as soon as somebody notices', async () => {
  const { directory, clusterStore } = await lmdbFolder()
  const first = await run('service-process.ts', [directory, '0'])
  const standby = await candidate({ clusterStore })
  const a = await host([first.said, standby.address], 'a', ['A'], { clusterStore })
  const elected = nextLeader(standby, first.said)
  const start = clock.monotonicMs()
  first.kill('SIGKILL')
  // The host loses its stream and comes here.
  expect((await elected).address).toBe(standby.address)
  expect((await elected).at - start).toBeLessThan(1_000)
  const b = await host(standby.address, 'b', ['A'], { clusterStore })
  await until(b.client, () => shares(b.client).b === 32 && noMoves(b.client), 'b has its share')
  await reconnected(a)
})

test('a leader that is frozen is replaced when its row is over; thawed, it stands by and sends its hosts on', async () => {
  const { directory, clusterStore } = await lmdbFolder()
  const first = await run('service-process.ts', [directory, '0'])
  const standby = await candidate({ clusterStore })
  const a = await host([first.said, standby.address], 'a', ['A'], { clusterStore })
  const elected = nextLeader(standby, first.said)
  const start = clock.monotonicMs()
  first.kill('SIGSTOP')
  expect((await elected).address).toBe(standby.address)
  expect((await elected).at - start).toBeLessThan(2_500)
  const b = await host([standby.address], 'b', ['A'], { clusterStore })
  await until(a.client, () => shares(a.client).b === 32 && noMoves(a.client), 'a hears of b')
  first.kill('SIGCONT')
  const { version } = a.client.table
  await host([first.said, standby.address], 'c', ['A'], { clusterStore })
  await until(a.client, () => shares(a.client).c !== undefined, 'a hears of c')
  expect(a.client.table.version).toBeGreaterThan(version)
  expect(standby.status()).toMatchObject({ leading: true, leader: standby.address, members: [{ id: 'a' }, { id: 'b' }, { id: 'c' }] })
  await reconnected(b)
})
