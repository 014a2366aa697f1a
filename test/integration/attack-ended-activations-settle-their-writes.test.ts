/** A commit on its way when its activation ends, and then of unknown outcome: settled by a higher claim like any other. */
import { expect, onTestFinished, test } from 'vitest'
import { Actor, createHost, type ActorOptions, type MethodOptions } from 'troupe'
import { SystemClock } from '../../core/clock.ts'
import type { ActorWrite, CommitResult } from '../../stores/actor-store.ts'
import { MemoryActorStore } from '../../stores/memory/actor-store.ts'
import { MemoryClusterStore } from '../../stores/memory/cluster-store.ts'

class Tally extends Actor {
  value = 0
  add() { return ++this.value }
  async hang() { await new Promise(() => {}) }
  get() { return this.value }
  static readonly options: ActorOptions = { turnTimeout: 100 }
  static readonly methods = { get: { readonly: true } } satisfies MethodOptions<Tally>
}

class LateStore extends MemoryActorStore {
  late = false
  land: (() => Promise<readonly CommitResult[]>) | undefined
  giveUp: (() => void) | undefined
  override commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    if (!this.late) return super.commit(writes)
    this.late = false
    this.land = () => super.commit(writes)
    return new Promise(resolve => { this.giveUp = () => resolve(writes.map(() => 'unknown')) })
  }
}

test('a write of an activation that has ended', async () => {
  const actors = new LateStore()
  const host = await createHost({ actors: [Tally], store: { actors, cluster: new MemoryClusterStore(new SystemClock()) }, shardBits: 0 })
  onTestFinished(() => host.stop())
  const tally = host.actor(Tally, 'a')
  expect(await tally.add()).toBe(1)
  actors.late = true
  const second = tally.add().catch((error: unknown) => error)
  // The turn behind it outlives its time: the activation ends while the write is on its way.
  await expect(tally.hang()).rejects.toMatchObject({ code: 'TURN_TIMEOUT' })
  await second
  actors.giveUp!()
  expect(await tally.get()).toBe(1)
  expect(await actors.land!()).toEqual(['fenced'])
  expect(await tally.add()).toBe(2)
})
