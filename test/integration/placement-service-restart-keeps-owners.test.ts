/** The service goes and comes back: hosts keep their table, owners and epochs; versions rise; only one leads. */
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import type { Member } from '../../placement/membership.ts'
import { PlacementClient, startPlacement, type PlacementService } from '../../placement/placement.ts'
import { loadPlacementProto } from '../../placement/proto.ts'
import { clock, host, log, memoryStore, noMoves, peerPort, placement, random, request, shares, until, type TestHost } from '../unit/placement/cluster.ts'

const owners = (h: TestHost): unknown => Array.from({ length: 64 }, (_, shard) => {
  const owner = h.client.table.owner('A', shard)
  return [owner?.member.id, owner?.member.incarnation, owner?.epoch, owner?.from]
})

const port = (service: PlacementService): number => Number(service.address.split(':')[1])

async function threeHosts(address: string): Promise<[TestHost, TestHost, TestHost]> {
  const hosts = await Promise.all(['a', 'b', 'c'].map(id => host(address, id)))
  for (const { client } of hosts) await until(client, () => Object.keys(shares(client)).length === 3 && noMoves(client), 'three owners')
  return hosts as [TestHost, TestHost, TestHost]
}

/** Polls nothing: the client says so through a member that joins, or through its own flag on the next beat. */
async function reconnected(h: TestHost, timeoutMs = 3_000): Promise<void> {
  const end = clock.monotonicMs() + timeoutMs
  while (!h.client.connected) {
    if (clock.monotonicMs() > end) throw new Error(`${h.self.id} did not reconnect within ${timeoutMs} ms`)
    await new Promise<void>(resolve => { clock.after(10, resolve, true) })
  }
}

test('while the service is down every host keeps its table; when it is back owners and epochs are the same', async () => {
  const clusterStore = memoryStore()
  const service = await placement({ clusterStore })
  const hosts = await threeHosts(service.address)
  const before = hosts.map(owners)
  const { version } = hosts[0].client.table
  await service.stop()
  expect(hosts.map(owners)).toEqual(before)
  expect(await hosts[0].client.waitFor(version + 1, 100)).toBe(false)
  await placement({ clusterStore, port: port(service) })
  await Promise.all(hosts.map(h => reconnected(h)))
  expect(hosts.map(owners)).toEqual(before)
  // A newcomer is served as ever, above the old version.
  const d = await host(service.address, 'd')
  await until(d.client, () => shares(d.client).d === 16 && noMoves(d.client), 'd has its share')
  expect(d.client.table.version).toBeGreaterThan(version)
})

test('a stored host that does not come back is dead after the grace time, and at once when its port refuses', async () => {
  const clusterStore = memoryStore()
  const service = await placement({ clusterStore })
  const [a, b, c] = await threeHosts(service.address)
  await service.stop()
  await b.die()
  // Like a frozen process: its port still accepts.
  await c.client.close()
  await placement({ clusterStore, port: port(service), times: { graceMs: 600 } })
  await until(a.client, () => shares(a.client).a === 64, 'a has everything', 3_000)
  const gone = a.changes.flatMap(change => change.gone.map((m: Member) => m.id))
  expect(gone.sort()).toEqual(['b', 'c'])
})

test('nothing is given to a newcomer while stored hosts may still come back', async () => {
  const clusterStore = memoryStore()
  const service = await placement({ clusterStore })
  const [a, b, c] = await threeHosts(service.address)
  await service.stop()
  await Promise.all([a.client.close(), b.client.close(), c.client.close()])
  await placement({ clusterStore, port: port(service), times: { graceMs: 700 } })
  const start = clock.monotonicMs()
  const d = await host(service.address, 'd')
  expect(clock.monotonicMs() - start).toBeGreaterThan(500)
  expect(shares(d.client)).toEqual({ d: 64 })
})

test('a second service on the same store is refused while the first lives, and takes over when it has gone', async () => {
  const clusterStore = memoryStore()
  const first = await placement({ clusterStore, leaderTtlMs: 400 })
  await expect(startPlacement({ clusterStore, clock, random, log, shardBits: 6, leaderTtlMs: 400 }))
    .rejects.toMatchObject({ code: 'LEADER_HELD', message: expect.stringContaining(first.address) })
  expect(first.status().leading).toBe(true)
  await first.stop()
  const second = await placement({ clusterStore, leaderTtlMs: 400 })
  expect(second.status()).toMatchObject({ leading: true, term: 2 })
})

test('after a crash of the leader the next one waits for the end of its row', async () => {
  const clusterStore = memoryStore()
  await clusterStore.campaign({ nonce: 'crashed', address: '127.0.0.1:1', ttlMs: 300 })
  const start = clock.monotonicMs()
  const service = await placement({ clusterStore, leaderTtlMs: 300 })
  expect(clock.monotonicMs() - start).toBeGreaterThanOrEqual(250)
  expect(service.status().term).toBe(2)
})

test('hosts find the next leader among several addresses', async () => {
  const clusterStore = memoryStore()
  const first = await placement({ clusterStore })
  const spare = await peerPort()
  await spare.close()
  const a = await host([first.address, spare.address], 'a')
  await first.stop()
  const second = await placement({ clusterStore, port: spare.port })
  await reconnected(a)
  expect(second.status().members.map(m => m.phase)).toEqual(['alive'])
})

test('a service that came back with an empty store goes on above the versions its hosts know', async () => {
  const service = await placement()
  const a = await host(service.address, 'a')
  const b = await host(service.address, 'b')
  await until(a.client, () => shares(a.client).b === 32 && noMoves(a.client), 'two owners')
  const { version } = a.client.table
  await service.stop()
  await placement({ port: port(service) })
  await until(a.client, () => a.client.table.version > version && shares(a.client).b !== undefined, 'a newer table', 5_000)
  await until(b.client, () => b.client.table.version > version, 'b hears it')
})

test('an id that is taken: refused while the old host lives, given when it is dead', async () => {
  const { address } = await placement()
  const a = await host(address, 'a')
  const other = await peerPort()
  const client = new PlacementClient({ addresses: address, clock, random, log, shardBits: 6 })
  onTestFinished(() => client.close())
  await expect(client.join(request('a', other.address), 5_000)).rejects.toMatchObject({
    code: 'DUPLICATE_HOST', message: expect.stringContaining(a.self.address), data: { id: 'a', address: a.self.address },
  })
  await a.die()
  const again = await host(address, 'a')
  expect(shares(again.client)).toEqual({ a: 64 })
})

test('a host restarted at its old address takes its place at once, with new epochs', async () => {
  const { address } = await placement()
  const a = await host(address, 'a')
  const before = a.client.table.owner('A', 0)!
  await expect(host(address, 'a', ['A'], { address: a.self.address })).rejects.toMatchObject({ code: 'DUPLICATE_HOST' })
  // Its stream is cut, and its port is already the new process's.
  await a.client.close()
  const start = clock.monotonicMs()
  const again = await host(address, 'a', ['A'], { address: a.self.address })
  expect(clock.monotonicMs() - start).toBeLessThan(1_000)
  expect(again.client.table.owner('A', 0)!.epoch).toBeGreaterThan(before.epoch)
  expect(again.client.table.owner('A', 0)!.from).toBe(undefined)
})

test('a host whose cluster options differ is refused with both values', async () => {
  const { address } = await placement()
  await host(address, 'a', ['A'], { fingerprint: { shardBits: '6', namespace: 'one' } })
  const join = (fingerprint: Record<string, string>): Promise<unknown> => host(address, 'b', ['A'], { fingerprint })
  await expect(join({ shardBits: '6', namespace: 'two' })).rejects.toMatchObject({
    code: 'CLUSTER_MISMATCH', message: expect.stringMatching(/namespace is "two".*"one"/), data: { option: 'namespace', host: 'two', cluster: 'one' },
  })
  await expect(join({ shardBits: '7', namespace: 'one' })).rejects.toMatchObject({ code: 'CLUSTER_MISMATCH', message: expect.stringMatching(/shardBits is "7".*"6"/) })
  await expect(join({ shardBits: '6' })).rejects.toMatchObject({ code: 'CLUSTER_MISMATCH', message: expect.stringContaining('not set') })
})

test('the shard bits of the stored table bind the next service', async () => {
  const clusterStore = memoryStore()
  const service = await placement({ clusterStore })
  await host(service.address, 'a')
  await service.stop()
  await expect(startPlacement({ clusterStore, clock, random, log, shardBits: 7 })).rejects.toMatchObject({ code: 'CLUSTER_MISMATCH' })
})

test('bad requests, bad addresses, nobody there, a taken port: each its own error', async () => {
  const service = await placement()
  await expect(host(service.address, 'a/b')).rejects.toMatchObject({ code: 'BAD_OPTION' })
  await expect(host(service.address, 'a', ['A'], { weight: 0 })).rejects.toMatchObject({ code: 'BAD_OPTION' })
  await expect(host(service.address, 'a', ['A'], { address: 'nowhere' })).rejects.toMatchObject({ code: 'BAD_OPTION' })
  await expect(host(service.address, 'a', ['A#'])).rejects.toMatchObject({ code: 'BAD_OPTION' })
  for (const addresses of ['', [], 'http://127.0.0.1:1', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:99999', 'a:1,b']) {
    expect(() => new PlacementClient({ addresses, clock, random, log })).toThrowError(expect.objectContaining({ code: 'BAD_OPTION' }))
  }
  const nobody = await peerPort()
  await nobody.close()
  const client = new PlacementClient({ addresses: `${nobody.address},no.such.host.invalid:1`, clock, random, log })
  await expect(client.join(request('a', '127.0.0.1:1'), 300)).rejects.toMatchObject({
    code: 'PLACEMENT_UNREACHABLE', message: expect.stringContaining(nobody.address),
  })
  await expect(startPlacement({ clusterStore: memoryStore(), clock, random, log, port: port(service) })).rejects.toMatchObject({ code: 'PORT_TAKEN' })
  await expect(startPlacement({ clusterStore: memoryStore(), clock, random, log, host: '203.0.113.1' })).rejects.toMatchObject({ code: 'BAD_OPTION' })
})

test('the service tells over gRPC what it knows', async () => {
  const service = await placement()
  await host(service.address, 'a')
  const { troupe } = loadPackageDefinition(loadPlacementProto()) as unknown as { troupe: { placement: { v1: { Placement: ServiceClientConstructor } } } }
  const client = new troupe.placement.v1.Placement(service.address, credentials.createInsecure())
  onTestFinished(() => client.close())
  const ask = client.Status as (request: object, done: (error: Error | null, reply: unknown) => void) => void
  const reply = await new Promise((resolve, reject) => { ask.call(client, {}, (error, value) => (error === null ? resolve(value) : reject(error))) })
  expect(reply).toMatchObject({ version: 1, term: 1, leading: true, members: [{ id: 'a', phase: 'alive', shards: 64, types: ['A'], leaving: false }] })
})
