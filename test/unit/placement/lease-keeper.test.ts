/** What a keeper asks of the store and when, told by a store whose answers are given by hand. */
import { beforeEach, expect, test } from 'vitest'
import { ManualClock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import { silentLogger } from '../../../core/logger.ts'
import { SeededRandom } from '../../../core/random.ts'
import { LeaseKeeper } from '../../../placement/lease-keeper.ts'
import type { LeaseNews } from '../../../placement/lease.ts'
import type { LeaseRenewal } from '../../../stores/cluster-store.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'

interface Asked {
  readonly atMs: number
  answer(renewal?: Partial<LeaseRenewal>): Promise<void>
  fail(): Promise<void>
}

/** `hold`: renewals wait for their answers. `away`: they fail at once. */
class HandStore extends MemoryClusterStore {
  readonly asked: Asked[] = []
  readonly ended: string[] = []
  hold = false
  away = false
  opening: Promise<void> = Promise.resolve()
  ending: Promise<void> = Promise.resolve()

  override async openLease(lease: { id: string; ttlMs: number }): Promise<void> {
    await this.opening
    return super.openLease(lease)
  }

  override renewLease(lease: { id: string; ttlMs: number }): Promise<LeaseRenewal> {
    return new Promise((resolve, reject) => {
      const answer = async (renewal: Partial<LeaseRenewal> = {}): Promise<void> => {
        resolve({ ...await super.renewLease(lease), ...renewal })
        await clock.advance(0)
      }
      const fail = async (): Promise<void> => {
        reject(new TroupeError('STORE_UNAVAILABLE', 'away'))
        await clock.advance(0)
      }
      this.asked.push({ atMs: clock.monotonicMs(), answer, fail })
      if (this.away) void fail()
      else if (!this.hold) void answer()
    })
  }

  override async endLease(id: string): Promise<void> {
    this.ended.push(id)
    await this.ending
    await super.endLease(id)
  }
}

let clock: ManualClock
let store: HandStore
let keeper: LeaseKeeper
let news: LeaseNews[]
let revoked: number
let runs: boolean
let deadlines: number[]

const sentAt = (): number[] => store.asked.map(asked => asked.atMs)

beforeEach(() => {
  clock = new ManualClock()
  store = new HandStore(clock)
  news = []
  revoked = 0
  runs = true
  deadlines = []
  keeper = new LeaseKeeper({ store, clock, random: new SeededRandom(1), log: silentLogger, mayRenew: () => runs, onDeadline: ms => deadlines.push(ms) })
  keeper.onNews(heard => news.push(heard))
  keeper.onRevoked(() => revoked++)
})

test('open and then renewed at each beat, the deadline counted from before the request', async () => {
  expect(keeper.valid()).toBe(false)
  await keeper.open('a1')
  expect(keeper.valid()).toBe(true)
  await clock.advance(1_600)
  expect(sentAt()).toEqual([0, 500, 1_000, 1_500])
  expect(keeper.leftMs()).toBe(1_860)
  expect(deadlines.at(-1)).toBe(3_460)
  expect(news).toHaveLength(4)
  expect(await store.leases()).toMatchObject([{ id: 'a1', leftMs: 1_900 }])
})

test('one renewal at a time; an answer counts from its own request however late it comes', async () => {
  await keeper.open('a1')
  await clock.advance(0)
  store.hold = true
  await clock.advance(900)
  expect(sentAt()).toEqual([0, 500])
  // Given up at 1000, the next a moment later.
  await clock.advance(200)
  expect(store.asked).toHaveLength(3)
  await clock.advance(900)
  expect(keeper.valid()).toBe(false)
  await store.asked[1]!.answer()
  expect(keeper.leftMs()).toBe(500 + 1_960 - 2_000)
  await clock.advance(459)
  expect(keeper.valid()).toBe(true)
  await clock.advance(1)
  expect(keeper.valid()).toBe(false)
})

test('what was overtaken tells no news, and takes no deadline back', async () => {
  await keeper.open('a1')
  await clock.advance(0)
  store.hold = true
  await clock.advance(1_100)
  await store.asked[2]!.answer({ version: 7 })
  const { length } = news
  const left = keeper.leftMs()
  await store.asked[1]!.answer({ version: 6 })
  expect(news).toHaveLength(length)
  expect(keeper.leftMs()).toBe(left)
})

test('a store that never answers has few renewals out, and is asked again once it answers', async () => {
  await keeper.open('a1')
  await clock.advance(0)
  store.hold = true
  await clock.advance(60_000)
  expect(store.asked).toHaveLength(17)
  await store.asked[2]!.answer()
  await clock.advance(60)
  expect(store.asked).toHaveLength(18)
})

test('failures are repeated soon, then more slowly, never later than a beat; the lease is held again after an outage', async () => {
  await keeper.open('a1')
  await clock.advance(0)
  store.away = true
  await clock.advance(5_000)
  const pauses = sentAt().slice(1).map((at, i) => at - sentAt()[i]!)
  expect(pauses[1]).toBeLessThanOrEqual(25)
  expect(pauses.at(-1)).toBeGreaterThanOrEqual(250)
  expect(Math.max(...pauses)).toBeLessThanOrEqual(500)
  expect(keeper.valid()).toBe(false)
  store.away = false
  await clock.advance(500)
  expect(keeper.valid()).toBe(true)
  const before = store.asked.length
  await clock.advance(1_000)
  expect(store.asked).toHaveLength(before + 2)
})

test('not held is final: told once, and nothing is sent after it, whatever comes late', async () => {
  await keeper.open('a1')
  await clock.advance(0)
  store.hold = true
  await clock.advance(1_100)
  await store.asked[2]!.answer({ held: false })
  await store.asked[1]!.answer()
  expect(revoked).toBe(1)
  expect(keeper.valid()).toBe(false)
  expect(deadlines.at(-1)).toBe(-Infinity)
  await clock.advance(10_000)
  keeper.renewNow()
  await keeper.close(true)
  await clock.advance(1_000)
  expect(store.asked).toHaveLength(3)
  expect(store.ended).toEqual([])
})

test('somebody who waits for news gets them soon; a crowd does not flood the store', async () => {
  await keeper.open('a1')
  await clock.advance(100)
  for (let i = 0; i < 100; i++) keeper.renewNow()
  await clock.advance(0)
  expect(sentAt()).toEqual([0, 100])
  for (let i = 0; i < 100; i++) {
    keeper.renewNow()
    await clock.advance(1)
  }
  expect(sentAt()).toEqual([0, 100, 150, 200])
  store.hold = true
  await clock.advance(520)
  keeper.renewNow()
  // The answer of the one in flight may be older than what somebody waits for.
  await store.asked.at(-1)!.answer()
  await clock.advance(50)
  expect(sentAt().slice(-2)).toEqual([700, 750])
})

test('while it may not renew it asks again and again, and goes on as soon as it may', async () => {
  await keeper.open('a1')
  await clock.advance(600)
  runs = false
  await clock.advance(5_000)
  expect(sentAt()).toEqual([0, 500])
  expect(keeper.valid()).toBe(false)
  runs = true
  await clock.advance(50)
  expect(keeper.valid()).toBe(true)
})

test('closed: released after it was opened, within a bounded time, and never heard of again', async () => {
  await keeper.open('a1')
  await clock.advance(100)
  store.hold = true
  await clock.advance(500)
  store.ending = new Promise(() => {})
  const closing = keeper.close(true)
  expect(keeper.valid()).toBe(false)
  expect(keeper.close(true)).toBe(closing)
  await store.asked.at(-1)!.answer()
  const { length } = news
  await clock.advance(2_000)
  await closing
  expect(store.ended).toEqual(['a1'])
  expect(news).toHaveLength(length)
  expect(keeper.valid()).toBe(false)
  expect(store.asked).toHaveLength(2)
})

test('closed while opening: the end follows the opening, so that nothing stays', async () => {
  let opened!: () => void
  store.opening = new Promise(resolve => { opened = resolve })
  const opening = keeper.open('a1').catch((error: unknown) => error)
  const closing = keeper.close(true)
  expect(store.ended).toEqual([])
  opened()
  await closing
  expect(await opening).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(await store.leases()).toEqual([])
  expect(keeper.valid()).toBe(false)
})

test('closed without release the lease stays in the store and ends by itself; closing what never opened asks nothing', async () => {
  await keeper.open('a1')
  await keeper.close(false)
  expect(await store.leases()).toMatchObject([{ id: 'a1' }])
  const other = new LeaseKeeper({ store, clock, random: new SeededRandom(1), log: silentLogger })
  await other.close(true)
  expect(store.ended).toEqual([])
  await expect(other.open('b1')).rejects.toMatchObject({ code: 'INTERNAL' })
})

test('a lease whose opening fails or hangs is not valid, and its id is used up', async () => {
  store.opening = Promise.reject(new TroupeError('STORE_UNAVAILABLE', 'away'))
  await expect(keeper.open('a1')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', message: 'away' })
  await expect(keeper.open('a2')).rejects.toMatchObject({ code: 'INTERNAL' })
  store.opening = new Promise(() => {})
  const late = new LeaseKeeper({ store, clock, random: new SeededRandom(1), log: silentLogger })
  const opening = late.open('b1').catch((error: unknown) => error)
  await clock.advance(10_000)
  expect(await opening).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringMatching(/no answer within 10000 ms/) })
  expect(late.valid()).toBe(false)
  await clock.advance(5_000)
  expect(store.asked).toHaveLength(0)
})

test('another keeper goes on with a lease: valid with its first renewal, revoked when it is gone', async () => {
  await store.openLease({ id: 'a1', ttlMs: 2_000 })
  keeper.resume('a1')
  expect(keeper.valid()).toBe(false)
  await clock.advance(1)
  expect(keeper.valid()).toBe(true)
  await store.endLease('a1')
  await clock.advance(500)
  expect(revoked).toBe(1)
})
