/** What the conformance suite cannot see of LMDB's due rows: how far a pass over a group of shards looks. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { SystemClock } from '../../../core/clock.ts'
import { LmdbDueIndex } from '../../../stores/lmdb/due-index.ts'
import { LmdbEnvironment } from '../../../stores/lmdb/environment.ts'

const busy = { type: 'T', shard: 1 }
const quiet = { type: 'T', shard: 17 }
const empty = { type: 'T', shard: 33 }

/** In one group: a busy shard with a row every 10 ms from 0 to 990, and a quiet one with rows at 5 and 905. */
async function filled(lookAhead?: number): Promise<LmdbDueIndex> {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-lmdb-'))
  const env = new LmdbEnvironment(folder, new SystemClock())
  env.open()
  onTestFinished(async () => {
    await env.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const index = new LmdbDueIndex(env, lookAhead)
  const rows = Array.from({ length: 100 }, (_, n) => ({ ...busy, id: `b${n}`, due: 10 * n }))
  rows.push({ ...quiet, id: 'q', due: 5 }, { ...quiet, id: 'q', due: 905 })
  await Promise.all(rows.map(row => index.rows.put(index.key(row, row.due, 'r'), Buffer.alloc(0))))
  env.snapshot()
  return index
}
const dues = (found: ReturnType<LmdbDueIndex['find']>): unknown[] => found.map(({ places, next }) => [places.map(({ due }) => due), next])

test('a shard is told apart from its group, and its next row is found among the rows of others', async () => {
  const index = await filled()
  expect(dues(index.find([{ ...quiet, until: 100, limit: 9 }]))).toEqual([[[5], 905]])
  expect(dues(index.find([{ ...empty, until: 100, limit: 9 }]))).toEqual([[[], undefined]])
  expect(dues(index.find([{ ...busy, until: 20, limit: 9 }, { ...quiet, until: 1_000, limit: 1 }, { ...busy, until: 1_000, limit: 2 }])))
    .toEqual([[[0, 10, 20], 30], [[5], 905], [[0, 10], 20]])
})

test('far beyond `until` a pass ends, and says up to when it has looked', async () => {
  const index = await filled(20)
  const [page, none] = index.find([{ ...quiet, until: 100, limit: 9 }, { ...empty, until: 50, limit: 9 }])
  expect(dues([page!])).toEqual([[[5], 300]])
  expect(none).toMatchObject({ places: [], next: 300 })
  // Whatever was asked for is found, however far: only what lies beyond is not looked for.
  expect(dues(index.find([{ ...quiet, until: 905, limit: 9 }]))).toEqual([[[5, 905], undefined]])
  expect(dues(index.find([{ ...quiet, until: 950, after: { due: 5, id: 'q', name: 'r' }, limit: 9 }]))).toEqual([[[905], undefined]])
  expect(dues(index.find([{ ...quiet, until: 100, after: { due: 400, id: 'q', name: 'r' }, limit: 9 }]))).toEqual([[[], 600]])
})
