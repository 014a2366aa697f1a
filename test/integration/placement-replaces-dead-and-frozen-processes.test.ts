/** Real processes: kill -9, SIGSTOP, SIGTERM of hosts; kill -9 of the service itself. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { clock, host, noMoves, placement, shares, until } from '../unit/placement/cluster.ts'
import { run, type Child } from '../unit/placement/processes.ts'

const since = (start: number): number => clock.monotonicMs() - start

test('killed with -9: its shards are with others within a second; frozen: within about three; both come back', async () => {
  const { address } = await placement()
  const a = await host(address, 'a')
  const [b, c] = await Promise.all(['b', 'c'].map(id => run('host-process.ts', [address, id, 'A']))) as [Child, Child]
  await until(a.client, () => Object.keys(shares(a.client)).length === 3 && noMoves(a.client), 'three owners')

  let start = clock.monotonicMs()
  b.kill('SIGKILL')
  await until(a.client, () => shares(a.client).b === undefined, 'b is replaced', 1_000)
  expect(since(start)).toBeLessThan(1_000)

  start = clock.monotonicMs()
  c.kill('SIGSTOP')
  await until(a.client, () => shares(a.client).c === undefined, 'c is replaced', 3_500)
  expect(since(start)).toBeGreaterThan(1_000)
  expect(shares(a.client)).toEqual({ a: 64 })
  expect(noMoves(a.client)).toBe(true)

  c.kill('SIGCONT')
  await until(a.client, () => shares(a.client).c === 32 && noMoves(a.client), 'c is back')
  await run('host-process.ts', [address, 'b', 'A'])
  await until(a.client, () => Object.keys(shares(a.client)).length === 3, 'b is back')
}, 40_000)

test('SIGTERM: the host leaves when everything is released, and its epochs stand', async () => {
  const { address } = await placement()
  const a = await host(address, 'a')
  const b = await run('host-process.ts', [address, 'b', 'A'])
  await until(a.client, () => shares(a.client).b === 32 && noMoves(a.client), 'b owns')
  b.kill('SIGTERM')
  expect(await b.exited()).toBe(0)
  await until(a.client, () => !a.client.table.members.has('b') && noMoves(a.client), 'b is gone')
  expect(shares(a.client)).toEqual({ a: 64 })
})

test('the service killed with -9 comes back from its store: same owners, same epochs, next term', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'troupe-placement-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const first = await run('service-process.ts', [directory, '0'])
  const [a, b] = [await host(first.said, 'a'), await host(first.said, 'b')]
  await until(a.client, () => shares(a.client).b === 32 && noMoves(a.client), 'two owners')
  const owners = (): unknown => Array.from({ length: 64 }, (_, s) => [a.client.table.owner('A', s)!.member.id, a.client.table.owner('A', s)!.epoch])
  const before = owners()
  const { version } = a.client.table
  first.kill('SIGKILL')
  await first.exited()
  expect(owners()).toEqual(before)
  await run('service-process.ts', [directory, first.said.split(':')[1]!])
  const c = await host(first.said, 'c')
  await until(c.client, () => shares(c.client).c !== undefined, 'c has a share')
  await until(a.client, () => a.client.table.version >= c.client.table.version, 'a hears it')
  const after = owners() as [string, number][]
  ;(before as [string, number][]).forEach(([id, epoch], s) => {
    expect(after[s]).toEqual(after[s]![0] === 'c' ? ['c', expect.any(Number)] : [id, epoch])
  })
  expect(c.client.table.version).toBeGreaterThan(version)
  expect(b.client.connected).toBe(true)
}, 40_000)
