/** What a host gives to each of its activations. One object a host. */
import type { DeactivationReason } from '../../actors/actor.ts'
import type { Invocation } from '../../actors/invocation.ts'
import type { ActorRef, CallOptions, RemoteRef } from '../../actors/actor-ref.ts'
import type { ActorClass } from '../../actors/actor-type.ts'
import type { Logger } from '../../core/logger.ts'
import type { ActorStore, CommitResult } from '../../stores/actor-store.ts'
import type { BatchedLoads } from '../../stores/batched-loads.ts'
import type { GroupCommit } from '../../stores/group-commit.ts'
import type { ChainIds } from '../dispatch/chain-ids.ts'
import type { Deadlines } from '../dispatch/deadlines.ts'
import type { SendReferences } from '../dispatch/send-references.ts'
import type { Activation } from './activation.ts'
import type { Flushed } from './entry-buffer.ts'
import type { ActivationTimers } from './timers.ts'

export interface ActivationServices {
  readonly hostId: string
  /** The host's incarnation: nonce of its claims and commits. */
  readonly nonce: string
  readonly log: Logger
  readonly commits: GroupCommit
  readonly store: ActorStore
  /** Reads of the store that are joined with others. */
  readonly loads: BatchedLoads
  readonly deadlines: Deadlines<Invocation>
  readonly checkReadonly: boolean
  readonly maxPayloadBytes: number
  readonly refs: References
  /** Chains by the ids that applications are told. */
  readonly chainIds: ChainIds
  /** References whose methods send durably. */
  readonly sendRefs: SendReferences
  /** Whether a turn may start at this very moment: the host's lease has not run out. If not, the activation is resumed when it may. */
  mayStart(activation: Activation): boolean
  idleTick(): number
  nextTurn(): number
  /** Starts the clock of a waiting call's deadline; the milliseconds that are left. */
  watch(call: Invocation): number
  /** Starts the clock of a running turn: its caller's deadline, then the type's. */
  watchTurn(call: Invocation, activation: Activation): void
  /** A running stream was asked for its next item, or waits for its reader: `onTimeout` unless it goes on within `ms`. */
  watchStream(call: Invocation, ms: number, onTimeout: () => void): void
  /** The activation is over; something of it may still be on its way to the store. */
  ending(activation: Activation): void
  /**
   * The activation is over and nothing of it is being written: its id is free, of an application's actor once that has been told.
   * What `takeWaiting` gives then did not run: the router finds where it belongs now. @returns when the id is free
   */
  ended(activation: Activation, takeWaiting: () => readonly Invocation[]): void | Promise<void>
  /** 'late': it was stored after the activation had ended; memory of it is gone. */
  commitFailed(activation: Activation, result: CommitResult | 'late'): void
  /** Entries of the actor became durable: reminders and sends among them are under way from now on. */
  stored(activation: Activation, flushed: Flushed): void
  /** @throws QUOTA_EXCEEDED when the actor or the host has too many undelivered sends */
  checkRoomForSend(activation: Activation): void
  /** What became so far of an undelivered send of the actor. */
  progressOf(activation: Activation, number: number): { readonly failures: number; readonly problem: string | undefined } | undefined
  timersOf(activation: Activation): ActivationTimers
  wallMs(): number
  /** Runs a hook with a deadline, an application's as a turn; a throw or a timeout is logged. */
  hook(activation: Activation, name: 'onDeactivate', reason: DeactivationReason): Promise<void>
}

/** Where references come from. */
export interface References {
  actor<A extends ActorClass>(actorClass: A, id: string, options?: CallOptions): ActorRef<InstanceType<A>>
  byName(type: string, id: string, options?: CallOptions): RemoteRef
}
