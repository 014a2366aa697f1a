/** Whether a store came back with less than it had acknowledged: judged by what one process remembers. */
import { beforeEach, expect, test } from 'vitest'
import { ManualClock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import { silentLogger } from '../../../core/logger.ts'
import type { Claim, Regress } from '../../../stores/actor-store.ts'
import { RegressCheck, type Holding, type Look } from '../../../stores/regress-check.ts'

const ok = { outcome: 'ok' } as const
const claim = (shard: number, epoch = 5): Claim => ({ type: 'T', shard, epoch, nonce: 'me' })
const write = (shard: number, id: string, version: number, epoch = 5) =>
  ({ ...claim(shard, epoch), id, previous: version - 1, head: Buffer.from('h') })

/** What the store holds, by shard and by id. */
let claims: Map<number, Claim>
let heads: Map<string, { version: number; epoch: number }>
let asked: string[]
let away: boolean
let clock: ManualClock
let check: RegressCheck
let found: Regress[]

const look: Look = async shards => {
  asked.push(shards.map(({ key, ids }) => `${key.shard}:${ids.join('+')}`).join(' '))
  if (away) throw new TroupeError('STORE_UNAVAILABLE', 'away')
  return shards.map(({ key, ids }): Holding => ({ claim: claims.get(key.shard), heads: ids.map(id => heads.get(id)) }))
}

beforeEach(() => {
  [claims, heads, asked, found, away] = [new Map(), new Map(), [], [], false]
  clock = new ManualClock()
  check = new RegressCheck({ name: 'store:', clock, log: silentLogger, look })
  check.onRegress(regress => found.push(regress))
})

/** Claimed and acknowledged, and as stored as it says. */
function commit(shard: number, id: string, version: number, stored = version): void {
  if (!claims.has(shard)) {
    check.claimed([claim(shard)], [ok])
    claims.set(shard, claim(shard))
  }
  check.committed([write(shard, id, version)], ['ok'])
  if (stored > 0) heads.set(id, { version: stored, epoch: 5 })
}
const changed = async (): Promise<void> => {
  check.serverChanged('a change')
  await clock.advance(0)
}

test('a store that holds all is asked for its claims and last writes, and nothing is told', async () => {
  commit(1, 'a', 1)
  commit(1, 'b', 4)
  commit(2, 'c', 2)
  await changed()
  expect(asked).toEqual(['1:b+a 2:c'])
  expect(found).toEqual([])
})

test('nothing was claimed: nothing is asked', async () => {
  await changed()
  expect([asked, found]).toEqual([[], []])
})

test('what is lost is told by shard and counted, once', async () => {
  commit(1, 'a', 9, 7)
  commit(2, 'b', 1, 0)
  commit(3, 'c', 3)
  await changed()
  expect(found).toEqual([{
    shards: [{ type: 'T', shard: 1 }, { type: 'T', shard: 2 }], lostWrites: 3,
    reason: 'a change; lost in 2 shards of this host: at least 3 acknowledged writes, of T/a (9 was stored, 7 is), T/b (1 was stored, 0 is)',
  }])
  await changed()
  expect(found).toHaveLength(1)
  expect(asked.at(-1)).toBe('3:c')
})

test('a claim that is gone, lower or another’s at the same epoch is a loss; a higher one is somebody’s newer right', async () => {
  for (const shard of [1, 2, 3, 4]) check.claimed([claim(shard)], [ok])
  claims.set(2, claim(2, 4)).set(3, { ...claim(3), nonce: 'other' }).set(4, claim(4, 6))
  await changed()
  expect(found).toMatchObject([{ shards: [{ shard: 1 }, { shard: 2 }, { shard: 3 }], lostWrites: 0, reason: expect.stringMatching(/claims alone/) }])
})

test('a shard that was passed on may hold anything', async () => {
  commit(1, 'a', 9, 2)
  claims.set(1, { ...claim(1, 8), nonce: 'next' })
  await changed()
  expect(found).toEqual([])
})

test('a write of the same version that another owner made is a loss too', async () => {
  commit(1, 'a', 3)
  heads.set('a', { version: 3, epoch: 4 })
  await changed()
  expect(found).toMatchObject([{ lostWrites: 1 }])
})

test('what was refused, has no answer, no head or another claim is no witness', async () => {
  commit(1, 'a', 1)
  check.committed([write(1, 'b', 1), write(1, 'c', 1), write(1, 'd', 1), { ...write(1, 'e', 1), head: null }, write(1, 'f', 1, 4), write(9, 'g', 1)],
    ['fenced', 'unknown', 'conflict', 'ok', 'ok', 'ok'])
  check.claimed([claim(7), claim(1, 4)], [{ outcome: 'refused', epoch: 6, nonce: 'x' }, ok])
  await changed()
  expect([asked, found]).toEqual([['1:a'], []])
})

test('a claim that the store has only since now, though it had acknowledged it, is a loss', async () => {
  check.raised(claim(1))
  check.claimed([claim(1)], [ok])
  claims.set(1, claim(1))
  await clock.advance(0)
  expect(found).toEqual([])
  check.raised(claim(1))
  check.claimed([claim(1)], [ok])
  await clock.advance(0)
  expect(found).toMatchObject([{ shards: [{ shard: 1 }], reason: expect.stringMatching(/claim.*was gone/) }])
})

test('a store that is still away is asked again until it answers; a change meanwhile is looked at too', async () => {
  commit(1, 'a', 2, 1)
  away = true
  await changed()
  await clock.advance(1_600)
  expect(asked).toHaveLength(4)
  away = false
  await clock.advance(500)
  expect(found).toHaveLength(1)
  await clock.advance(5_000)
  expect(asked).toHaveLength(5)
})

test('closed it asks no more, and opened again it does', async () => {
  commit(1, 'a', 1)
  away = true
  await changed()
  check.close()
  await clock.advance(5_000)
  expect(asked).toHaveLength(1)
  check.open()
  away = false
  await changed()
  expect(asked).toHaveLength(2)
})

test('of very many writes the latest are named, and the last of each shard is never forgotten', async () => {
  commit(1, 'first', 1, 0)
  for (let i = 0; i < 3_000; i++) commit(2, `x${i}`, 1, i < 2_900 ? 1 : 0)
  await changed()
  expect(found[0]!.shards).toEqual([{ type: 'T', shard: 1 }, { type: 'T', shard: 2 }])
  expect(found[0]!.lostWrites).toBe(101)
  expect(found[0]!.reason).toMatch(/and 96 more$/)
})
