/** LMDB when processes die or freeze, and when the file grows. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { SystemClock } from '../../core/clock.ts'
import { LmdbActorStore } from '../../stores/lmdb/actor-store.ts'
import { LmdbClusterStore } from '../../stores/lmdb/cluster-store.ts'
import { LmdbEnvironment } from '../../stores/lmdb/environment.ts'
import { lockHolder } from '../../stores/lmdb/lock-holder.ts'
import { endProcess, startProcess } from '../servers/processes.ts'
import { entriesOf } from './actor-store.suite.ts'

const clock = new SystemClock()
const writer = new URL('../servers/lmdb-writer.ts', import.meta.url).pathname
const claim = (epoch: number): { type: string; shard: number; epoch: number; nonce: string } => ({ type: 'T', shard: 1, epoch, nonce: `host-${epoch}` })
const write = (epoch: number, previous: number, id = 'a') => ({ ...claim(epoch), id, previous, head: Buffer.from(`v${previous + 1}`) })

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'troupe-lmdb-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

async function openStore(directory: string, writeTimeoutMs = 5_000): Promise<LmdbActorStore> {
  const store = new LmdbActorStore(new LmdbEnvironment(directory, clock, { writeTimeoutMs }), clock)
  await store.open()
  onTestFinished(() => store.close())
  return store
}

test('kill -9 in the middle of commits: every acknowledged one is there, whole, and others go on', async () => {
  const directory = folder()
  const store = await openStore(directory)
  const child = await startProcess(process.execPath, [writer, 'commit', directory], /^\d+$/m)
  onTestFinished(() => endProcess(child))
  let acknowledged = 0
  let rest = ''
  const read = (chunk: Buffer): void => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop()!
    acknowledged = Math.max(acknowledged, ...lines.map(Number))
  }
  child.stdout!.on('data', read)
  while (acknowledged < 200) await once(child.stdout!, 'data')
  child.kill('SIGKILL')
  await once(child, 'close')
  // Claim first, as an owner does: the first writer after the death repairs what readers see.
  expect(await store.claim([claim(2)])).toEqual([{ outcome: 'ok' }])
  const [found] = await store.load([write(1, 0)])
  expect(found!.version).toBeGreaterThanOrEqual(acknowledged)
  expect(found!.version).toBeLessThanOrEqual(acknowledged + 1)
  const [copy] = await entriesOf(store, write(1, 0), ['copy'])
  expect(Buffer.from(copy!).equals(Buffer.from(found!.head))).toBe(true)
  expect(Buffer.from(found!.head).toString()).toMatch(new RegExp(`^${found!.version} `))
  const [page] = await store.due([{ type: 'T', shard: 1, until: Infinity, limit: 10 }])
  expect(page!.rows.map(({ due, value }) => [due, Buffer.from(value).equals(Buffer.from(found!.head))])).toEqual([[found!.version, true]])
  expect(await store.commit([write(2, found!.version)])).toEqual(['ok'])
})

test('an owner that lost its claim and is outrun too is told that it is fenced, not that versions conflict', async () => {
  const directory = folder()
  const [older, newer] = [await openStore(directory), await openStore(directory)]
  await older.claim([claim(1)])
  expect(await older.commit([write(1, 0)])).toEqual(['ok'])
  expect(await newer.claim([claim(2)])).toEqual([{ outcome: 'ok' }])
  expect(await newer.commit([write(2, 1)])).toEqual(['ok'])
  // Nothing of this flush is to be written, so only a look at the guard can tell.
  expect(await older.commit([write(1, 1)])).toEqual(['fenced'])
})

test('a process frozen inside a write: commits are unknown in time, loads go on, and all heals when it is gone', async () => {
  const directory = folder()
  const store = await openStore(directory, 300)
  await store.claim([claim(1)])
  expect(await store.commit([write(1, 0)])).toEqual(['ok'])
  const child = await startProcess(process.execPath, [writer, 'hold', directory], /holding/)
  onTestFinished(() => endProcess(child))
  child.kill('SIGSTOP')
  const began = performance.now()
  expect(await store.commit([write(1, 1)])).toEqual(['unknown'])
  expect(performance.now() - began).toBeLessThan(2_000)
  // The overdue write still waits: no further one is sent, and each says so at once.
  expect(await store.commit([write(1, 0, 'b')])).toEqual(['unavailable'])
  await expect(store.claim([claim(2)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringMatching(`process ${child.pid} \\(node.*, stopped\\) holds its write lock`) })
  expect(await store.load([write(1, 0)])).toMatchObject([{ version: 1 }])
  await endProcess(child)
  // The owner resolves the doubt with a higher epoch; whatever landed did so before it.
  const deadline = performance.now() + 10_000
  for (;;) {
    const [result] = await store.claim([claim(3)]).catch(() => [undefined])
    if (result?.outcome === 'ok') break
    if (performance.now() > deadline) throw new Error('the store did not heal')
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  const version = (await store.load([write(1, 0)]))[0]!.version
  expect([1, 2]).toContain(version)
  expect(await store.commit([write(1, version)])).toEqual(['fenced'])
  expect(await store.commit([write(3, version)])).toEqual(['ok'])
  expect(await store.load([write(1, 0, 'b')])).toEqual([undefined])
})

test('a process frozen inside a write holds up leases too: they fail in time, tell who it is, and are renewed when it goes on', async () => {
  const directory = folder()
  const store = new LmdbClusterStore(new LmdbEnvironment(directory, clock, { writeTimeoutMs: 300 }))
  await store.open()
  onTestFinished(() => store.close())
  await store.openLease({ id: 'h', ttlMs: 60_000 })
  const child = await startProcess(process.execPath, [writer, 'hold', directory], /holding/)
  onTestFinished(() => endProcess(child))
  child.kill('SIGSTOP')
  const holder = { code: 'STORE_UNAVAILABLE', message: expect.stringMatching(`process ${child.pid} \\(node.*, stopped\\) holds its write lock; let it go on, or end it`) }
  const began = performance.now()
  await expect(store.renewLease({ id: 'h', ttlMs: 60_000 })).rejects.toMatchObject(holder)
  await expect(store.campaign({ nonce: 'a', address: 'a:1', ttlMs: 1_000 })).rejects.toMatchObject(holder)
  expect(performance.now() - began).toBeLessThan(1_500)
  // Reading needs no lock.
  expect(await store.leases()).toMatchObject([{ id: 'h' }])
  await endProcess(child)
  for (const deadline = performance.now() + 10_000; ;) {
    const renewal = await store.renewLease({ id: 'h', ttlMs: 60_000 }).catch(() => undefined)
    if (renewal !== undefined) {
      expect(renewal.held).toBe(true)
      break
    }
    if (performance.now() > deadline) throw new Error('the store did not heal')
    await new Promise(resolve => setTimeout(resolve, 10))
  }
})

test('nobody holds a lock that is free, and a file that is none says nothing', async () => {
  const directory = folder()
  const store = await openStore(directory)
  await store.claim([claim(1)])
  expect(lockHolder(join(directory, 'troupe.mdb-lock'))).toBeUndefined()
  expect(lockHolder(join(directory, 'nothing'))).toBeUndefined()
  expect(lockHolder(writer)).toBeUndefined()
})

test('the file grows as needed', async () => {
  const store = await openStore(folder())
  await store.claim([claim(1)])
  const large = Buffer.alloc(4 * 1024 * 1024, 'x')
  for (let i = 0; i < 12; i++) {
    expect(await store.commit([{ ...write(1, 0, `large-${i}`), head: large }, write(1, 0, `small-${i}`)])).toEqual(['ok', 'ok'])
  }
  expect((await store.list('T', undefined, 100)).ids).toHaveLength(24)
})
