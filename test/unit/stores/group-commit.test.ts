import { expect, test } from 'vitest'
import { ManualClock, SystemClock } from '../../../core/clock.ts'
import type { ActorWrite, CommitResult } from '../../../stores/actor-store.ts'
import { GroupCommit, type Committable } from '../../../stores/group-commit.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'

const claim = { type: 'T', shard: 0, epoch: 1, nonce: 'n' }

class Counter implements Committable {
  readonly id: string
  version = 0
  results: CommitResult[] = []
  onSettled: () => void = () => undefined

  constructor(id: string) {
    this.id = id
  }
  takeWrite(): ActorWrite {
    return { ...claim, id: this.id, previous: this.version, head: Buffer.from('h') }
  }
  writeSettled(result: CommitResult): void {
    if (result === 'ok') this.version++
    this.results.push(result)
    this.onSettled()
  }
}

class CountingStore extends MemoryActorStore {
  readonly sizes: number[] = []
  override commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    this.sizes.push(writes.length)
    return super.commit(writes)
  }
}

async function claimed(): Promise<CountingStore> {
  const store = new CountingStore()
  await store.claim([claim])
  return store
}

test('commits of one tick go in one flush, also when promise jobs lie between them', async () => {
  const store = await claimed()
  const group = new GroupCommit(store, new SystemClock())
  await Promise.all(Array.from({ length: 10 }, async (_, i) => {
    await Promise.resolve()
    group.enqueue(new Counter(`a${i}`))
  }))
  await group.idle()
  expect(store.sizes).toEqual([10])
})

test('what is queued while replies go out makes the next flush', async () => {
  const store = await claimed()
  const group = new GroupCommit(store, new SystemClock())
  const counters = [new Counter('a'), new Counter('b')]
  for (const counter of counters) {
    counter.onSettled = () => { if (counter.version < 3) group.enqueue(counter) }
    group.enqueue(counter)
  }
  await group.idle()
  expect(store.sizes).toEqual([2, 2, 2])
})

test('a flush is bounded in writes and in bytes', async () => {
  const store = await claimed()
  const group = new GroupCommit(store, new SystemClock(), { maxWrites: 4, maxBytes: 3 })
  for (let i = 0; i < 7; i++) group.enqueue(new Counter(`a${i}`))
  await group.idle()
  expect(store.sizes).toEqual([3, 3, 1])
})

test('a committable that throws fails alone', async () => {
  const store = await claimed()
  const faults: unknown[] = []
  const group = new GroupCommit(store, new SystemClock(), { onFault: error => faults.push((error as Error).message) })
  const bad = new Counter('bad')
  bad.takeWrite = () => { throw new Error('cannot take') }
  const worse = new Counter('worse')
  worse.onSettled = () => { throw new Error('cannot be told') }
  const good = new Counter('good')
  for (const counter of [bad, worse, good]) group.enqueue(counter)
  await group.idle()
  expect([bad.results, worse.results, good.results]).toEqual([['conflict'], ['ok'], ['ok']])
  expect(faults).toEqual(['cannot take', 'cannot be told'])
})

test.each(['throws', 'rejects', 'answers too little'])('a store that %s leaves its writes unknown', async how => {
  const store = await claimed()
  const group = new GroupCommit(store, new SystemClock())
  const counter = new Counter('a')
  store.commit = () => {
    if (how === 'throws') throw new Error('broken')
    return how === 'rejects' ? Promise.reject(new Error('broken')) : Promise.resolve([])
  }
  group.enqueue(counter)
  await group.idle()
  expect(counter.results).toEqual(['unknown'])
})

test('a flush without an answer ends as unknown; its late answer is ignored', async () => {
  const clock = new ManualClock()
  const store = await claimed()
  const group = new GroupCommit(store, clock, { commitTimeoutMs: 1_000 })
  let answer: (results: CommitResult[]) => void = () => undefined
  store.commit = () => new Promise(resolve => { answer = resolve })
  const [first, second] = [new Counter('a'), new Counter('b')]
  group.enqueue(first)
  await clock.advance(999)
  expect(first.results).toEqual([])
  await clock.advance(1)
  expect(first.results).toEqual(['unknown'])
  await group.idle()
  const late = answer
  group.enqueue(second)
  await clock.advance(0)
  late(['ok'])
  await clock.advance(0)
  expect([first.results, second.results]).toEqual([['unknown'], []])
  answer(['ok'])
  await group.idle()
  expect(second.results).toEqual(['ok'])
})

test('what may not be flushed waits, and goes as soon as it may', async () => {
  const [store, clock] = [await claimed(), new ManualClock()]
  let may = false
  const group = new GroupCommit(store, clock, { mayFlush: () => may, commitTimeoutMs: 1_000 })
  const counter = new Counter('a')
  group.enqueue(counter)
  await clock.advance(950)
  expect([counter.results, store.sizes]).toEqual([[], []])
  may = true
  await clock.advance(50)
  expect([counter.results, store.sizes]).toEqual([['ok'], [1]])
})

test('what may not be flushed for too long is given up: it was not sent, so nobody need doubt', async () => {
  const [store, clock] = [await claimed(), new ManualClock()]
  let may = false
  const group = new GroupCommit(store, clock, { mayFlush: () => may, commitTimeoutMs: 1_000 })
  const counters = [new Counter('a'), new Counter('b')]
  group.enqueue(counters[0]!)
  await clock.advance(500)
  group.enqueue(counters[1]!)
  await clock.advance(500)
  expect(counters.map(({ results }) => results)).toEqual([['unavailable'], ['unavailable']])
  expect([store.sizes, group.pending]).toEqual([[], 0])
  await group.idle()
  // The next one has its own time.
  group.enqueue(counters[0]!)
  await clock.advance(900)
  expect(counters[0]!.results).toHaveLength(1)
  may = true
  await clock.advance(50)
  expect(counters[0]!.results).toEqual(['unavailable', 'ok'])
})
