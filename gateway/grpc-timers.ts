/** Timers of actors over gRPC: requests and responses of dapr.proto, work on the dispatcher. */
import type { TimerInfo } from '../actors/management.ts'
import { checkMember } from '../core/ids.ts'
import { ANY_OVERHEAD, dataText, jsonAny, type AnyMessage } from './dapr/json-any.ts'
import { timerNotFound, type DoorWork } from './dapr/door-errors.ts'
import { demandHosted } from './dapr/door-facts.ts'
import { inOrder, readTimerSetting, shownTimer } from './dapr/timer-fields.ts'
import { actorOf, demandFits, optionsOf, type GrpcWork, type Rpc } from './grpc-rpc.ts'

interface OfActor {
  readonly actorType: string
  readonly actorId: string
}

interface Named extends OfActor {
  readonly name: string
}

interface RegisterRequest extends Named {
  readonly dueTime: string
  readonly period: string
  readonly ttl: string
  readonly callback: string
  readonly data: Buffer
}

interface TimerMessage {
  readonly actorType: string
  readonly actorId: string
  readonly dueTime?: string
  readonly period?: string
  readonly ttl?: string
  readonly callback?: string
  readonly data?: AnyMessage
}

const rpc = <Request extends OfActor>(what: DoorWork, run: (request: Request, work: GrpcWork) => Promise<object>): Rpc<Request> => ({
  work: what,
  async run(request, work) {
    const { type } = actorOf(request)
    if (work.facts.strict) await demandHosted(type, work.dispatcher, work.timeoutMs)
    return { message: await run(request, work) }
  },
})

export const registerActorTimer = rpc<RegisterRequest>('timer.create', async (request, work) => {
  const { name, dueTime, period, ttl, callback, data } = request
  checkMember('timer', name)
  const setting = readTimerSetting({ dueTime, period, ttl, callback, data: data.length === 0 ? undefined : { bytes: new Uint8Array(data) } }, work.nowMs)
  await work.dispatcher.manage({ ...actorOf(request), operation: 'timers.set', args: [name, setting], ...optionsOf(work) })
  return {}
})

export const unregisterActorTimer = rpc<Named>('timer.delete', async (request, work) => {
  checkMember('timer', request.name)
  await work.dispatcher.manage({ ...actorOf(request), operation: 'timers.delete', args: [request.name], ...optionsOf(work) })
  return {}
})

export const getActorTimer = rpc<Named>('timer.get', async (request, work) => {
  const { name } = request
  checkMember('timer', name)
  const { value } = await work.dispatcher.manage({ ...actorOf(request), operation: 'timers.get', args: [name], ...optionsOf(work) })
  if (value === undefined) throw timerNotFound(name)
  return messageOf(request, value as TimerInfo)
})

export const listActorTimers = rpc<OfActor>('timer.get', async (request, work) => {
  const { value } = await work.dispatcher.manage({ ...actorOf(request), operation: 'timers.list', args: [], ...optionsOf(work) })
  const timers = inOrder(value as readonly TimerInfo[]).map(info => ({ name: info.name, timer: messageOf(request, info) }))
  demandFits(timers.reduce((sum, { name, timer }) => sum + sizeOf(name, timer), 0), work, 'the list', '; ask for timers one by one')
  return { timers }
})

const messageOf = ({ actorType, actorId }: OfActor, info: TimerInfo): TimerMessage => ({
  actorType, actorId, ...shownTimer(info),
  ...(info.callback === '' ? {} : { callback: info.callback }),
  ...(info.data === undefined ? {} : { data: jsonAny(dataText(info.data)) }),
})

/** At least what it takes in a message. */
const sizeOf = (name: string, { actorType, actorId, data, ...texts }: TimerMessage): number =>
  [name, actorType, actorId, ...Object.values(texts)].reduce((sum, text) => sum + Buffer.byteLength(text) + 8, ANY_OVERHEAD + (data?.value.length ?? 0))
