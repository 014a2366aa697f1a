/**
 * The host by which `troupe import` writes: it has the types that were found, no doors, and lasts as long as the import. It refuses to
 * begin where another host has one of the types: its actors would not hear of what is written, and write over it.
 */
import type { ActorClass } from '../actors/actor-type.ts'
import { TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { ImportTarget } from '../gateway/dapr/import/dapr-import.ts'
import { absentChannel, hostImportTarget } from '../gateway/dapr/import/host-import-target.ts'
import { appActorClass } from '../runtime/activation/app-actor.ts'
import { createHost, type Host } from '../runtime/host.ts'

export interface ImportHostFlags {
  readonly clusterStore?: string
  readonly namespace: string
  readonly shardBits: number
}

/** Of a cluster that runs, so that next to no actor moves before the import is refused. */
const WEIGHT = 0.01
const STATUS_TIMEOUT_MS = 1_000

/** @throws what `createHost` throws · NOT_ACTIVE when another host has one of the types */
export async function importHost(
  types: readonly string[], store: string, { clusterStore, namespace, shardBits }: ImportHostFlags, log: Logger,
): Promise<{ target: ImportTarget; stop(): Promise<void> }> {
  const host = await createHost({ actors: types.map(standIn), store, namespace, shardBits, log, weight: WEIGHT, ...clusterStore === undefined ? {} : { clusterStore } })
  try {
    await checkAlone(host, types)
  } catch (error) {
    await host.stop()
    throw error
  }
  return { target: hostImportTarget(host), stop: () => host.stop() }
}

async function checkAlone(host: Host, types: readonly string[]): Promise<void> {
  const { hosts } = await host.clusterStatus(STATUS_TIMEOUT_MS)
  const { id: self } = host.hostStatus()
  for (const { id, types: theirs } of hosts) {
    const type = types.find(each => id !== self && theirs.includes(each))
    if (type === undefined) continue
    throw new TroupeError('NOT_ACTIVE',
      `${type} is run by ${id} of this store and namespace: its actors would not hear of what is imported; stop the hosts and sidecars that have these types, and run the import again`, { retryable: true })
  }
}

/** How long an actor stays in memory after it was written. */
const IDLE_MS = 5_000

/** The class that stands for a type whose application is not there. */
const standIn = (type: string): ActorClass => appActorClass({
  type, channel: absentChannel, reentrant: false, maxStackDepth: 1, tellsChain: false, wantsList: false, mayCancel: false, idleMs: IDLE_MS, drainMs: 0, turnTimeoutMs: 30_000,
})
