import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { SystemClock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import { checkEntryName } from '../../../stores/actor-store.ts'
import { openStores } from '../../../stores/open-store.ts'

const clock = new SystemClock()
const errorOf = (run: () => unknown): TroupeError => {
  try {
    run()
  } catch (error) {
    if (TroupeError.is(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'troupe-open-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

test.each([
  'memory:', 'lmdb:./data', 'lmdb:/var/data.d', 'redis://localhost', 'redis://:pw@10.0.0.1:6380/3', 'rediss://u:p%40w@redis.example',
  'redis://[::1]:6379', 'redis+cluster://a:1,b:2,[::1]:3', 'rediss+cluster://u:pw@a:1,b:2',
])('%s is a store', url => {
  const { actors, cluster } = openStores(url, { clock })
  expect(actors.name).toBe(cluster.name)
  expect(actors.shared).toBe(url !== 'memory:')
})

test.each([
  ['', /no known scheme.*memory:.*lmdb:DIR.*redis:/],
  ['mysql://h', /no known scheme/],
  ['./data', /no known scheme/],
  ['memory:x', /nothing may follow/],
  ['lmdb:', /names no directory; write lmdb:\.\/data/],
  ['lmdb://', /names no directory/],
  ['lmdb://host/dir', /names no directory/],
  ['redis:', /shape of a Redis URL/],
  ['redis://', /shape of a Redis URL/],
  ['redis://host:99999', /no host:port/],
  ['redis://host:port', /no host:port/],
  ['redis://host/name', /shape/],
  ['redis://a,b', /only redis\+cluster/],
  ['redis+cluster://a,b/2', /only database 0/],
  ['redis://secret@host', /user:password@/],
  ['redis://u:%zz@host', /percent-encoding/],
] as const)('%j is refused', (url, message) => {
  const error = errorOf(() => openStores(url, { clock }))
  expect(error.code).toBe('BAD_OPTION')
  expect(error.message).toMatch(message)
})

test('no message and no name shows a password', () => {
  for (const url of ['redis://u:hush@h:99999', 'redsi://u:hush@h', 'redis://u:hush@h@x/y', 'redis://hush@h']) {
    expect(errorOf(() => openStores(url, { clock })).message).not.toContain('hush')
  }
  expect(openStores('rediss://u:hush@h:1', { clock }).actors.name).toBe('rediss://h:1')
})

test('a directory is made, with dots in its name and all', async () => {
  const path = join(folder(), 'a.b', 'c.mdb')
  const { actors } = openStores(`lmdb:${path}`, { clock })
  await actors.open()
  await actors.close()
  expect(existsSync(path)).toBe(true)
})

test('a path that cannot be a directory fails to open with the reason and the remedy', async () => {
  const file = join(folder(), 'file')
  writeFileSync(file, '')
  const { actors, cluster } = openStores(`lmdb:${file}/data`, { clock })
  for (const store of [actors, cluster]) {
    await expect(store.open()).rejects.toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.stringMatching(/ENOTDIR.*local disk/) })
    await store.close()
  }
})

test('a file that is no database fails to open', async () => {
  const path = folder()
  writeFileSync(join(path, 'troupe.mdb'), Buffer.alloc(100_000, 'no database'))
  await expect(openStores(`lmdb:${path}`, { clock }).actors.open()).rejects.toMatchObject({ code: 'STORE_OPEN_FAILED' })
})

test('a store that was closed is unavailable, its commits unknown', async () => {
  const { actors, cluster } = openStores(`lmdb:${folder()}`, { clock })
  await actors.open()
  await cluster.open()
  await actors.close()
  const claim = { type: 'T', shard: 0, epoch: 1, nonce: 'n' }
  await expect(actors.load([{ ...claim, id: 'a' }])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await expect(actors.claim([claim])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(await actors.commit([{ ...claim, id: 'a', previous: 0, head: Buffer.alloc(1) }])).toEqual(['unknown'])
  // The other store on the same file goes on.
  expect(await cluster.loadTable()).toBeUndefined()
  await cluster.close()
  await expect(cluster.loadTable()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
})

test('names of entries have a length', () => {
  checkEntryName('€'.repeat(170))
  expect(errorOf(() => checkEntryName('€'.repeat(171))).code).toBe('BAD_REQUEST')
})

test.runIf(process.platform === 'linux')('a directory that can never be made is refused, and does not hang', async () => {
  await expect(openStores('lmdb:/proc/troupe/data', { clock }).actors.open()).rejects.toMatchObject({ code: 'STORE_OPEN_FAILED' })
})
