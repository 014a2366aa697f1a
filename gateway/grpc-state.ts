/**
 * GetActorState and ExecuteActorStateTransaction. Values are any bytes: an application finds them as it left them, a class
 * what they are read as.
 */
import { EXPIRES_HEADER, headerOf } from '../actors/app-channel.ts'
import type { StateChange } from '../actors/management.ts'
import type { CallReply } from '../runtime/dispatch/dispatcher.ts'
import { resultBody } from '../actors/call-body.ts'
import type { DoorFacts } from './dapr/door-facts.ts'
import { checkChangeCount, readChange, readOperation } from './dapr/state-changes.ts'
import { actorOf, demandFits, optionsOf, type Rpc } from './grpc-rpc.ts'

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

export const getActorState: Rpc<GetStateRequest> = {
  work: 'state.get',
  async run({ key, ...request }, work) {
    const { type, id } = actorOf(request)
    const reply = await work.dispatcher.readState(type, id, key, work.caller)
    const data = bytesOf(reply)
    demandFits(data.length, work, 'the value')
    const expires = reply.app && headerOf(reply.app.headers, EXPIRES_HEADER)
    return { message: { data, ...(expires === undefined ? {} : { metadata: { ttlExpireTime: expires } }) } }
  },
}

export const executeActorStateTransaction: Rpc<TransactionRequest> = {
  work: 'state.save',
  async run({ operations, ...request }, work) {
    const { type, id } = actorOf(request)
    checkChangeCount(operations.length)
    const changes = operations.map(operation => changeOf(operation, work.facts))
    // A class elsewhere, and an application's actor at its owner, are reached from anywhere; Dapr reaches its own host alone.
    const here = work.facts.strict ? { onlyHere: true } : {}
    await work.dispatcher.manage({ type, id, operation: 'state.transact', args: [changes], ...here, ...optionsOf(work) })
    return { message: {} }
  },
}

function bytesOf({ app, value }: CallReply): Uint8Array {
  if (app !== undefined) return app.body
  const body = resultBody(value, false)
  return body === undefined ? Buffer.alloc(0) : typeof body === 'string' ? Buffer.from(body) : body
}

/** @throws METHOD_NOT_ALLOWED · INVALID_ARGUMENT */
const changeOf = ({ operationType, key, value, metadata }: Operation, facts: DoorFacts): StateChange => readChange({
  operation: readOperation(operationType), key, value: () => ({ bytes: new Uint8Array(value?.value ?? []) }), ttlInSeconds: metadata.ttlInSeconds,
}, facts)
