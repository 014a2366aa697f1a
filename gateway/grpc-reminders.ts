/**
 * The reminder calls of the Dapr runtime API over gRPC: requests and responses of dapr.proto, work on the dispatcher.
 *
 * `data` is any bytes: a class gets them as they are, an application as a base64 JSON string, which is also how they are
 * shown.
 */
import type { ReminderInfo } from '../actors/actor-reminders.ts'
import { TroupeError } from '../core/errors.ts'
import { checkId, checkMember, checkType, type ActorKey } from '../core/ids.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import { badSchedule } from '../reminders/bad-schedule.ts'
import { refuseReserved, reminderNotFound, type DoorWork } from './dapr/door-errors.ts'
import { demandHosted } from './dapr/door-facts.ts'
import { jsonAny, type AnyMessage } from './dapr/json-any.ts'
import { actorOf, optionsOf, type GrpcWork, type Rpc } from './grpc-rpc.ts'
import { jsonText } from '../actors/json-values.ts'
import { daprRequest, type FailurePolicy } from './reminder-body.ts'
import { daprFieldsOf, isShown } from './reminder-document.ts'
import { allReminders, deleteEach, deletePage, PAGE, type WorkOptions } from './reminder-pages.ts'

interface Named {
  readonly actorType: string
  readonly actorId: string
  readonly name: string
}

interface OfType {
  readonly actorType: string
  /** Absent: all of the type. */
  readonly actorId?: string
}

interface RegisterRequest extends Named {
  readonly dueTime: string
  readonly period: string
  readonly ttl: string
  readonly data: Buffer
  readonly overwrite?: boolean
  readonly failurePolicy?: {
    readonly drop?: object
    readonly constant?: { readonly interval?: { seconds: number; nanos: number } | null; readonly maxRetries?: number }
  } | null
}

/** The actor may be left out where the operation is about a type. */
const rpc = <Request extends OfType & { readonly name?: string }>(
  what: DoorWork, run: (request: Request, work: GrpcWork) => Promise<object>,
): Rpc<Request> => ({
  work: what,
  async run(request, work) {
    const { actorType, actorId } = request
    checkType(actorType)
    if (actorId !== undefined) checkId(actorId)
    refuseReserved(actorType)
    if (work.facts.strict) await demandHosted(actorType, work.dispatcher, work.timeoutMs)
    return { message: await run(request, work) }
  },
})

export const registerActorReminder = rpc<RegisterRequest>('reminder.create', async (request, work) => {
  const { name, data, dueTime, period, ttl, overwrite, failurePolicy } = request
  checkMember('reminder', name)
  const fields = { dueTime, period, ttl, overwrite: overwrite !== false, policy: policyOf(failurePolicy) }
  const asked = daprRequest(name, fields, data.length === 0 ? undefined : { bytes: new Uint8Array(data) }, work.nowMs, work.facts.strict)
  await work.dispatcher.manage({ ...actorOf(request), ...asked, ...optionsOf(work) })
  return {}
})

/** @throws BAD_SCHEDULE */
function policyOf(policy: RegisterRequest['failurePolicy']): FailurePolicy | undefined {
  if (policy === undefined || policy === null) return undefined
  const { drop, constant } = policy
  if (drop !== undefined) return { drop }
  if (constant === undefined) throw badSchedule('failure_policy', policy, 'says nothing; set drop or constant')
  const { interval, maxRetries } = constant
  const intervalMs = interval === undefined || interval === null ? undefined : interval.seconds * 1000 + Math.ceil(interval.nanos / 1e6)
  if (intervalMs !== undefined && !(intervalMs >= 0 && intervalMs <= 3_600_000)) {
    throw badSchedule('failure_policy.constant.interval', `${intervalMs}ms`, 'must be from nothing to an hour')
  }
  return { constant: { intervalMs, maxRetries } }
}

export const unregisterActorReminder = rpc<Named>('reminder.delete', async (request, work) => {
  checkMember('reminder', request.name)
  await work.dispatcher.manage({ ...actorOf(request), operation: 'reminders.delete', args: [request.name], ...optionsOf(work) })
  return {}
})

export const unregisterActorRemindersByType = rpc<OfType>('reminder.delete', async ({ actorType: type, actorId: id }, work) => {
  const { dispatcher } = work
  const options = optionsOf(work)
  if (id !== undefined) {
    const actor: ActorKey = { type, id }
    for await (const page of allReminders(dispatcher, actor, {}, options)) {
      await deleteEach(dispatcher, page.map(({ name }) => ({ ...actor, name })), options)
    }
    return {}
  }
  let cursor: string | undefined
  do ({ cursor } = await deletePage(dispatcher, type, { limit: PAGE, cursor }, options))
  while (cursor !== undefined)
  return {}
})

export const getActorReminder = rpc<Named>('reminder.get', async (request, work) => {
  const { name } = request
  checkMember('reminder', name)
  const actor = actorOf(request)
  const { value } = await work.dispatcher.manage({ ...actor, operation: 'reminders.get', args: [name], ...optionsOf(work) })
  const info = value as ReminderInfo | undefined
  if (info === undefined || !isShown(info, work.facts.strict)) throw reminderNotFound(name)
  return messageOf(actor, info)
})

/** One reply: more than the largest message is refused. */
export const listActorReminders = rpc<OfType>('reminder.get', async ({ actorType: type, actorId }, work) => {
  const { dispatcher, facts, maxBytes, signal } = work
  const options = optionsOf(work)
  const pages = actorId === undefined ? allOfType(dispatcher, type, options)
    : namedOf({ type, id: actorId }, allReminders(dispatcher, { type, id: actorId }, {}, options))
  const reminders: object[] = []
  let bytes = 0
  for await (const page of pages) {
    for (const { id, info } of page) {
      signal?.throwIfAborted()
      if (!isShown(info, facts.strict)) continue
      const reminder = messageOf({ type, id }, info)
      bytes += sizeOf(info, reminder)
      if (bytes > maxBytes) {
        throw new TroupeError('RESULT_TOO_LARGE', `the list is larger than ${maxBytes} bytes; page through GET /troupe/v1/reminders/${type} over HTTP`)
      }
      reminders.push({ name: info.name, reminder })
    }
  }
  return { reminders }
})

interface Found { readonly id: string; readonly info: ReminderInfo }

async function* namedOf({ id }: ActorKey, pages: AsyncIterable<readonly ReminderInfo[]>): AsyncGenerator<readonly Found[], void> {
  for await (const page of pages) yield page.map(info => ({ id, info }))
}

async function* allOfType(dispatcher: Dispatcher, type: string, { caller }: WorkOptions): AsyncGenerator<readonly Found[], void> {
  let cursor: string | undefined
  do {
    const page = await dispatcher.listReminders(type, { limit: PAGE, cursor }, caller)
    yield page.reminders.map(info => ({ id: info.id, info }))
    ;({ cursor } = page)
  } while (cursor !== undefined)
}

function messageOf({ type, id }: ActorKey, info: ReminderInfo): ReminderMessage {
  const { data, ...times } = daprFieldsOf(info)
  const text = info.json ?? (data === undefined ? undefined : jsonText(data))
  return { actorType: type, actorId: id, ...times, ...(text === undefined ? {} : { data: jsonAny(text) }) }
}

interface ReminderMessage {
  readonly actorType: string
  readonly actorId: string
  readonly data?: AnyMessage
}

/** At least what it takes in a message. */
const sizeOf = ({ name }: ReminderInfo, { actorType, actorId, data }: ReminderMessage): number =>
  2 * name.length + 2 * actorType.length + 3 * actorId.length + 200 + (data?.value.length ?? 0)
