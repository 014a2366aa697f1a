/** The host by which `troupe import` writes: it has the types that were found, no doors, and lasts as long as the import. */
import type { ActorClass } from '../actors/actor-type.ts'
import { TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { ImportTarget } from '../gateway/dapr/dapr-import.ts'
import { hostImportTarget } from '../gateway/dapr/host-import-target.ts'
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

/** The class that stands for a type whose application is not there. */
function standIn(type: string): ActorClass {
  throw new TroupeError('INTERNAL', `this build has no actors of applications, so state of ${type} cannot be written; --dry-run works`)
}
