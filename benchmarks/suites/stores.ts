/** The stores that `durable` and `activation` are measured on, each with the bare use of its own client beside it. */
import type { HostOptions } from 'troupe'
import { startPostgres } from '../../test/servers/postgres.ts'
import { startRedis } from '../../test/servers/redis.ts'
import { openBareLmdb } from '../floors/bare-lmdb.ts'
import { openBareMemory } from '../floors/bare-memory.ts'
import { openBarePostgres } from '../floors/bare-postgres.ts'
import { openBareRedis } from '../floors/bare-redis.ts'
import type { BareStore } from '../floors/bare-store.ts'
import type { Scope } from '../harness/scope.ts'
import { counterBytes } from '../subjects/counter-bytes.ts'
import { openMemoryStores } from '../subjects/memory-stores.ts'

export interface OpenedStore {
  /** For a host; several hosts after each other find the same state there. */
  readonly store: NonNullable<HostOptions['store']>
  /** Writes values of the size that the product stores of a counter. */
  readonly bare: BareStore
}

export interface StoreUnderTest {
  readonly name: 'memory' | 'LMDB' | 'Redis' | 'PostgreSQL'
  /** What one `put` and one `get` of its bare client are. */
  readonly put: string
  readonly get: string
  open(scope: Scope): Promise<OpenedStore>
}

const postgres: StoreUnderTest = {
  name: 'PostgreSQL',
  put: 'one prepared upsert, awaited',
  get: 'one prepared SELECT',
  async open(scope) {
    const server = await startPostgres()
    scope.defer(() => server.stop())
    return { store: server.url, bare: await openBarePostgres(scope, server.url, await counterBytes()) }
  },
}

export const stores: readonly StoreUnderTest[] = [
  {
    name: 'LMDB',
    put: 'awaited fsynced put of lmdb',
    get: 'get of lmdb',
    open: async scope => ({ store: `lmdb:${scope.folder()}`, bare: openBareLmdb(scope, await counterBytes()) }),
  },
  {
    name: 'Redis',
    put: 'pipelined EVALSHA that sets the same bytes',
    get: 'pipelined GET',
    async open(scope) {
      // Its append-only file is fsynced before each answer, so it belongs on the disk too.
      const server = await startRedis('--dir', scope.folder())
      scope.defer(() => server.stop())
      return { store: server.url, bare: await openBareRedis(scope, server.url, await counterBytes()) }
    },
  },
  {
    name: 'memory',
    put: 'Map.set, awaited',
    get: 'Map.get',
    open: async () => ({ store: openMemoryStores(), bare: openBareMemory(await counterBytes()) }),
  },
]

/** Those that outlive the process. */
export const durableStores: readonly StoreUnderTest[] = [...stores.filter(under => under.name !== 'memory'), postgres]
