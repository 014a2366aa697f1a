/** Shards come and go: what waits for what. The membership is moved by hand, the clock too. */
import { expect, test } from 'vitest'
import { LocalCall, type Invocation } from '../../../actors/invocation.ts'
import { ManualClock } from '../../../core/clock.ts'
import { silentLogger } from '../../../core/logger.ts'
import type { Member, Membership, ShardOwner, TableChange } from '../../../placement/membership.ts'
import type { Activation } from '../../../runtime/activation/activation.ts'
import { Catalog } from '../../../runtime/activation/catalog.ts'
import { Shards } from '../../../runtime/dispatch/shards.ts'

const member = (id: string): Member => ({ id, incarnation: `i-${id}`, address: '', http: '', types: ['T'], weight: 1, leaving: false })
const owner = (id: string, epoch: number, from?: string): ShardOwner => ({ member: member(id), epoch, from })
const aCall = (): Invocation => new LocalCall({ typeName: 'T', id: 'x', methodName: 'm', args: [], timeoutMs: 1, parent: undefined }, () => {}, () => {})

function setUp() {
  const clock = new ManualClock()
  let follow: (change: TableChange) => void = () => {}
  const releases: number[] = []
  const rerouted: Invocation[] = []
  const served: [index: number, epoch: number][] = []
  const membership = {
    table: { owner: () => undefined },
    onChange: (listener: typeof follow) => { follow = listener },
    released: (shards: readonly { shard: number }[]) => releases.push(...shards.map(s => s.shard)),
  } as unknown as Membership
  // One activation in shard 1 that ends when it is told.
  let end: () => void = () => {}
  const running = new Promise<void>(resolve => { end = resolve })
  const activation = { type: { name: 'T' }, id: 'a', shard: 1, retire: () => running, end: () => {} } as unknown as Activation
  const catalog = new Catalog([{ name: 'T' } as never])
  catalog.add(activation)
  const shards = new Shards({
    selfId: 'me', membership, catalog, clock, log: silentLogger, drainMs: () => 2000, reroute: calls => rerouted.push(...calls),
    onServing: (_type, index, epoch) => served.push([index, epoch]), onLost: () => undefined,
  })
  let version = 1
  const change = (before: ShardOwner | undefined, after: ShardOwner | undefined): void =>
    follow({ version: ++version, shards: [{ type: 'T', shard: 1, before, after }], joined: [], gone: [] })
  return { clock, shards, change, releases, rerouted, served, end }
}
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

test('a shard on its way here parks calls until its former owner released it', () => {
  const { shards, change, rerouted } = setUp()
  const coming = owner('me', 2, 'other')
  change(owner('other', 1), coming)
  const shard = shards.get('T', 1, coming)
  expect(shard.phase).toBe('arriving')
  const call = aCall()
  shards.park(shard, call)
  expect(shards.parked).toBe(1)
  change(coming, owner('me', 2))
  expect([shard.phase, shards.parked, rerouted]).toEqual(['serving', 0, [call]])
})

test('a shard whose first call comes before the news of its table is told to be served all the same, once', () => {
  const { shards, change, served } = setUp()
  change(undefined, owner('other', 1))
  expect(shards.get('T', 1, owner('me', 2)).phase).toBe('serving')
  change(owner('other', 1), owner('me', 2))
  shards.get('T', 1, owner('me', 2))
  expect(served).toEqual([[1, 2]])
})

test('a shard that is never released is served after the grace', async () => {
  const { shards, clock } = setUp()
  const shard = shards.get('T', 1, owner('me', 2, 'gone'))
  await clock.advance(4999)
  expect(shard.phase).toBe('arriving')
  await clock.advance(2)
  expect(shard.phase).toBe('serving')
})

test('a shard that leaves is released when its turns have ended, not before', async () => {
  const { shards, change, releases, end } = setUp()
  shards.get('T', 1, owner('me', 1))
  change(owner('me', 1), owner('other', 2, 'me'))
  await settled()
  expect(releases).toEqual([])
  end()
  await settled()
  expect(releases).toEqual([1])
})

test('a shard that comes back while it drains is served when the drain ends, without waiting for the grace', async () => {
  const { shards, change, rerouted, end } = setUp()
  shards.get('T', 1, owner('me', 1))
  change(owner('me', 1), owner('other', 2, 'me'))
  const back = owner('me', 3)
  change(owner('other', 2, 'me'), back)
  const shard = shards.get('T', 1, back)
  expect(shard.phase).toBe('arriving')
  const call = aCall()
  shards.park(shard, call)
  await settled()
  expect(rerouted).toEqual([])
  end()
  await settled()
  expect([shard.phase, rerouted]).toEqual(['serving', [call]])
})

test('a new epoch of its own shard waits for the activations of the old one', async () => {
  const { shards, change, releases, end } = setUp()
  shards.get('T', 1, owner('me', 1))
  change(owner('me', 1), owner('me', 5))
  const shard = shards.get('T', 1, owner('me', 5))
  expect(shard.phase).toBe('arriving')
  end()
  await settled()
  expect([shard.phase, shard.epoch, releases]).toEqual(['serving', 5, []])
})
