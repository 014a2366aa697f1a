/** Winning, keeping, losing and winning again the leader row, on a clock moved by hand. */
import { expect, test } from 'vitest'
import { ManualClock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import { silentLogger } from '../../../core/logger.ts'
import { SeededRandom } from '../../../core/random.ts'
import { Leadership } from '../../../placement/leadership.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'

const TTL = 1_000

function candidate(clock: ManualClock, store: MemoryClusterStore, seed = 1, elected = async (_term: number): Promise<void> => {}) {
  const events: string[] = []
  const leadership = new Leadership({
    clock, random: new SeededRandom(seed), log: silentLogger, store, address: `c${seed}:1`, ttlMs: TTL,
    elected: async term => {
      events.push(`elected ${term}`)
      await elected(term)
    },
    deposed: reason => { events.push(`deposed: ${reason}`) },
  })
  return { leadership, events }
}

const down = async (): Promise<never> => {
  throw new TroupeError('STORE_UNAVAILABLE', 'down')
}

test('renews for as long as it lives, and another is told who holds the row', async () => {
  const clock = new ManualClock()
  const store = new MemoryClusterStore(clock)
  const first = candidate(clock, store)
  await first.leadership.start()
  await clock.advance(10_000)
  expect(first.events).toEqual(['elected 1'])
  const second = candidate(clock, store, 2)
  const refused = expect(second.leadership.start()).rejects.toMatchObject({ code: 'LEADER_HELD', data: { address: 'c1:1', term: 1 } })
  await clock.advance(2_000)
  await refused
  await first.leadership.stop()
  await second.leadership.start()
  expect(second.events).toEqual(['elected 2'])
  expect(second.leadership.holder).toBe('c1:1')
})

test('a store that fails for less than the time to live costs nothing; for longer, the leadership; then it is won again', async () => {
  const clock = new ManualClock()
  const store = new MemoryClusterStore(clock)
  const { campaign } = store
  const { leadership, events } = candidate(clock, store)
  await leadership.start()
  store.campaign = down
  await clock.advance(600)
  store.campaign = campaign
  await clock.advance(2_000)
  expect(events).toEqual(['elected 1'])
  store.campaign = down
  await clock.advance(3_000)
  expect(events).toEqual(['elected 1', 'deposed: the leader row could not be renewed in time'])
  store.campaign = campaign
  await clock.advance(1_000)
  expect(events[2]).toMatch(/^elected/)
})

test('steps down when another has the row, and waits for its end', async () => {
  const clock = new ManualClock()
  const store = new MemoryClusterStore(clock)
  const { campaign } = store
  const { leadership, events } = candidate(clock, store)
  await leadership.start()
  // Frozen past the end of its row; somebody else was faster.
  store.campaign = async () => ({ nonce: 'other', address: 'other:1', term: 2 })
  await clock.advance(500)
  expect(events).toEqual(['elected 1', 'deposed: the leader row is held by other:1'])
  store.campaign = campaign
  await store.resign('none')
  await clock.advance(1_000)
  expect(events).toHaveLength(3)
})

test('a term that was won again is a new election: the table may have changed meanwhile', async () => {
  const clock = new ManualClock()
  const store = new MemoryClusterStore(clock)
  const { campaign } = store
  const { leadership, events } = candidate(clock, store)
  await leadership.start()
  store.campaign = async c => ({ ...await campaign.call(store, c), term: 3 })
  await clock.advance(2_000)
  expect(events).toEqual(['elected 1', 'deposed: the leader row is held under a new term', 'elected 3'])
})

test('the refusal of a table ends the term; a failed election gives the row back', async () => {
  const clock = new ManualClock()
  const store = new MemoryClusterStore(clock)
  const first = candidate(clock, store)
  await first.leadership.start()
  first.leadership.lost('a newer leader saved')
  first.leadership.lost('twice')
  expect(first.events).toEqual(['elected 1', 'deposed: a newer leader saved'])
  await first.leadership.stop()
  await clock.advance(TTL)
  const failing = candidate(clock, store, 2, down)
  await expect(failing.leadership.start()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  const third = candidate(clock, store, 3)
  await third.leadership.start()
  expect(third.events).toEqual(['elected 3'])
})

test('a stop while a renewal is on its way gives the row back all the same', async () => {
  const clock = new ManualClock()
  const store = new MemoryClusterStore(clock)
  const { campaign } = store
  const { leadership } = candidate(clock, store)
  await leadership.start()
  let answer = (): void => {}
  store.campaign = async c => {
    await new Promise<void>(resolve => { answer = resolve })
    return campaign.call(store, c)
  }
  await clock.advance(400)
  await leadership.stop()
  answer()
  await clock.advance(1)
  store.campaign = campaign
  const next = candidate(clock, store, 2)
  await next.leadership.start()
  // At once, under a term that nobody has used: the late renewal had taken the row under one more.
  expect(next.events).toEqual(['elected 3'])
})
