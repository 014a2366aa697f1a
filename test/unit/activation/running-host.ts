/** Real hosts, stores and folders for tests; gone when the test is, passed or failed. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { SystemClock } from '../../../core/clock.ts'
import { createHost, type ActorClass, type Host, type HostOptions } from '../../../index.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'
import { AdaptedStore } from './adapted-store.ts'

/** A host of these actors, on a memory store of its own unless `options` say otherwise. */
export async function hostOf(actors: readonly ActorClass[], options: Partial<HostOptions> = {}): Promise<Host> {
  const host = await createHost({ actors, store: 'memory:', ...options })
  onTestFinished(() => host.stop())
  return host
}

/** A memory store that tells what it is asked and can be held back or made to fail. */
export function adaptedStores(): { actors: AdaptedStore; cluster: MemoryClusterStore } {
  return { actors: new AdaptedStore(new MemoryActorStore()), cluster: new MemoryClusterStore(new SystemClock()) }
}

/** `lmdb:` and a fresh folder. */
export function lmdbFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-actors-'))
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }) })
  return `lmdb:${folder}`
}
