/** A memory store that outlives its hosts, which one behind `memory:` would not. */
import { SystemClock } from '../../core/clock.ts'
import { MemoryActorStore } from '../../stores/memory/actor-store.ts'
import { MemoryClusterStore } from '../../stores/memory/cluster-store.ts'

export const openMemoryStores = () => ({ actors: new MemoryActorStore(), cluster: new MemoryClusterStore(new SystemClock()) })
