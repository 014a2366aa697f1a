/** PostgreSQL that acknowledges before it has written, and crashes: the loss is found, told and healed. And a crash that loses nothing. */
import { expect, test } from 'vitest'
import type { Regress } from '../../stores/actor-store.ts'
import { claim, eventually, PostgresPlace, write } from './postgres-place.ts'

const place = new PostgresPlace('synchronous_commit=off', 'wal_writer_delay=10000ms', 'autovacuum=off')

test('acknowledged writes that a crash took away are counted and named, and a higher claim makes everything well', async () => {
  const store = await place.store()
  const found: Regress[] = []
  store.onRegress(regress => found.push(regress))
  await store.claim([claim(1), { ...claim(1), shard: 2 }])
  expect(await store.commit([write(1, 0)])).toEqual(['ok'])
  // All up to here is on the disk.
  await place.server.sql('checkpoint')
  for (let version = 1; version < 4; version++) expect(await store.commit([write(1, version)])).toEqual(['ok'])
  await place.server.kill()
  await place.server.restart()
  // Nobody asks anything: it finds out by itself.
  await eventually(async () => expect(found).toHaveLength(1))
  expect(found[0]).toMatchObject({ shards: [{ type: 'T', shard: 1 }], lostWrites: 3, reason: expect.stringMatching(/PostgreSQL.*T\/a \(4 was stored, 1 is\)/) })
  expect(await store.commit([write(1, 4)])).toEqual(['conflict'])
  expect(await store.claim([claim(2)])).toEqual([{ outcome: 'ok' }])
  expect(await store.commit([write(2, 1)])).toEqual(['ok'])
})

test('a crash that loses nothing is no regress', async () => {
  const store = await place.store()
  const found: Regress[] = []
  store.onRegress(regress => found.push(regress))
  await store.claim([claim(1)])
  for (let version = 0; version < 4; version++) expect(await store.commit([write(1, version)])).toEqual(['ok'])
  await place.server.sql('checkpoint')
  await place.server.kill()
  await place.server.restart()
  await eventually(() => store.load([write(1, 0)]))
  expect(await eventually(() => store.commit([write(1, 4)]))).toEqual(['ok'])
  expect(found).toEqual([])
})
