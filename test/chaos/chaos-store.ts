/** The real store of a chaos run: LMDB in a folder, or a Redis or PostgreSQL server of its own that can be restarted and frozen. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'

export const storeKinds = ['lmdb', 'redis', 'postgres'] as const
export type StoreKind = (typeof storeKinds)[number]

/** A server that may fail. */
export interface StoreServer {
  readonly port: number
  kill(): Promise<void>
  restart(): Promise<void>
  freeze(): void
  thaw(): void
}

export interface ChaosStore {
  readonly kind: StoreKind
  /** For hosts that reach the server at `at` (HOST:PORT). */
  urlAt(at: string): string
  /** None: the store is a folder on this machine. */
  readonly server: StoreServer | undefined
  stop(): Promise<void>
}

export async function startStore(kind: StoreKind): Promise<ChaosStore> {
  if (kind === 'lmdb') {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-chaos-'))
    return {
      kind, urlAt: () => `lmdb:${join(folder, 'store')}`, server: undefined,
      stop: async () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }),
    }
  }
  const server = await (kind === 'redis' ? startRedis() : startPostgres('max_connections=200'))
  return { kind, urlAt: at => server.url.replace(`127.0.0.1:${server.port}`, at), server, stop: () => server.stop() }
}
