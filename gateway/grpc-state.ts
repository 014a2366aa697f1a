/**
 * GetActorState and ExecuteActorStateTransaction. Values are any bytes: an application finds them as it left them, a class
 * what they are read as.
 */
import { headerOf } from '../actors/app-channel.ts'
import type { StateChange } from '../actors/management.ts'
import { TroupeError } from '../core/errors.ts'
import { LONGEST_MS } from '../reminders/duration-formats.ts'
import type { CallReply } from '../runtime/dispatch/dispatcher.ts'
import { resultBody } from '../actors/call-body.ts'
import { stateFailure, unknownOperation } from './dapr/standard-failures.ts'
import { actorOf, demandFits, optionsOf, type GrpcWork, type Rpc } from './grpc-rpc.ts'

interface GetStateRequest {
  readonly actorType: string
  readonly actorId: string
  readonly key: string
}

interface Operation {
  readonly operationType: string
  readonly key: string
  readonly value?: { readonly value: Buffer } | null
  readonly metadata: Readonly<Record<string, string>>
}

interface TransactionRequest {
  readonly actorType: string
  readonly actorId: string
  readonly operations: readonly Operation[]
}

/** How `readState` names it. */
const EXPIRES = 'metadata.ttlexpiretime'
const TTL_FEATURE = 'ActorStateTTL'

export const getActorState: Rpc<GetStateRequest> = {
  async run({ key, ...request }, work) {
    const { type, id } = actorOf(request)
    const reply = await work.dispatcher.readState(type, id, key, work.caller)
    const data = bytesOf(reply)
    demandFits(data.length, work, 'the value')
    const expires = reply.app && headerOf(reply.app.headers, EXPIRES)
    return { message: { data, ...(expires === undefined ? {} : { metadata: { ttlExpireTime: expires } }) } }
  },
  failure: (thrown, _, { strict }) => stateFailure(thrown, 'GET', strict),
}

export const executeActorStateTransaction: Rpc<TransactionRequest> = {
  async run({ operations, ...request }, work) {
    const { type, id } = actorOf(request)
    const changes = operations.map(operation => changeOf(operation, work))
    // A class elsewhere, and an application's actor at its owner, are reached from anywhere; Dapr reaches its own host alone.
    const here = work.facts.strict ? { onlyHere: true } : {}
    await work.dispatcher.manage({ type, id, operation: 'state.transact', args: [changes], ...here, ...optionsOf(work) })
    return { message: {} }
  },
  failure: (thrown, _, { strict }) => stateFailure(thrown, 'TRANSACTION_SAVE', strict),
}

function bytesOf({ app, value }: CallReply): Uint8Array {
  if (app !== undefined) return app.body
  const body = resultBody(value, false)
  return body === undefined ? Buffer.alloc(0) : typeof body === 'string' ? Buffer.from(body) : body
}

/** @throws METHOD_NOT_ALLOWED · INVALID_ARGUMENT */
function changeOf({ operationType, key, value, metadata }: Operation, work: GrpcWork): StateChange {
  if (operationType !== 'upsert' && operationType !== 'delete') throw unknownOperation(operationType)
  if (key === '') throw new TroupeError('INVALID_ARGUMENT', 'missing key')
  if (operationType === 'delete') return { key, value: undefined }
  const ttlMs = ttlOf(metadata.ttlInSeconds, work)
  return { key, value: { bytes: new Uint8Array(value?.value ?? []) }, ...(ttlMs === undefined ? {} : { ttlMs }) }
}

/** Nothing, zero and less: it does not expire. @throws INVALID_ARGUMENT */
function ttlOf(seconds: string | undefined, { facts }: GrpcWork): number | undefined {
  if (seconds === undefined) return undefined
  if (facts.strict && !facts.enabledFeatures.includes(TTL_FEATURE)) {
    throw new TroupeError('INVALID_ARGUMENT', `ttlInSeconds is not supported without the "${TTL_FEATURE}" feature enabled`)
  }
  if (seconds === '') return undefined
  const ms = /^[+-]?\d{1,15}$/.test(seconds) ? Number(seconds) * 1000 : NaN
  if (ms <= LONGEST_MS) return ms > 0 ? ms : undefined
  const shown = JSON.stringify(seconds.slice(0, 60))
  throw new TroupeError('INVALID_ARGUMENT', `ttlInSeconds: ${shown} is no whole number of seconds that ends before the year 10000`)
}
