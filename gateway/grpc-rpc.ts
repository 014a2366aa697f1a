/** What one unary RPC of the gRPC door gets and gives. The door itself (grpc.ts) counts, asks who calls, and answers. */
import type { Metadata } from '@grpc/grpc-js'
import { TroupeError } from '../core/errors.ts'
import { checkId, checkType, type ActorKey } from '../core/ids.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import { refuseReserved, type DoorWork } from './dapr/door-errors.ts'
import type { DoorFacts } from './dapr/door-facts.ts'
import type { WorkOptions } from './reminder-pages.ts'

/** Who asks, by when, and of whom. */
export interface GrpcWork extends WorkOptions {
  readonly dispatcher: Dispatcher
  readonly facts: DoorFacts
  readonly nowMs: number
  readonly maxBytes: number
  /** What came with the call. */
  readonly metadata: Metadata
}

/** The reply: a message and its trailer. */
export interface GrpcAnswer {
  readonly message: object
  readonly trailer?: Metadata
  /** Done when the reply is on its way. */
  readonly after?: () => void
}

export interface Rpc<Request = unknown> {
  /** It is a call of a method, and takes an idempotency key. */
  readonly keyed?: boolean
  run(request: Request, work: GrpcWork): Promise<GrpcAnswer>
  /** What it is in the words of the standard, for its failures; the general words by default. */
  readonly work?: DoorWork
}

/** What is asked of the dispatcher beside the operation itself. */
export const optionsOf = ({ signal, timeoutMs, caller }: GrpcWork): WorkOptions => ({ signal, timeoutMs, caller })

/** The actor of a request that is no call. @throws BAD_REQUEST · FORBIDDEN for a reserved type */
export function actorOf({ actorType, actorId }: { readonly actorType: string; readonly actorId: string }): ActorKey {
  checkType(actorType)
  checkId(actorId)
  refuseReserved(actorType)
  return { type: actorType, id: actorId }
}

/** @throws RESULT_TOO_LARGE */
export function demandFits(bytes: number, { maxBytes }: GrpcWork, what: string, remedy = ''): void {
  if (bytes > maxBytes) throw new TroupeError('RESULT_TOO_LARGE', `${what} of ${bytes} bytes is over the limit of ${maxBytes}${remedy}`)
}
