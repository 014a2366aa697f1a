/** The host by which `troupe import` writes: it has the types that were found, no doors, and lasts as long as the import. */
import type { ActorClass } from '../actors/actor-type.ts'
import type { Logger } from '../core/logger.ts'
import type { ImportTarget } from '../gateway/dapr/dapr-import.ts'
import { absentChannel, hostImportTarget } from '../gateway/dapr/host-import-target.ts'
import { appActorClass } from '../runtime/activation/app-actor.ts'
import { createHost } from '../runtime/host.ts'

export interface ImportHostFlags {
  readonly clusterStore?: string
  readonly namespace: string
  readonly shardBits: number
}

/** @throws what `createHost` throws */
export async function importHost(
  types: readonly string[], store: string, { clusterStore, namespace, shardBits }: ImportHostFlags, log: Logger,
): Promise<{ target: ImportTarget; stop(): Promise<void> }> {
  const host = await createHost({ actors: types.map(standIn), store, namespace, shardBits, log, ...clusterStore === undefined ? {} : { clusterStore } })
  return { target: hostImportTarget(host), stop: () => host.stop() }
}

/** How long an actor stays in memory after it was written. */
const IDLE_MS = 5_000

/** The class that stands for a type whose application is not there. */
const standIn = (type: string): ActorClass => appActorClass({
  type, channel: absentChannel, reentrant: false, maxStackDepth: 1, tellsChain: false, wantsList: false, mayCancel: false, idleMs: IDLE_MS, drainMs: 0, turnTimeoutMs: 30_000,
})
