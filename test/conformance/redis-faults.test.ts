/** Redis when it is down, dies, freezes, restarts or forgets scripts; and what a broken connection must never do. */
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { SystemClock } from '../../core/clock.ts'
import { RedisActorStore } from '../../stores/redis/actor-store.ts'
import { parseRedisUrl } from '../../stores/redis/address.ts'
import { RedisConnection } from '../../stores/redis/connection.ts'
import { RedisKeys } from '../../stores/redis/keys.ts'
import { openStores } from '../../stores/open-store.ts'
import type { Logger } from '../../core/logger.ts'
import { freePort } from '../servers/processes.ts'
import { startRedis, startRedisCluster, type RedisServer } from '../servers/redis.ts'
import { startTcpProxy, type TcpProxy } from '../servers/tcp-proxy.ts'
import { entriesOf } from './actor-store.suite.ts'

const clock = new SystemClock()
const claim = (epoch: number): { type: string; shard: number; epoch: number; nonce: string } => ({ type: 'T', shard: 1, epoch, nonce: `host-${epoch}` })
const write = (epoch: number, previous: number, id = 'a') => ({ ...claim(epoch), id, previous, head: Buffer.from(`v${previous + 1}`) })

let redis: RedisServer
beforeEach(async () => { redis = await startRedis() })
afterEach(() => redis.stop())

async function connection(url: string, commandTimeoutMs = 5_000): Promise<RedisConnection> {
  const opened = new RedisConnection(parseRedisUrl(url), clock, { commandTimeoutMs })
  await opened.open()
  onTestFinished(() => opened.close())
  return opened
}
const storeOn = async (url: string, commandTimeoutMs?: number): Promise<RedisActorStore> =>
  openedOn(await connection(url, commandTimeoutMs))
async function openedOn(redisConnection: RedisConnection): Promise<RedisActorStore> {
  const store = new RedisActorStore(redisConnection, new RedisKeys(''), clock)
  await store.open()
  onTestFinished(() => store.close())
  return store
}
async function proxied(): Promise<TcpProxy> {
  const proxy = await startTcpProxy(redis.port)
  onTestFinished(() => proxy.stop())
  return proxy
}
/** Repeats `ask` until it succeeds, for 10 s at most. */
async function eventually<T>(ask: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + 10_000; ;) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}

test('down at the start: fails in time, with the reason and the remedy, and can be opened later', async () => {
  const port = await freePort()
  const { actors } = openStores(`redis://user:hush@127.0.0.1:${port}`, { clock })
  const began = performance.now()
  const error = await actors.open().catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.stringMatching(/ECONNREFUSED.*start the server/) })
  expect(String(error)).not.toContain('hush')
  expect(performance.now() - began).toBeLessThan(10_000)
})

test('a server that comes up while opening is waited for', async () => {
  await redis.kill()
  const opening = storeOn(redis.url)
  await redis.restart()
  expect(await (await opening).load([write(1, 0)])).toEqual([undefined])
})

test('a wrong password fails at once and is not shown', async () => {
  redis.cli('config', 'set', 'requirepass', 'right')
  const { actors } = openStores(`redis://:hush@127.0.0.1:${redis.port}`, { clock })
  const began = performance.now()
  const error = await actors.open().catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.stringMatching(/WRONGPASS/) })
  expect(performance.now() - began).toBeLessThan(2_000)
  expect(JSON.stringify([error, String(error), (error as Error).stack])).not.toContain('hush')
  const right = openStores(`redis://:right@127.0.0.1:${redis.port}`, { clock }).actors
  await right.open()
  await right.close()
})

test('killed in the middle: what is not sent is not unknown, loads fail, and after a restart all goes on by itself', async () => {
  const store = await storeOn(redis.url)
  await store.claim([claim(1)])
  expect(await store.commit([{ ...write(1, 0), entries: [['r', Buffer.from('kept'), 5]] }])).toEqual(['ok'])
  await redis.kill()
  const began = performance.now()
  // Its connection may not be known to be gone yet.
  expect(['unknown', 'unavailable']).toContain((await store.commit([write(1, 1), write(1, 0, 'b')]))[0])
  expect(await store.commit([write(1, 1), write(1, 0, 'b')])).toEqual(['unavailable', 'unavailable'])
  await expect(store.load([write(1, 0)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await expect(store.claim([claim(2)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  const due = [{ ...claim(1), until: 5, limit: 10 }]
  await expect(store.due(due)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(performance.now() - began).toBeLessThan(2_000)
  await redis.restart()
  // Nothing that was asked while it was away has been kept for it.
  expect(await eventually(() => store.load([write(1, 0), write(1, 0, 'b')]))).toMatchObject([{ version: 1 }, undefined])
  expect(await store.due(due)).toMatchObject([{ rows: [{ due: 5, id: 'a', name: 'r', value: Buffer.from('kept') }], next: undefined }])
  expect(await store.commit([write(1, 1)])).toEqual(['ok'])
})

test('a frozen server: everything ends within the time limit, and goes on after', async () => {
  const store = await storeOn(redis.url, 300)
  await store.claim([claim(1)])
  redis.freeze()
  const began = performance.now()
  const [results, load] = await Promise.all([store.commit([write(1, 0)]), store.load([write(1, 0)]).catch((error: unknown) => error)])
  expect(results).toEqual(['unknown'])
  expect(load).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(performance.now() - began).toBeLessThan(2_000)
  redis.thaw()
  await eventually(() => store.claim([claim(2)]))
  const version = (await store.load([write(1, 0)]))[0]?.version ?? 0
  expect(await store.commit([write(1, version)])).toEqual(['fenced'])
  expect(await store.commit([write(2, version)])).toEqual(['ok'])
})

test('an unknown write that arrives after a claim with a higher epoch changes nothing', async () => {
  const proxy = await proxied()
  const old = await storeOn(`redis://127.0.0.1:${proxy.port}`, 300)
  const next = await storeOn(redis.url)
  await old.claim([claim(1)])
  expect(await old.commit([write(1, 0)])).toEqual(['ok'])
  proxy.holdRequests()
  const late = [['x', Buffer.from('late')], ['r', Buffer.from('late'), 5]] as const
  const commit = old.commit([{ ...write(1, 1), entries: late }, { ...write(1, 0, 'b'), head: null, entries: late }])
  await proxy.held()
  expect(await commit).toEqual(['unknown', 'unknown'])
  await next.claim([claim(2)])
  proxy.release()
  // The proxy's connection is read in order: when this load is answered the late write has run.
  await eventually(() => old.load([write(1, 0)]))
  expect(await next.load([write(1, 0)])).toMatchObject([{ version: 1 }])
  for (const id of ['a', 'b']) expect(await entriesOf(next, write(1, 0, id), ['x', 'r'])).toEqual([undefined, undefined])
  expect(await next.due([{ ...claim(1), until: Infinity, limit: 10 }])).toEqual([{ rows: [], next: undefined }])
  expect(await next.commit([write(2, 1)])).toEqual(['ok'])
})

test('a command whose reply was cut off is not sent again: an increment runs once', async () => {
  const proxy = await proxied()
  const client = await connection(`redis://127.0.0.1:${proxy.port}`)
  await client.command('SET', ['n', '0'])
  for (let round = 1; round <= 5; round++) {
    proxy.cutNextReply()
    await expect(client.command('INCR', ['n'])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(String(await eventually(() => client.command('GET', ['n'])))).toBe(String(round))
  }
})

test('a commit whose reply was cut off is unknown, and a repeat finds it done', async () => {
  const proxy = await proxied()
  const store = await storeOn(`redis://127.0.0.1:${proxy.port}`)
  await store.claim([claim(1)])
  await store.commit([write(1, 0)])
  proxy.cutNextReply()
  expect(await store.commit([write(1, 1)])).toEqual(['unknown'])
  await eventually(() => store.load([write(1, 0)]))
  expect(await store.commit([write(1, 1)])).toEqual(['duplicate'])
})

test('forgotten scripts are brought back', async () => {
  const store = await storeOn(redis.url)
  await store.claim([claim(1)])
  await store.commit([write(1, 0)])
  redis.cli('script', 'flush')
  const writes = Array.from({ length: 600 }, (_, index) => write(1, 0, `b${index}`))
  expect((await store.commit([write(1, 1), ...writes])).every(result => result === 'ok')).toBe(true)
})

test('settings that lose commits are warned of', async () => {
  const warnings: string[] = []
  const log = { warn: (_: object, message: string) => warnings.push(message), debug() {}, info() {}, error() {}, child: () => log } as unknown as Logger
  const open = async (): Promise<void> => {
    const { actors } = openStores(redis.url, { clock, log })
    await actors.open()
    await actors.close()
  }
  await open()
  expect(warnings).toEqual([])
  redis.cli('config', 'set', 'appendonly', 'no')
  redis.cli('config', 'set', 'maxmemory', '100mb')
  redis.cli('config', 'set', 'maxmemory-policy', 'allkeys-lru')
  await open()
  expect(warnings).toEqual([expect.stringMatching(/appendonly yes/), expect.stringMatching(/noeviction/)])
})

test('one node of a cluster dies: its shards are unknown or unavailable, the others go on, and all heals', async () => {
  const cluster = await startRedisCluster()
  onTestFinished(() => cluster.stop())
  for (const node of cluster.nodes) node.cli('config', 'set', 'cluster-require-full-coverage', 'no')
  const store = await storeOn(cluster.url, 1_000)
  const claims = Array.from({ length: 30 }, (_, shard) => ({ ...claim(1), shard }))
  const writes = (version: number) => claims.map(one => ({ ...one, id: 'a', previous: version, head: Buffer.from('h') }))
  await store.claim(claims)
  expect(new Set(await store.commit(writes(0)))).toEqual(new Set(['ok']))
  await cluster.nodes[1]!.kill()
  const results = await store.commit(writes(1))
  expect(new Set(results)).toEqual(new Set(['ok', 'unknown']))
  const reads = await Promise.allSettled(store.loadEntries(claims.map(one => ({ actor: { ...one, id: 'a' }, names: ['x'] }))))
  expect(reads.map(read => read.status === 'fulfilled' ? read.value : (read.reason as { code: string }).code))
    .toEqual(results.map(result => result === 'ok' ? [undefined] : 'STORE_UNAVAILABLE'))
  await cluster.nodes[1]!.restart()
  const versions = await eventually(async () => (await store.load(writes(0))).map(found => found?.version))
  expect(versions).toEqual(results.map(result => result === 'ok' ? 2 : 1))
  await eventually(async () => {
    const again = await store.commit(writes(1))
    if (again.includes('unknown')) throw new Error(again.join())
    expect(again).toEqual(results.map(result => result === 'ok' ? 'duplicate' : expect.stringMatching(/^(ok|duplicate)$/)))
  })
})
