/** A placement service and hosts of one test: real streams on free ports, everything stopped at its end. */
import { createServer, type Server } from 'node:net'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import { SystemClock } from '../../../core/clock.ts'
import { silentLogger } from '../../../core/logger.ts'
import { SystemRandom } from '../../../core/random.ts'
import { LeaseKeeper } from '../../../placement/lease-keeper.ts'
import { PlacementClient, startCandidate, startPlacement, type PlacementCandidate, type PlacementOptions } from '../../../placement/placement.ts'
import type { JoinRequest, Membership, TableChange } from '../../../placement/membership.ts'
import type { ClusterStore } from '../../../stores/cluster-store.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'

export const clock = new SystemClock()
export const random = new SystemRandom()
export const log = silentLogger

export const memoryStore = (): MemoryClusterStore => new MemoryClusterStore(clock)

/** The cluster store of the service at an address: what hosts that are given the address are set up with. */
const storeAt = new Map<string, ClusterStore>()

const started = async (start: typeof startPlacement, options: Partial<PlacementOptions>): Promise<PlacementCandidate> => {
  const { clusterStore = memoryStore() } = options
  const service = await start({ clock, random, log, shardBits: 6, ...options, clusterStore })
  onTestFinished(() => service.stop())
  storeAt.set(service.address, clusterStore)
  return service
}

/** One that leads, or stands by for one that does. */
export const placement = (options: Partial<PlacementOptions> = {}): Promise<PlacementCandidate> => started(startPlacement, options)

export const candidate = (options: Partial<PlacementOptions> = {}): Promise<PlacementCandidate> => started(startCandidate, options)

/** A client that holds its lease in the store of the services at `addresses`. */
export function placementClient(addresses: string | readonly string[], clusterStore = storeOf(addresses)): PlacementClient {
  const client = new PlacementClient({ addresses, clock, random, log, shardBits: 6, clusterStore, lease: new LeaseKeeper({ store: clusterStore, clock, random, log }) })
  onTestFinished(() => client.close())
  return client
}

function storeOf(addresses: string | readonly string[]): ClusterStore {
  const all = typeof addresses === 'string' ? addresses.split(',') : addresses
  return all.map(address => storeAt.get(address)).find(store => store !== undefined) ?? memoryStore()
}

/** A port that accepts and never answers: what the service probes. */
export async function peerPort(): Promise<{ address: string; port: number; close(): Promise<void> }> {
  const server: Server = createServer(socket => socket.on('error', () => {}).resume())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const close = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  onTestFinished(close)
  return { address: `127.0.0.1:${port}`, port, close }
}

export const request = (id: string, address: string, types: readonly string[] = ['A'], more: Partial<JoinRequest> = {}): JoinRequest =>
  ({ id, incarnation: random.nonce(), address, http: '', types, weight: 1, fingerprint: { shardBits: '6' }, ...more })

export interface TestHost {
  readonly client: PlacementClient
  readonly self: JoinRequest
  readonly changes: TableChange[]
  /** Stops it as a killed process stops: the port refuses, the stream is cut without a word. */
  die(): Promise<void>
}

/** A host that releases what moves away at once, as long as `releases` is not false. */
export async function host(
  addresses: string | readonly string[], id: string, types: readonly string[] = ['A'], more: Partial<JoinRequest> & { releases?: boolean; clusterStore?: ClusterStore } = {},
): Promise<TestHost> {
  const port = await peerPort()
  const { releases = true, clusterStore, ...rest } = more
  const client = placementClient(addresses, clusterStore)
  const self = request(id, port.address, types, rest)
  const changes: TableChange[] = []
  client.onChange(change => {
    changes.push(change)
    if (releases) client.released(change.shards.filter(s => s.after?.from === id))
  })
  await client.join(self, 5_000)
  return {
    client, self, changes,
    die: async () => {
      await Promise.all([port.close(), client.close()])
    },
  }
}

/** Number of shards of `type` by host id; '-' counts those without an owner. */
export function shares(membership: Membership, type = 'A', shards = 64): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let shard = 0; shard < shards; shard++) {
    const id = membership.table.owner(type, shard)?.member.id ?? '-'
    counts[id] = (counts[id] ?? 0) + 1
  }
  return counts
}

/** Resolves when `holds` is true, asked after each table that this host hears. */
export function until(client: PlacementClient, holds: () => boolean, what: string, timeoutMs = 5_000): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => reject(new Error(`not within ${timeoutMs} ms: ${what}; table version ${client.table.version}`)), true)
    const check = (): void => {
      if (!holds()) return
      timer.cancel()
      resolve()
    }
    client.onChange(check)
    check()
  })
}

/** Resolves when the host hears a leader again, which no table need tell. */
export async function reconnected({ client, self }: TestHost, timeoutMs = 3_000): Promise<void> {
  const end = clock.monotonicMs() + timeoutMs
  while (!client.connected) {
    if (clock.monotonicMs() > end) throw new Error(`${self.id} did not reconnect within ${timeoutMs} ms`)
    await new Promise<void>(resolve => { clock.after(10, resolve, true) })
  }
}

export const noMoves = (membership: Membership, type = 'A', shards = 64): boolean =>
  Array.from({ length: shards }, (_, shard) => membership.table.owner(type, shard)).every(owner => owner?.from === undefined)
