/** A placement service and hosts of one test: real streams on free ports, everything stopped at its end. */
import { createServer, type Server } from 'node:net'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import { SystemClock } from '../../../core/clock.ts'
import { silentLogger } from '../../../core/logger.ts'
import { SystemRandom } from '../../../core/random.ts'
import { PlacementClient, startPlacement, type PlacementOptions, type PlacementService } from '../../../placement/placement.ts'
import type { JoinRequest, Membership, TableChange } from '../../../placement/membership.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'

export const clock = new SystemClock()
export const random = new SystemRandom()
export const log = silentLogger

export const memoryStore = (): MemoryClusterStore => new MemoryClusterStore(clock)

export async function placement(options: Partial<PlacementOptions> = {}): Promise<PlacementService> {
  const service = await startPlacement({ clusterStore: memoryStore(), clock, random, log, shardBits: 6, ...options })
  onTestFinished(() => service.stop())
  return service
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
  addresses: string | readonly string[], id: string, types: readonly string[] = ['A'], more: Partial<JoinRequest> & { releases?: boolean } = {},
): Promise<TestHost> {
  const port = await peerPort()
  const client = new PlacementClient({ addresses, clock, random, log, shardBits: 6 })
  onTestFinished(() => client.close())
  const { releases = true, ...rest } = more
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

export const noMoves = (membership: Membership, type = 'A', shards = 64): boolean =>
  Array.from({ length: shards }, (_, shard) => membership.table.owner(type, shard)).every(owner => owner?.from === undefined)
