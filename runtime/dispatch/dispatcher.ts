/**
 * The port that gateways call: one call, one state read, and what is known of the host and its cluster.
 * The host (runtime/host.ts) is its one production adapter.
 */
import type { ReminderInfo } from '../../actors/actor-reminders.ts'
import type { AppReply, HeaderList } from '../../actors/app-channel.ts'
import type { Caller } from '../../actors/authorize.ts'
import type { ManagementOperation, SendInfo } from '../../actors/management.ts'
import type { TroupeError } from '../../core/errors.ts'
import type { StoreHealth } from '../../stores/actor-store.ts'
import type { Member } from '../../placement/membership.ts'

/** The body of a request and what came with it, for a type that this host does not run as a class. */
export interface DoorBody {
  readonly bytes: Uint8Array
  /** The bytes are those of the codec; JSON otherwise. */
  readonly codec: boolean
  /** Without `?`. */
  readonly query: string
  readonly headers: HeaderList
}

export interface CallRequest {
  readonly type: string
  readonly id: string
  readonly method: string
  /** Owned by the callee from here on. None where `body` is given. */
  readonly args: readonly unknown[]
  /** Instead of `args`: an application gets it as it is, a class the arguments in it. */
  readonly body?: DoorBody | undefined
  /** What the caller gave as `Dapr-Reentrancy-Id`: the call belongs to the chain of the turn that was told this id. */
  readonly reentrancyId?: string | undefined
  /** Milliseconds from now; the host's `callTimeout` when absent. */
  readonly timeoutMs?: number | undefined
  /** Aborting cancels the call: removed if it has not started, its turn's `ctx.signal` aborted if it has. */
  readonly signal?: AbortSignal | undefined
  /** The call takes effect once; repeats get the stored reply. */
  readonly idempotencyKey?: string | undefined
  /** Of its body, once `refusal` has let it in: what it is counted with. */
  readonly bytes?: number | undefined
  /** Who is at the door, for the authorize hook; this host itself when absent. */
  readonly caller?: Caller | undefined
}

export interface ManageRequest {
  readonly type: string
  readonly id: string
  readonly operation: ManagementOperation
  /** NOT_ACTIVE unless the actor is active on this very host. */
  readonly onlyHere?: boolean | undefined
  /** Those of `ActorManagement`. */
  readonly args: readonly unknown[]
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly caller?: Caller | undefined
}

export interface PageRequest {
  /** Only dead letters. */
  readonly dead?: boolean | undefined
  /** From an earlier page; opaque. */
  readonly cursor?: string | undefined
  /** 100 by default, 1,000 at most. */
  readonly limit?: number | undefined
}

/** What is stored of a type, read from the store: changes of the last moment may be missing. In no order. */
export interface ReminderPage {
  readonly reminders: readonly (ReminderInfo & { readonly id: string })[]
  /** Pass it to the next call; undefined at the end. */
  readonly cursor: string | undefined
}

export interface SendPage {
  readonly sends: readonly (SendInfo & { readonly from: string })[]
  readonly cursor: string | undefined
}

export interface CallReply {
  /** What the method returned; an AsyncIterable for an async generator (its `return()` ends the stream at the actor). */
  readonly value: unknown
  /** Instead of a value: what an application answered, or the stored bytes of its state (no bytes: there are none; `metadata.ttlexpiretime` as a header). */
  readonly app?: AppReply | undefined
  /** Id of the host that ran it. */
  readonly host: string
  /** Epoch of the shard there. */
  readonly epoch: number
}

export interface HostStatus {
  readonly id: string
  readonly incarnation: string
  readonly address: string
  readonly http: string
  readonly types: readonly string[]
  readonly weight: number
  /** 'unreachable' when it did not answer in time. */
  readonly phase: 'starting' | 'serving' | 'draining' | 'stopped' | 'unreachable'
  readonly tableVersion: number
  /** Owned shards by type. */
  readonly shards: Readonly<Record<string, number>>
  /** Live activations by type. */
  readonly activations: Readonly<Record<string, number>>
  /** Whether it hears its placement service; for the metadata route. */
  readonly placement?: ClusterStatus['placement']
  /** It leads placement. */
  readonly leads?: boolean
  /** Until its lease runs out; less than 0: it may not serve now. Absent when it has none, being alone. */
  readonly leaseLeftMs?: number
  /** Of its connection to the store; absent where the store is in its own process. */
  readonly storeHealth?: StoreHealth
}

export interface ClusterStatus {
  readonly tableVersion: number
  readonly placement: 'connected' | 'disconnected' | 'standalone'
  /** HOST:PORT of who leads placement, as far as the host that was asked knows. */
  readonly leader?: string
  readonly store: string
  readonly hosts: readonly HostStatus[]
}

export interface ActorLocation {
  readonly shard: number
  readonly member: Member | undefined
  readonly epoch: number | undefined
}

export interface Dispatcher {
  /** This host runs the type as a class: its calls come with `args`. All others come with `body`. Absent: it runs all. */
  runsClass?(type: string): boolean
  /** Whether this very host runs the type; waits until that is known. Absent: `hostStatus` tells. */
  runsType?(type: string, timeoutMs?: number): Promise<boolean>
  /**
   * Asked by a door before it reads a call's body of so many bytes (0 when unknown): OVERLOADED when this host takes no more
   * calls from outside now. Absent: it takes all.
   */
  refusal?(bytes: number): TroupeError | undefined
  /**
   * Calls a method of an actor, wherever it lives.
   * Rejects with a TroupeError, or with the author's ActorError (rebuilt when it came from another host).
   */
  call(request: CallRequest): Promise<CallReply>
  /** One operation of `ActorManagement` on one actor, wherever it lives. */
  manage(request: ManageRequest): Promise<CallReply>
  /** Reminders of a type, in pages. Rejects with UNKNOWN_TYPE · BAD_REQUEST (cursor, limit) · STORE_UNAVAILABLE. */
  listReminders(type: string, page: PageRequest, caller?: Caller): Promise<ReminderPage>
  /** Undelivered sends of the actors of a type, in pages; `from` is the sender's id. Rejects as `listReminders`. */
  listSends(type: string, page: PageRequest, caller?: Caller): Promise<SendPage>
  /** A public field or a storage key of an actor, after every commit it could show (P3); value undefined when absent. */
  readState(type: string, id: string, key: string, caller?: Caller): Promise<CallReply>
  /** This host alone; answers at once. */
  hostStatus(): HostStatus
  /** This host's table and every member's own answer, each asked within `timeoutMs`. */
  clusterStatus(timeoutMs: number): Promise<ClusterStatus>
  /** Where an actor belongs by the present table. @throws BAD_REQUEST · UNKNOWN_TYPE */
  locate(type: string, id: string): ActorLocation
  /** Why the host cannot serve now, or an empty list. */
  notReady(): readonly string[]
}
