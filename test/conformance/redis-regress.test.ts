/**
 * Redis that is restarted, demoted, replaced, or forgets its scripts while it is written to: what was acknowledged is there, or
 * its loss is found, told and healed.
 */
import { expect, onTestFinished, test } from 'vitest'
import { SystemClock } from '../../core/clock.ts'
import type { Logger } from '../../core/logger.ts'
import type { ActorStore, CommitResult, Regress } from '../../stores/actor-store.ts'
import { openStores } from '../../stores/open-store.ts'
import { startRedis, startRedisCluster, type RedisServer } from '../servers/redis.ts'
import { startTcpProxy } from '../servers/tcp-proxy.ts'

const clock = new SystemClock()
const claim = (epoch: number, shard = 1) => ({ type: 'T', shard, epoch, nonce: `host-${epoch}` })
const write = (epoch: number, previous: number, id = 'a', shard = 1) => ({ ...claim(epoch, shard), id, previous, head: Buffer.from(`v${previous + 1}`) })

async function server(...settings: string[]): Promise<RedisServer> {
  const started = await startRedis('--repl-diskless-sync-delay', '0', ...settings)
  onTestFinished(() => started.stop())
  return started
}

interface Opened {
  readonly store: ActorStore
  readonly found: Regress[]
  readonly logged: { level: string; text: string }[]
}
async function open(at: number | string): Promise<Opened> {
  const logged: Opened['logged'] = []
  const to = (level: string) => (_: object, text: string): void => { logged.push({ level, text }) }
  const log = { debug: to('debug'), info: to('info'), warn: to('warn'), error: to('error') } as unknown as Logger
  const store = openStores(typeof at === 'string' ? at : `redis://127.0.0.1:${at}`, { clock, log }).actors
  const found: Regress[] = []
  store.onRegress!(regress => found.push(regress))
  await store.open()
  onTestFinished(() => store.close())
  return { store, found, logged }
}

/** Repeats `ask` until it succeeds, or fails otherwise than `passing`; for 10 s at most. */
async function eventually<T>(ask: () => T | Promise<T>, passing = /./): Promise<T> {
  for (const deadline = performance.now() + 10_000; ;) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > deadline || !passing.test(String(error).replaceAll('\n', ' '))) throw error
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}

async function replicaOf(master: RedisServer): Promise<RedisServer> {
  const replica = await server('--replicaof', '127.0.0.1', String(master.port))
  await eventually(() => expect(replica.cli('info', 'replication')).toContain('master_link_status:up'))
  return replica
}
const caughtUp = (replica: RedisServer, master: RedisServer): Promise<void> => eventually(() => {
  const offset = (of: RedisServer): string => /master_repl_offset:(\d+)/.exec(of.cli('info', 'replication'))![1]!
  expect(offset(replica)).toBe(offset(master))
})
const says = (logged: Opened['logged'], text: string | RegExp): Promise<void> => eventually(() => {
  expect(logged.map(line => line.text)).toContainEqual(expect.stringMatching(text))
})

/** Commits versions of one actor until `until`; every failure is resolved by a look, as owners do. */
async function load(store: ActorStore, until: (acknowledged: number) => boolean): Promise<{ acknowledged: number; results: Map<CommitResult, number> }> {
  await store.claim([claim(1)])
  const results = new Map<CommitResult, number>()
  let acknowledged = 0
  while (!until(acknowledged)) {
    const [result] = await store.commit([write(1, acknowledged)])
    results.set(result!, (results.get(result!) ?? 0) + 1)
    if (result === 'ok') {
      acknowledged++
      continue
    }
    expect(['unknown', 'unavailable']).toContain(result)
    const version = (await eventually(() => store.load([write(1, 0)])))[0]?.version ?? 0
    expect(result === 'unknown' ? [acknowledged, acknowledged + 1] : [acknowledged]).toContain(version)
    acknowledged = version
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  return { acknowledged, results }
}

test('restarted under load: all that was acknowledged is there, and nobody is told of a loss', async () => {
  const redis = await server()
  const { store, found, logged } = await open(redis.port)
  let restart: Promise<void> | undefined
  let restarted = false
  const { acknowledged } = await load(store, done => {
    if (done >= 100) restart ??= redis.restart().then(() => { restarted = true })
    return restarted && done >= 200
  })
  await restart
  expect(await store.load([write(1, 0)])).toMatchObject([{ version: acknowledged }])
  await says(logged, /holds all that it had acknowledged/)
  expect(found).toEqual([])
})

test('scripts are forgotten under load: every commit succeeds', async () => {
  const redis = await server()
  const { store } = await open(redis.port)
  let flushed = 0
  const { results } = await load(store, done => {
    if (done > 0 && done % 50 === 0 && flushed < done / 50) {
      flushed++
      redis.cli('script', 'flush')
    }
    return done >= 300
  })
  expect([flushed, [...results]]).toEqual([6, [['ok', 300]]])
})

test('a replica takes over that has not got everything: the loss is found by itself, told once, and healed by a higher claim', async () => {
  const master = await server()
  const replica = await replicaOf(master)
  const proxy = await startTcpProxy(master.port)
  onTestFinished(() => proxy.stop())
  const [{ store, found, logged }, other] = [await open(proxy.port), await open(proxy.port)]
  await store.claim([claim(1), claim(1, 2)])
  await other.store.claim([claim(1, 3)])
  for (let version = 0; version < 3; version++) await store.commit([write(1, version), write(1, version, 'b', 2)])
  await other.store.commit([write(1, 0, 'c', 3)])
  await caughtUp(replica, master)
  // From here on the master is on its own.
  replica.cli('replicaof', 'no', 'one')
  for (let version = 3; version < 7; version++) expect(await store.commit([write(1, version)])).toEqual(['ok'])
  expect(await store.commit([write(1, 0, 'new')])).toEqual(['ok'])
  await store.claim([claim(2, 4)])
  proxy.retarget(replica.port)

  // Nobody asks anything: it finds out by itself.
  await eventually(() => expect(found).toHaveLength(1))
  expect(found[0]).toMatchObject({ lostWrites: 5, reason: expect.stringMatching(/^a replica has taken over.*T\/a \(7 was stored, 3 is\), T\/new \(1 was stored, 0 is\)/) })
  expect(found[0]!.shards.map(({ shard }) => shard)).toEqual([1, 4])
  expect(logged.filter(line => line.level === 'error')).toEqual([{ level: 'error', text: expect.stringMatching(/^the store lost what it had acknowledged/) }])
  await says(other.logged, /holds all that it had acknowledged/)
  expect(other.found).toEqual([])

  // What memory says cannot be stored, and a higher claim makes everything well.
  expect(await store.commit([write(1, 7)])).toEqual(['conflict'])
  expect(await store.claim([claim(3), claim(3, 4)])).toEqual([{ outcome: 'ok' }, { outcome: 'ok' }])
  expect(await store.load([write(1, 0)])).toMatchObject([{ version: 3 }])
  expect(await store.commit([write(3, 3), write(3, 0, 'd', 4)])).toEqual(['ok', 'ok'])
  proxy.retarget(replica.port)
  await eventually(() => store.load([write(1, 0)]))
  expect(found).toHaveLength(1)
})

test('a master becomes a replica of an older one under load: commits are refused, never lost in silence', async () => {
  const [redis, older] = [await server(), await server()]
  const { store, found, logged } = await open(redis.port)
  const rows = openStores(redis.url, { clock }).cluster
  await rows.open()
  onTestFinished(() => rows.close())
  await rows.openLease({ id: 'h', ttlMs: 60_000 })
  await load(store, done => done >= 50)
  redis.cli('replicaof', '127.0.0.1', String(older.port))
  await eventually(() => expect(redis.cli('info', 'replication')).toContain('master_link_status:up'))
  // What it holds is another's: neither a commit nor a claim nor a lease is judged by it.
  expect(await store.commit([write(1, 50)])).toEqual(['unavailable'])
  await expect(store.claim([claim(2)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', executed: 'no' })
  for (const ask of [(): Promise<unknown> => rows.renewLease({ id: 'h', ttlMs: 60_000 }), () => rows.revokeLease('h'), () => rows.campaign({ nonce: 'n', address: 'a:1', ttlMs: 1 })]) {
    await expect(eventually(ask, /closed|not connected|reconnect/i)).rejects.toMatchObject({ message: expect.stringMatching(/READONLY|replica/) })
  }
  await says(logged, /is a replica/)
  // Its rows are another's: they are not shown.
  await expect(store.load([write(1, 0)])).rejects.toMatchObject({ message: expect.stringMatching(/it is a replica/) })
  redis.cli('replicaof', 'no', 'one')
  await eventually(() => expect(found).toHaveLength(1))
  expect(found[0]).toMatchObject({ shards: [{ type: 'T', shard: 1 }], lostWrites: 50, reason: expect.stringMatching(/T\/a \(50 was stored, 0 is\)/) })
  expect(await store.claim([claim(2)])).toEqual([{ outcome: 'ok' }])
  expect(await store.commit([write(2, 0)])).toEqual(['ok'])
})

test('a server that keeps nothing is started anew: everything is lost, and that is told', async () => {
  const redis = await server('--appendonly', 'no')
  const { store, found } = await open(redis.port)
  await store.claim([claim(1)])
  await store.commit([write(1, 0)])
  await redis.restart()
  await eventually(() => expect(found).toHaveLength(1))
  expect(found[0]).toMatchObject({ lostWrites: 1, reason: expect.stringMatching(/^Redis was started anew, or replaced/) })
})

test('a claim that is gone is noticed by whoever claims again, without any connection breaking', async () => {
  const redis = await server()
  const { store, found } = await open(redis.port)
  await store.claim([claim(1)])
  redis.cli('flushall')
  expect(await store.claim([claim(1)])).toEqual([{ outcome: 'ok' }])
  await eventually(() => expect(found).toMatchObject([{ shards: [{ type: 'T', shard: 1 }], lostWrites: 0, reason: expect.stringMatching(/claim.*was gone/) }]))
  expect(await store.claim([claim(2)])).toEqual([{ outcome: 'ok' }])
  expect(await store.claim([claim(2)])).toEqual([{ outcome: 'ok' }])
  expect(found).toHaveLength(1)
})

test('a connection that breaks is no change of the server', async () => {
  const redis = await server()
  const proxy = await startTcpProxy(redis.port)
  onTestFinished(() => proxy.stop())
  const { store, found, logged } = await open(proxy.port)
  await store.claim([claim(1)])
  await store.commit([write(1, 0)])
  proxy.retarget(redis.port)
  await eventually(() => store.load([write(1, 0)]))
  expect(await store.commit([write(1, 1)])).toEqual(['ok'])
  expect([found, logged.filter(line => /acknowledged/.test(line.text))]).toEqual([[], []])
})

test('a node of a cluster comes back empty: its shards are told, and no others', async () => {
  const cluster = await startRedisCluster()
  onTestFinished(() => cluster.stop())
  for (const node of cluster.nodes) node.cli('config', 'set', 'cluster-require-full-coverage', 'no')
  const { store, found } = await open(cluster.url)
  const shards = Array.from({ length: 30 }, (_, shard) => shard)
  await store.claim(shards.map(shard => claim(1, shard)))
  expect(new Set(await store.commit(shards.map(shard => write(1, 0, `a${shard}`, shard))))).toEqual(new Set(['ok']))
  const node = cluster.nodes[1]!
  const held = Number(/keys=(\d+)/.exec(node.cli('info', 'keyspace'))![1])
  node.cli('flushall')
  await node.restart()
  // Calls go on, as they do on a host; the first ones find out that a connection is gone.
  await eventually(async () => {
    await Promise.all(shards.map(shard => store.load([write(1, 0, `a${shard}`, shard)])))
    expect(found).toHaveLength(1)
  })
  const lost = await store.load(shards.map(shard => write(1, 0, `a${shard}`, shard)))
  expect(found[0]!.shards.map(({ shard }) => shard).sort((a, b) => a - b)).toEqual(shards.filter(shard => lost[shard] === undefined))
  expect(found[0]!.lostWrites).toBe(found[0]!.shards.length)
  expect([held > 0, found[0]!.shards.length > 0, found[0]!.shards.length < 30]).toEqual([true, true, true])
})
