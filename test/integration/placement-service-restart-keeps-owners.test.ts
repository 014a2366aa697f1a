/** Leaders go and come back: hosts keep their table, owners and epochs; versions rise; only one leads, the others stand by. */
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { TroupeError } from '../../core/errors.ts'
import type { Member } from '../../placement/membership.ts'
import type { PlacementMessage } from '../../placement/messages.ts'
import { grpcDial } from '../../placement/placement-grpc.ts'
import { startCandidate, startPlacement, type PlacementCandidate, type PlacementOptions } from '../../placement/placement.ts'
import { loadPlacementProto } from '../../placement/proto.ts'
import { candidate, clock, host, log, memoryStore, noMoves, peerPort, placement, placementClient, random, reconnected, request, shares, until, type TestHost } from '../unit/placement/cluster.ts'

const owners = (h: TestHost): unknown => Array.from({ length: 64 }, (_, shard) => {
  const owner = h.client.table.owner('A', shard)
  return [owner?.member.id, owner?.member.incarnation, owner?.epoch, owner?.from]
})

const port = (service: PlacementCandidate): number => Number(service.address.split(':')[1])

async function threeHosts(address: string): Promise<[TestHost, TestHost, TestHost]> {
  const hosts = await Promise.all(['a', 'b', 'c'].map(id => host(address, id)))
  for (const { client } of hosts) await until(client, () => Object.keys(shares(client)).length === 3 && noMoves(client), 'three owners')
  return hosts as [TestHost, TestHost, TestHost]
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

test('a stored host whose process is gone is dead at once for the next leader; one that only renews its lease no more, when that is over', async () => {
  const clusterStore = memoryStore()
  const service = await placement({ clusterStore })
  const [a, b, c] = await threeHosts(service.address)
  await service.stop()
  await b.die()
  // Like a frozen process: its port still accepts.
  await c.client.close()
  const start = clock.monotonicMs()
  await placement({ clusterStore, port: port(service) })
  await until(a.client, () => a.client.table.members.size === 2, 'b is dead', 1_000)
  await until(a.client, () => shares(a.client).a === 64, 'a has everything', 3_000)
  expect(clock.monotonicMs() - start).toBeGreaterThan(1_000)
  const gone = a.changes.flatMap(change => change.gone.map((m: Member) => m.id))
  expect(gone).toEqual(['b', 'c'])
})

test('a newcomer is let in by the next leader before any other host is back', async () => {
  const clusterStore = memoryStore()
  const service = await placement({ clusterStore })
  await threeHosts(service.address)
  await service.stop()
  const next = await placement({ clusterStore })
  const start = clock.monotonicMs()
  const d = await host(next.address, 'd')
  expect(clock.monotonicMs() - start).toBeLessThan(500)
  expect(shares(d.client).d).toBe(16)
})

test('a second service stands by while the first lives, says who leads, and takes over when it has gone', async () => {
  const clusterStore = memoryStore()
  const first = await placement({ clusterStore })
  const second = await placement({ clusterStore })
  expect(first.status()).toMatchObject({ leading: true, leader: first.address })
  expect(second.status()).toMatchObject({ leading: false, leader: first.address, members: [] })
  const answers = await new Promise<PlacementMessage>((resolve, reject) => {
    const link = grpcDial()(second.address, { message: resolve, closed: reject })
    link.send({ version: 0, kind: 'join', join: { ...request('a', '127.0.0.1:1'), leaving: false } })
  })
  expect(answers).toMatchObject({ kind: 'refused', refused: { code: 'NOT_READY', retry: true, data: JSON.stringify({ leader: first.address }) } })
  const taken = new Promise(resolve => second.onLeader(address => { if (address === second.address) resolve(address) }))
  await first.stop()
  await taken
  expect(second.status()).toMatchObject({ leading: true, term: 2 })
})

test('a candidate listens before anybody leads, survives a store that is away, and leads when it is back', async () => {
  const clusterStore = memoryStore()
  const { campaign } = clusterStore
  clusterStore.campaign = () => Promise.reject(new TroupeError('STORE_UNAVAILABLE', 'down'))
  await expect(placement({ clusterStore })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  const one = await candidate({ clusterStore })
  expect(one.leader).toBe(undefined)
  const leads = new Promise(resolve => one.onLeader(resolve))
  clusterStore.campaign = campaign
  expect(await leads).toBe(one.address)
  expect(one.status().leading).toBe(true)
})

test('after a crash of the leader the next one waits for the end of its row only if its address does not refuse', async () => {
  const silent = await peerPort()
  const gone = await peerPort()
  await gone.close()
  const after = async (address: string): Promise<number> => {
    const clusterStore = memoryStore()
    await clusterStore.campaign({ nonce: 'crashed', address, ttlMs: 600 })
    const start = clock.monotonicMs()
    const service = await candidate({ clusterStore })
    const leads = new Promise(resolve => service.onLeader(leader => { if (leader === service.address) resolve(leader) }))
    if (service.leader !== service.address) await leads
    expect(service.status().term).toBe(2)
    return clock.monotonicMs() - start
  }
  expect(await after(silent.address)).toBeGreaterThanOrEqual(550)
  expect(await after(gone.address)).toBeLessThan(300)
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

test('a service that came back with an empty store goes on above the versions its hosts know, and they join anew', async () => {
  const service = await placement()
  const a = await host(service.address, 'a')
  const b = await host(service.address, 'b')
  await until(a.client, () => shares(a.client).b === 32 && noMoves(a.client), 'two owners')
  const { version } = a.client.table
  const expelled = Promise.all([a, b].map(h => new Promise<Error>(resolve => h.client.onExpelled(resolve))))
  await service.stop()
  await placement({ port: port(service) })
  // Their leases went with the store.
  for (const reason of await expelled) expect(reason).toMatchObject({ code: 'FENCED' })
  const again = await host(service.address, 'a')
  expect(again.client.table.version).toBeGreaterThan(version)
})

test('an id that is taken: refused while the old host lives, given when it is dead', async () => {
  const { address } = await placement()
  const a = await host(address, 'a')
  const other = await peerPort()
  await expect(placementClient(address).join(request('a', other.address), 5_000)).rejects.toMatchObject({
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

test('the shard bits of the stored table bind the next service, a standby too, and the hosts of a candidate that has others', async () => {
  const clusterStore = memoryStore()
  const service = await placement({ clusterStore })
  await host(service.address, 'a')
  await expect(startPlacement({ clusterStore, clock, random, log, shardBits: 7 })).rejects.toMatchObject({ code: 'CLUSTER_MISMATCH' })
  await service.stop()
  const misfit = await candidate({ clusterStore, shardBits: 7 })
  if (misfit.leader === undefined) await new Promise(resolve => misfit.onLeader(resolve))
  await expect(host(misfit.address, 'b', ['A'], { fingerprint: { shardBits: '7' } })).rejects.toMatchObject({ code: 'CLUSTER_MISMATCH', message: expect.stringMatching(/has 6.*given 7/) })
  const fits = placementClient(misfit.address)
  await expect(fits.join(request('c', '127.0.0.1:1'), 500)).rejects.toMatchObject({ code: 'PLACEMENT_UNREACHABLE' })
  await expect(startPlacement({ clusterStore, clock, random, log, shardBits: 7 })).rejects.toMatchObject({ code: 'CLUSTER_MISMATCH' })
})

test('bad requests, bad addresses, nobody there, a taken port: each its own error', async () => {
  const service = await placement()
  await expect(host(service.address, 'a/b')).rejects.toMatchObject({ code: 'BAD_OPTION' })
  await expect(host(service.address, 'a', ['A'], { weight: 0 })).rejects.toMatchObject({ code: 'BAD_OPTION' })
  await expect(host(service.address, 'a', ['A'], { address: 'nowhere' })).rejects.toMatchObject({ code: 'BAD_OPTION' })
  await expect(host(service.address, 'a', ['A#'])).rejects.toMatchObject({ code: 'BAD_OPTION' })
  for (const addresses of ['http://127.0.0.1:1', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:99999', 'a:1,b']) {
    expect(() => placementClient(addresses)).toThrowError(expect.objectContaining({ code: 'BAD_OPTION' }))
  }
  const nobody = await peerPort()
  await nobody.close()
  const client = placementClient(`${nobody.address},no.such.host.invalid:1`)
  await expect(client.join(request('a', '127.0.0.1:1'), 300)).rejects.toMatchObject({
    code: 'PLACEMENT_UNREACHABLE', message: expect.stringContaining(nobody.address),
  })
  await expect(startPlacement({ clusterStore: memoryStore(), clock, random, log, port: port(service) })).rejects.toMatchObject({ code: 'PORT_TAKEN' })
  for (const start of [startPlacement, startCandidate]) {
    const refused = (options: Partial<PlacementOptions>): Promise<unknown> => start({ clusterStore: memoryStore(), clock, random, log, ...options })
    await expect(refused({ host: '203.0.113.1' })).rejects.toMatchObject({ code: 'BAD_OPTION' })
    await expect(refused({ host: '0.0.0.0' })).rejects.toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining('--advertise') })
    await expect(refused({ shardBits: 15, maxMoves: 0 })).rejects.toMatchObject({ code: 'BAD_OPTION', message: expect.stringMatching(/shardBits.*15.*maxMoves.*0/) })
  }
})

test('the service tells over gRPC what it knows', async () => {
  const service = await placement()
  await host(service.address, 'a')
  const { troupe } = loadPackageDefinition(loadPlacementProto()) as unknown as { troupe: { placement: { v1: { Placement: ServiceClientConstructor } } } }
  const client = new troupe.placement.v1.Placement(service.address, credentials.createInsecure())
  onTestFinished(() => client.close())
  const ask = client.Status as (request: object, done: (error: Error | null, reply: unknown) => void) => void
  const reply = await new Promise((resolve, reject) => { ask.call(client, {}, (error, value) => (error === null ? resolve(value) : reject(error))) })
  expect(reply).toMatchObject({
    version: 1, term: 1, leading: true, leader: service.address,
    members: [{ id: 'a', phase: 'alive', shards: 64, types: ['A'], leaving: false, rest_ms: 0, lease_left_ms: expect.any(Number) }],
  })
})
