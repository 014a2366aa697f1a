import { expect, test } from 'vitest'
import { SystemClock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import type { ActorAddress, Claim, ClaimResult, EntryRead, EntryValues, StoredActor } from '../../../stores/actor-store.ts'
import { BatchedLoads } from '../../../stores/batched-loads.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'

class CountingStore extends MemoryActorStore {
  readonly calls: string[] = []
  override load(actors: readonly ActorAddress[]): Promise<readonly (StoredActor | undefined)[]> {
    this.calls.push(`load ${actors.length}`)
    return super.load(actors)
  }
  override claim(claims: readonly Claim[]): Promise<readonly ClaimResult[]> {
    this.calls.push(`claim ${claims.length}`)
    return super.claim(claims)
  }
  override loadEntries(reads: readonly EntryRead[]): readonly Promise<EntryValues>[] {
    this.calls.push(`entries ${reads.map(({ names }) => names.length).join(' ')}`)
    return super.loadEntries(reads)
  }
}

/** As a store on another machine. */
class RemoteStore extends CountingStore {
  override readonly readsAtOnce: true = false as unknown as true
}

const read = (id: string, ...names: string[]): EntryRead => ({ actor: { type: 'T', shard: 0, id }, names })

const claim = { type: 'T', shard: 0, epoch: 1, nonce: 'n' }

test('loads of one tick are one call, each with its own answer', async () => {
  const store = new CountingStore()
  await store.claim([claim])
  await store.commit([{ ...claim, id: 'b', previous: 0, head: Buffer.from('x') }])
  const loads = new BatchedLoads(store, new SystemClock())
  const found = await Promise.all(['a', 'b', 'c'].map(id => loads.load({ type: 'T', shard: 0, id })))
  expect(found.map(actor => actor?.version)).toEqual([undefined, 1, undefined])
  expect(store.calls).toEqual(['claim 1', 'load 3'])
})

test('equal claims are sent once, others go with them', async () => {
  const store = new CountingStore()
  const loads = new BatchedLoads(store, new SystemClock())
  const results = await Promise.all([claim, claim, { ...claim, shard: 1 }, { ...claim, nonce: 'other' }].map(one => loads.claim(one)))
  expect(results.map(result => result.outcome)).toEqual(['ok', 'ok', 'ok', 'refused'])
  expect(store.calls).toEqual(['claim 3'])
  await loads.claim(claim)
  expect(store.calls).toEqual(['claim 3', 'claim 1'])
})

test('one call is bounded', async () => {
  const store = new CountingStore()
  const loads = new BatchedLoads(store, new SystemClock(), 4)
  await Promise.all(Array.from({ length: 10 }, (_, i) => loads.load({ type: 'T', shard: 0, id: `${i}` })))
  expect(store.calls).toEqual(['load 4', 'load 4', 'load 2'])
})

test('a failed call fails those in it, and the next one is asked again', async () => {
  const store = new CountingStore()
  const loads = new BatchedLoads(store, new SystemClock())
  const { load } = store
  store.load = () => Promise.reject(new TroupeError('STORE_UNAVAILABLE', 'down'))
  const failed = await Promise.allSettled([loads.load({ type: 'T', shard: 0, id: 'a' }), loads.load({ type: 'T', shard: 0, id: 'b' })])
  expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  store.load = load
  expect(await loads.load({ type: 'T', shard: 0, id: 'a' })).toBeUndefined()
})

test('reads of entries of one tick are one call, each with its own values', async () => {
  const store = new RemoteStore()
  await store.claim([claim])
  await store.commit([{ ...claim, id: 'b', previous: 0, head: Buffer.from('h'), entries: [['x', Buffer.from('1')], ['y', Buffer.from('2')]] }])
  const loads = new BatchedLoads(store, new SystemClock())
  const found = await Promise.all([loads.entries(read('a', 'x')), loads.entries(read('b', 'y', 'x', 'z')), loads.entries(read('b', 'x'))])
  expect(found.map(values => values.map(value => value && Buffer.from(value).toString()))).toEqual([[undefined], ['2', '1', undefined], ['1']])
  expect(store.calls).toEqual(['claim 1', 'entries 1 3 1'])
})

test('a store that answers reads at once is asked at once', () => {
  const store = new CountingStore()
  const loads = new BatchedLoads(store, new SystemClock())
  void loads.entries(read('a', 'x'))
  void loads.entries(read('b', 'x'))
  expect(store.calls).toEqual(['entries 1', 'entries 1'])
})

test('one call of reads is bounded by its names, and a read that is larger goes alone', async () => {
  const store = new RemoteStore()
  const loads = new BatchedLoads(store, new SystemClock(), 4)
  const many = ['1', '2', '3', '4', '5']
  const reads = [read('a', '1', '2'), read('b', '1', '2'), read('c', '1'), read('d', ...many), read('e', ...many), read('f'), read('g', '1')]
  await Promise.all(reads.map(each => loads.entries(each)))
  expect(store.calls).toEqual(['entries 2 2', 'entries 1', 'entries 5', 'entries 5', 'entries 0 1'])
})

test('a read without an answer fails alone', async () => {
  const store = new RemoteStore()
  const { loadEntries } = store
  store.loadEntries = reads => [Promise.reject(new TroupeError('STORE_UNAVAILABLE', 'down')), ...loadEntries.call(store, reads.slice(1))]
  const loads = new BatchedLoads(store, new SystemClock())
  const results = await Promise.allSettled(['a', 'b', 'c'].map(id => loads.entries(read(id, 'x'))))
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
})
