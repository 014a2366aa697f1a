/** Every adapter of ActorStore and ClusterStore against its suite, on real directories and real servers. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { sleep, SystemClock } from '../../core/clock.ts'
import { openClusterStore, openStores } from '../../stores/open-store.ts'
import { startEtcd, type EtcdServer } from '../servers/etcd.ts'
import { startPostgres, type PostgresServer } from '../servers/postgres.ts'
import { startRedis, startRedisCluster, type RedisCluster, type RedisServer } from '../servers/redis.ts'
import { actorStoreSuite, sharedActorStoreSuite, type Place } from './actor-store.suite.ts'
import { clusterStoreSuite, type ClusterPlace } from './cluster-store.suite.ts'
import { dueEntriesSuite, sharedDueEntriesSuite } from './due-entries.suite.ts'

const clock = new SystemClock()
let redis: RedisServer
let cluster: RedisCluster
let etcd: EtcdServer
let postgres: PostgresServer
beforeAll(async () => {
  redis = await startRedis()
  cluster = await startRedisCluster()
  etcd = await startEtcd()
  postgres = await startPostgres()
})
afterAll(async () => {
  await redis?.stop()
  await cluster?.stop()
  await etcd?.stop()
  await postgres?.stop()
})

interface Places {
  readonly actors: Place
  readonly cluster: ClusterPlace
}

/** A place is a namespace of its own on a server that all tests share. */
let namespaces = 0
function onUrl(url: () => string, remove: () => void = () => undefined): Places {
  const namespace = `test ${namespaces++} {x}`
  const gone = async (): Promise<void> => remove()
  return {
    actors: {
      async store() {
        const { actors } = openStores(url(), { clock, namespace })
        await actors.open()
        return actors
      },
      remove: gone,
    },
    cluster: {
      async store() {
        const opened = openStores(url(), { clock, namespace })
        await opened.cluster.open()
        return opened.cluster
      },
      elapse: ms => sleep(clock, ms),
      remove: gone,
    },
  }
}

function onFolder(): Places {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-lmdb-'))
  return onUrl(() => `lmdb:${folder}`, () => rmSync(folder, { recursive: true, force: true }))
}

function onEtcd(): ClusterPlace {
  const namespace = `test ${namespaces++} {x}`
  return {
    async store() {
      const store = openClusterStore(etcd.url, { clock, namespace })
      await store.open()
      return store
    },
    // Its leases end later than asked, at most by what the store says.
    elapse: ms => sleep(clock, ms + 3_500),
    remove: async () => undefined,
  }
}

function inMemory(): Places {
  const { actors, cluster } = openStores('memory:', { clock })
  return {
    actors: { store: async () => actors, remove: async () => undefined },
    cluster: { store: async () => cluster, elapse: ms => sleep(clock, ms), remove: async () => undefined },
  }
}

const places: Record<string, { make: () => Places; shared: boolean }> = {
  'memory:': { make: inMemory, shared: false },
  'lmdb:': { make: onFolder, shared: true },
  'redis:': { make: () => onUrl(() => redis.url), shared: true },
  'redis+cluster:': { make: () => onUrl(() => cluster.url), shared: true },
  'postgres:': { make: () => onUrl(() => `${postgres.url}?pool=4`), shared: true },
}

for (const [name, { make, shared }] of Object.entries(places)) {
  const actors = async (): Promise<Place> => make().actors
  actorStoreSuite(name, actors)
  dueEntriesSuite(name, actors)
  if (shared) {
    sharedActorStoreSuite(name, actors)
    sharedDueEntriesSuite(name, actors)
  }
  clusterStoreSuite(name, async () => make().cluster)
}

clusterStoreSuite('etcd:', async () => onEtcd())
