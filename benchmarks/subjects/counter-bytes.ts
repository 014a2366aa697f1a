/** How many bytes a store keeps of one counter: what the bare stores write too. */
import { hash32, shardOf } from '../../core/ids.ts'
import { Scope } from '../harness/scope.ts'
import { HEAD_PREFIX_BYTES } from '../../stores/actor-head.ts'
import { CounterGroup } from './counter-group.ts'
import { openMemoryStores } from './memory-stores.ts'
import { openHost } from './open-host.ts'

/** Of a counter that has counted to a few hundred: the number takes three bytes. */
export async function counterBytes(): Promise<number> {
  await using scope = new Scope()
  const store = openMemoryStores()
  const shardBits = 10
  const counters = new CounterGroup(await openHost(scope, { store, shardBits }), 1)
  for (let call = 0; call < 300; call++) await counters.increment()
  const [stored] = await store.actors.load([{ type: 'Counter', shard: shardOf(hash32('Counter'), 'c0', shardBits), id: 'c0' }])
  if (stored === undefined) throw new Error('the counter was incremented, but the store has nothing of it')
  return HEAD_PREFIX_BYTES + stored.head.length
}
