/** The cluster store as an option that hosts must share with their placement service, and one that ends rows late. */
import { expect, test } from 'vitest'
import { ManualClock, type Clock } from '../../../core/clock.ts'
import { StandaloneMembership } from '../../../placement/standalone.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'
import { clock, host, memoryStore, placement, random, request } from './cluster.ts'

const set = { shardBits: '6', store: 'redis://h' }

test('a service whose rows lie apart takes only hosts that say the same', async () => {
  const { address } = await placement({ clusterStoreApart: true })
  const join = (id: string, fingerprint: Record<string, string>): Promise<unknown> => host(address, id, ['A'], { fingerprint })
  const data = { option: 'clusterStore', cluster: 'memory:' }
  await expect(join('a', set)).rejects.toMatchObject({ code: 'CLUSTER_MISMATCH', data: { ...data, host: null } })
  await expect(join('a', { ...set, clusterStore: 'etcd://h:2379' })).rejects.toMatchObject({ code: 'CLUSTER_MISMATCH', data: { ...data, host: 'etcd://h:2379' } })
  await join('a', { ...set, clusterStore: 'memory:' })
  await join('b', { ...set, clusterStore: 'memory:' })
  await expect(join('c', set)).rejects.toMatchObject({ code: 'CLUSTER_MISMATCH', data: { ...data, host: null } })
})

test('a service whose rows lie in the store of the actors refuses a host that names another place', async () => {
  const { address } = await placement()
  await expect(host(address, 'a', ['A'], { fingerprint: { ...set, clusterStore: 'etcd://h:2379' } })).rejects.toMatchObject({
    code: 'CLUSTER_MISMATCH', data: { option: 'clusterStore', host: 'etcd://h:2379', cluster: 'memory:' },
  })
  await host(address, 'a', ['A'], { fingerprint: set })
})

test('the option outlives the service that set it', async () => {
  const clusterStore = memoryStore()
  const first = await placement({ clusterStore, clusterStoreApart: true })
  await host(first.address, 'a', ['A'], { fingerprint: { ...set, clusterStore: 'memory:' } })
  await first.stop()
  const second = await placement({ clusterStore, clusterStoreApart: true })
  await expect(host(second.address, 'b', ['A'], { fingerprint: set })).rejects.toMatchObject({ code: 'CLUSTER_MISMATCH' })
})

/** Ends rows 700 ms later than asked, and says so or not. */
class LateStore extends MemoryClusterStore {
  readonly lateMs: number
  constructor(lateMs: number, time: Clock = clock) {
    super(time)
    this.lateMs = lateMs
  }
  override campaign(candidate: { nonce: string; address: string; ttlMs: number }): ReturnType<MemoryClusterStore['campaign']> {
    return super.campaign({ ...candidate, ttlMs: candidate.ttlMs + 700 })
  }
}

test.each([[0, 'LEADER_HELD'], [1_000, undefined]])('a host alone waits for it %s ms longer', async (lateMs, code) => {
  const time = new ManualClock()
  const store = new LateStore(lateMs, time)
  // 2 s is what it waits anyway.
  await store.campaign({ nonce: 'crashed', address: '127.0.0.1:1', ttlMs: 2_000 })
  const joined = new StandaloneMembership({ clusterStore: store, clock: time, random, shardBits: 6 }).join(request('a', ''), 1_000)
  const outcome = joined.then(() => undefined, (error: { code: string }) => error.code)
  await time.advance(6_000)
  expect(await outcome).toBe(code)
})
