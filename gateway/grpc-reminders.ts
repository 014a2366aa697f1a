/**
 * The reminder calls of the Dapr runtime API over gRPC: requests and responses of dapr.proto, work on the dispatcher.
 *
 * `data` is any bytes: the handler gets them as bytes, and where they are shown they are a base64 JSON string, as the
 * standard has it.
 */
import type { ReminderInfo, ReminderSchedule } from '../actors/actor-reminders.ts'
import { TroupeError } from '../core/errors.ts'
import { checkId, checkMember, checkType, type ActorKey } from '../core/ids.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import { badSchedule } from '../reminders/bad-schedule.ts'
import { readSchedule } from '../reminders/schedule.ts'
import { jsonText } from '../actors/json-values.ts'
import { daprReminder, type FailurePolicy } from './reminder-body.ts'
import { daprFieldsOf } from './reminder-document.ts'
import { reminderNotFound } from './reminder-errors.ts'
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

export interface RegisterRequest extends Named {
  readonly dueTime: string
  readonly period: string
  readonly ttl: string
  readonly data: Buffer
  readonly overwrite?: boolean
  readonly failurePolicy?: { readonly drop?: object; readonly constant?: { readonly interval?: { seconds: number; nanos: number } | null; readonly maxRetries?: number } } | null
}

export interface ReminderWork extends WorkOptions {
  readonly dispatcher: Dispatcher
  readonly nowMs: number
}

const BYTES_VALUE = 'type.googleapis.com/google.protobuf.BytesValue'

export async function registerReminder(request: RegisterRequest, { dispatcher, nowMs, ...work }: ReminderWork): Promise<object> {
  const actor = actorOf(request)
  const { name, data } = request
  const { dueTime, period, ttl, overwrite, failurePolicy } = request
  const schedule: ReminderSchedule = daprReminder({ dueTime, period, ttl, overwrite: overwrite !== false, policy: policyOf(failurePolicy) }, nowMs)
  // Refused here, it has proved that no turn ran.
  readSchedule(schedule, nowMs)
  const args = data.length === 0 ? [name, schedule] : [name, schedule, undefined, new Uint8Array(data)]
  await dispatcher.manage({ ...actor, operation: 'reminders.set', args, ...work })
  return {}
}

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

export async function unregisterReminder(request: Named, { dispatcher, nowMs: _, ...work }: ReminderWork): Promise<object> {
  await dispatcher.manage({ ...actorOf(request), operation: 'reminders.delete', args: [request.name], ...work })
  return {}
}

export async function unregisterByType({ actorType, actorId }: OfType, { dispatcher, nowMs: _, ...work }: ReminderWork): Promise<object> {
  checkType(actorType)
  if (actorId !== undefined) {
    checkId(actorId)
    const actor: ActorKey = { type: actorType, id: actorId }
    for await (const page of allReminders(dispatcher, actor, {}, work)) await deleteEach(dispatcher, page.map(({ name }) => ({ ...actor, name })), work)
    return {}
  }
  let cursor: string | undefined
  do ({ cursor } = await deletePage(dispatcher, actorType, { limit: PAGE, cursor }, work))
  while (cursor !== undefined)
  return {}
}

export async function getReminder(request: Named, { dispatcher, nowMs: _, ...work }: ReminderWork): Promise<object> {
  const actor = actorOf(request)
  const { value } = await dispatcher.manage({ ...actor, operation: 'reminders.get', args: [request.name], ...work })
  if (value === undefined) throw reminderNotFound(request.name)
  return messageOf(actor, value as ReminderInfo)
}

/** One reply: more than `maxBytes` is refused, because a gRPC message cannot be larger. */
export async function listReminders({ actorType, actorId }: OfType, { dispatcher, nowMs: _, ...work }: ReminderWork, maxBytes: number): Promise<object> {
  checkType(actorType)
  if (actorId !== undefined) checkId(actorId)
  const pages = actorId === undefined ? allOfType(dispatcher, actorType, work) : namedOf({ type: actorType, id: actorId }, allReminders(dispatcher, { type: actorType, id: actorId }, {}, work))
  const reminders: object[] = []
  let bytes = 0
  for await (const page of pages) {
    for (const { id, info } of page) {
      work.signal?.throwIfAborted()
      const reminder = messageOf({ type: actorType, id }, info)
      bytes += sizeOf(info, reminder)
      if (bytes > maxBytes) throw new TroupeError('RESULT_TOO_LARGE', `the list is larger than ${maxBytes} bytes; page through GET /troupe/v1/reminders/${actorType} over HTTP`)
      reminders.push({ name: info.name, reminder })
    }
  }
  return { reminders }
}

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
  const text = data === undefined ? undefined : Buffer.from(jsonText(data))
  return { actorType: type, actorId: id, ...times, ...(text === undefined ? {} : { data: { typeUrl: BYTES_VALUE, value: { value: text } } }) }
}

interface ReminderMessage {
  readonly actorType: string
  readonly actorId: string
  readonly data?: { readonly typeUrl: string; readonly value: { readonly value: Buffer } }
}

/** At least what it takes in a message. */
const sizeOf = ({ name }: ReminderInfo, { actorType, actorId, data }: ReminderMessage): number =>
  2 * name.length + 2 * actorType.length + 3 * actorId.length + 200 + (data?.value.value.length ?? 0)

/** @throws BAD_REQUEST */
function actorOf({ actorType, actorId, name }: Named): ActorKey {
  checkType(actorType)
  checkId(actorId)
  checkMember('reminder', name)
  return { type: actorType, id: actorId }
}
