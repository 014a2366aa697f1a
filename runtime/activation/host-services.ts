/** The production `ActivationServices`: ties activations to the catalog, the commits, the clock and the router of their host. */
import { turnScope, type Invocation } from '../../actors/invocation.ts'
import type { ActorHooks } from '../../actors/actor.ts'
import { messageOf } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import type { ActorStore } from '../../stores/actor-store.ts'
import type { BatchedLoads } from '../../stores/batched-loads.ts'
import type { GroupCommit } from '../../stores/group-commit.ts'
import type { Delivery } from '../delivery/delivery.ts'
import { SendReferences } from '../dispatch/send-references.ts'
import type { ShardClaims } from '../dispatch/shard-claims.ts'
import type { ChainIds } from '../dispatch/chain-ids.ts'
import type { CallClock } from '../dispatch/call-clock.ts'
import type { Activation } from './activation.ts'
import type { ActivationServices, References } from './activation-services.ts'
import type { Catalog } from './catalog.ts'
import type { Farewells } from './farewells.ts'
import type { HeldUp } from './held-up.ts'
import type { IdleCollector } from './idle-collector.ts'
import type { TimerQueue } from './timers.ts'

const HOOK_TIMEOUT_MS = 1000

interface Parts {
  readonly hostId: string
  readonly incarnation: string
  readonly log: Logger
  readonly commits: GroupCommit
  readonly store: ActorStore
  readonly loads: BatchedLoads
  readonly callClock: CallClock
  readonly catalog: Catalog
  readonly idle: IdleCollector
  readonly heldUp: HeldUp
  readonly farewells: Farewells
  readonly checkReadonly: boolean
  readonly maxPayloadBytes: number
  readonly after: (ms: number, run: () => void) => { cancel(): void }
  readonly firstTurn: number
  readonly refs: References
  readonly chainIds: ChainIds
  readonly reroute: (calls: readonly Invocation[]) => void
  readonly claims: ShardClaims
  readonly delivery: Delivery
  readonly timers: TimerQueue<Activation>
  readonly wallMs: () => number
  /** A commit made under this epoch may still land. */
  readonly doubt: (type: string, shard: number, epoch: number) => void
}

export function hostServices(parts: Parts): ActivationServices {
  const { catalog, callClock, log, idle, claims, delivery, farewells } = parts
  const sendRefs = new SendReferences()
  let lastTurn = parts.firstTurn
  return {
    hostId: parts.hostId,
    nonce: parts.incarnation,
    log,
    commits: parts.commits,
    store: parts.store,
    loads: parts.loads,
    deadlines: callClock.deadlines,
    checkReadonly: parts.checkReadonly,
    maxPayloadBytes: parts.maxPayloadBytes,
    refs: parts.refs,
    chainIds: parts.chainIds,
    sendRefs,
    wallMs: parts.wallMs,
    timersOf: activation => parts.timers.timersOf(activation),
    checkRoomForSend: activation => delivery.checkRoomForSend(activation),
    progressOf: (activation, number) => delivery.progressOf(activation, number),
    stored: (activation, flushed) => delivery.stored(activation, flushed),
    mayStart: activation => parts.heldUp.mayStart(activation),
    idleTick: () => idle.tick,
    nextTurn: () => ++lastTurn,
    watch: call => callClock.watch(call),
    watchTurn: (call, activation) => callClock.watchTurn(call, activation),
    watchStream: (call, ms, onTimeout) => callClock.watchStream(call, ms, onTimeout),
    ending: activation => void farewells.tell(activation),
    ended(activation, takeWaiting) {
      const leave = (): void => {
        catalog.remove(activation)
        const waiting = takeWaiting()
        if (waiting.length > 0) parts.reroute(waiting)
      }
      const told = farewells.tell(activation)
      return told === undefined ? leave() : told.then(leave)
    },
    commitFailed(activation, result) {
      const { type: { name: type }, shard } = activation
      // What a late write has stored is not in memory any more.
      if (result === 'late') return delivery.readAgain(type, shard)
      // Nothing was written and the claim stands; the store's outage is told once, by itself.
      if (result === 'unavailable') return log.debug({ actor: activation.name }, 'commit was not stored: the store is away; the activation ends')
      if (result === 'unknown') parts.doubt(type, shard, activation.epoch)
      else {
        claims.forget(type, shard)
        delivery.readAgain(type, shard)
      }
      log.warn({ actor: activation.name, shard: activation.shard, epoch: activation.epoch, result }, 'commit was not stored; the activation ends')
    },
    hook: (activation, name, reason) => activation.type.app === undefined ? runHook(activation, parts, name, reason) : farewells.lastTurn(activation),
  }
}

/** A hook that throws or hangs must not keep the activation from ending. */
async function runHook(activation: Activation, parts: Parts, name: 'onDeactivate', reason: Parameters<NonNullable<ActorHooks['onDeactivate']>>[0]): Promise<void> {
  let timer: { cancel(): void } | undefined
  try {
    const timeout = new Promise<never>((_, reject) => { timer = parts.after(HOOK_TIMEOUT_MS, () => reject(new Error(`took longer than ${HOOK_TIMEOUT_MS} ms`))) })
    await Promise.race([turnScope.exit(() => activation.runHook(name, reason)), timeout])
  } catch (error) {
    parts.log.warn({ actor: activation.name, hook: name, reason: messageOf(error) }, 'hook failed')
  } finally {
    timer?.cancel()
  }
}
