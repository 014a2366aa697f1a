/**
 * Who renews its lease stays a member though the leader does not hear it; who does not is no member though the leader hears it. Real
 * streams, leaders and leases; lines are cut in the host's own ports.
 */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { LeaseKeeper } from '../../placement/lease-keeper.ts'
import { defaultLeaseTimes } from '../../placement/lease.ts'
import { grpcDial } from '../../placement/placement-grpc.ts'
import type { Dial, PlacementLink } from '../../placement/placement-link.ts'
import { PlacementClient } from '../../placement/placement.ts'
import type { LeaseRenewal } from '../../stores/cluster-store.ts'
import { MemoryClusterStore } from '../../stores/memory/cluster-store.ts'
import { candidate, clock, host, log, memoryStore, noMoves, peerPort, placement, random, request, shares } from '../unit/placement/cluster.ts'

const within = { timeout: 15_000, interval: 20 }

/** Real links that can be cut: those that are open break, new ones reach nobody. */
function cuttable(): { dial: Dial; cut(): void; mend(): void } {
  const real = grpcDial()
  const open = new Set<() => void>()
  let cut = false
  return {
    dial: (address, listener) => {
      if (cut) return { send: () => true, close: () => undefined, reached: () => false }
      const link: PlacementLink = real(address, listener)
      const sever = (): void => {
        link.close()
        listener.closed(new Error('the line was cut'))
      }
      open.add(sever)
      return { send: message => link.send(message), close: () => { open.delete(sever); link.close() }, reached: () => link.reached!() }
    },
    cut: () => {
      cut = true
      for (const sever of [...open]) sever()
      open.clear()
    },
    mend: () => { cut = false },
  }
}

/** The cluster store as one host has it: it can be out of reach for that host alone. */
class ReachedStore extends MemoryClusterStore {
  readonly #store: MemoryClusterStore
  away = false

  constructor(store: MemoryClusterStore) {
    super(clock)
    this.#store = store
  }
  override openLease(lease: { id: string; ttlMs: number }): Promise<void> {
    return this.#store.openLease(lease)
  }
  override renewLease(lease: { id: string; ttlMs: number }): Promise<LeaseRenewal> {
    return this.away ? new Promise(() => {}) : this.#store.renewLease(lease)
  }
  override endLease(id: string): Promise<void> {
    return this.#store.endLease(id)
  }
  override loadTable(): ReturnType<MemoryClusterStore['loadTable']> {
    return this.#store.loadTable()
  }
}

async function cutHost(store: MemoryClusterStore, addresses: string[]): Promise<{
  client: PlacementClient; line: ReturnType<typeof cuttable>; reach: ReachedStore; expelled: unknown[]
}> {
  const line = cuttable()
  const reach = new ReachedStore(store)
  const port = await peerPort()
  const lease = new LeaseKeeper({ store: reach, clock, random, log })
  const client = new PlacementClient({ addresses, clock, random, log, shardBits: 6, clusterStore: reach, lease, dial: line.dial })
  onTestFinished(() => client.close())
  const expelled: unknown[] = []
  client.onExpelled(reason => expelled.push(reason))
  client.onChange(change => client.released(change.shards.filter(s => s.after?.from === 'a')))
  await client.join(request('a', port.address), 5_000)
  return { client, line, reach, expelled }
}

test('a host that the leader cannot hear keeps its shards, serves on, and learns of others through its renewals', async () => {
  const store = memoryStore()
  const service = await placement({ clusterStore: store })
  const a = await cutHost(store, [])
  const b = await host(service.address, 'b')
  await vi.waitFor(() => expect(noMoves(b.client) && shares(b.client)).toMatchObject({ a: 32, b: 32 }), within)
  a.line.cut()
  expect(a.client.connected).toBe(false)
  const cutMs = clock.monotonicMs()
  // Longer than the leader takes for silence and the lease together.
  await vi.waitFor(() => expect(clock.monotonicMs() - cutMs).toBeGreaterThan(2 * defaultLeaseTimes.ttlMs), within)
  expect(shares(b.client)).toEqual({ a: 32, b: 32 })
  expect(a.client.mayServe()).toBe(true)
  await host(service.address, 'c')
  await vi.waitFor(() => expect([...a.client.table.members.keys()].sort()).toEqual(['a', 'b', 'c']), within)
  const { version } = b.client.table
  expect(await a.client.waitFor(version, 5_000)).toBe(true)
  a.line.mend()
  // What it was asked to release meanwhile is said now.
  await vi.waitFor(() => expect(a.client.connected && noMoves(b.client)).toBe(true), within)
  expect(Object.keys(shares(b.client)).sort()).toEqual(['a', 'b', 'c'])
  expect(a.expelled).toEqual([])
})

test('a host that cannot renew its lease may not serve before its shards are given away, and is told that it was fenced', async () => {
  const store = memoryStore()
  const service = await placement({ clusterStore: store })
  const a = await cutHost(store, [service.address])
  const b = await host(service.address, 'b')
  await vi.waitFor(() => expect(noMoves(b.client) && shares(b.client)).toMatchObject({ a: 32, b: 32 }), within)
  const served: boolean[] = []
  b.client.onChange(change => { if (change.gone.some(member => member.id === 'a')) served.push(a.client.mayServe()) })
  a.reach.away = true
  await vi.waitFor(() => expect(a.client.mayServe()).toBe(false), within)
  await vi.waitFor(() => expect(shares(b.client)).toEqual({ b: 64 }), within)
  expect(served).toEqual([false])
  a.reach.away = false
  await vi.waitFor(() => expect(a.expelled).toMatchObject([{ code: 'FENCED' }]), within)
  expect(a.client.mayServe()).toBe(false)
})

/** Takes connections as a frozen process does, and says nothing. */
async function mutePort(): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => void sockets.add(socket.on('error', () => undefined)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a port that takes connections and says nothing is no reason to wait for long', async () => {
  const store = memoryStore()
  const service = await placement({ clusterStore: store })
  // This host has to find the way without the leader row.
  const { renewLease } = store
  store.renewLease = async lease => ({ ...await renewLease.call(store, lease), leader: undefined })
  const links: PlacementLink[] = []
  const real = grpcDial()
  const client = new PlacementClient({
    addresses: [await mutePort(), service.address], clock, random, log, shardBits: 6, clusterStore: store, lease: new LeaseKeeper({ store, clock, random, log }),
    dial: (address, listener) => {
      const link = real(address, listener)
      links.push(link)
      return link
    },
  })
  onTestFinished(() => client.close())
  await client.join(request('a', (await peerPort()).address), 6_000)
  expect(links.map(link => link.reached!())).toEqual([false, true])
})

test('a host that was given no address finds the leader by its row, and the next one when that is gone', async () => {
  const store = memoryStore()
  const first = await placement({ clusterStore: store })
  const second = await candidate({ clusterStore: store })
  let lost = 0
  const a = await cutHost(store, [])
  a.client.onLeaderLost(() => lost++)
  const { version } = a.client.table
  await first.stop()
  await vi.waitFor(() => expect(second.status().leading && a.client.connected).toBe(true), within)
  expect(lost).toBeGreaterThan(0)
  expect(a.client.mayServe()).toBe(true)
  expect(a.client.table.version).toBeGreaterThanOrEqual(version)
  expect(a.expelled).toEqual([])
})
