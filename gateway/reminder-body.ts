/**
 * The body of a reminder's creation, read: what the Dapr API has, and Troupe's own fields in the same object.
 *
 * *When* is said once: by `dueTime`, `period`, `ttl`, `overwrite` and `failurePolicy` (or `failure_policy`), or by
 * `schedule`, which is a `ReminderSchedule`. *What* is said once: by `data` for the hook `onReminder`, or by `method` and
 * `args`. Fields that neither knows are passed over beside Dapr's, as that API does, and refused beside `schedule`. Strictly
 * there are Dapr's fields alone, and as there, a failure policy counts over gRPC only, every missed run is made up for, and no
 * period is the calendar's.
 */
import type { ReminderSchedule } from '../actors/actor-reminders.ts'
import type { DoorData, WrittenSchedule } from '../actors/management.ts'
import { TroupeError } from '../core/errors.ts'
import { badSchedule, shown } from '../reminders/bad-schedule.ts'
import { parsePeriod } from '../reminders/duration-formats.ts'
import { fromDaprFields, readSchedule } from '../reminders/schedule.ts'
import { parseJson } from '../actors/call-body.ts'
import { compactJson, memberText } from './json-source.ts'

/** The arguments of `reminders.set` after the name. */
export type ReminderSetting = readonly [schedule: ReminderSchedule, method: string | undefined, ...args: unknown[]]

/** Dapr's `JobFailurePolicy`; absent, a failed run is tried again three times. */
export interface FailurePolicy {
  /** No `maxRetries`: for ever. No `intervalMs`: at once. */
  readonly constant?: { readonly intervalMs?: number | undefined; readonly maxRetries?: number | undefined } | undefined
  readonly drop?: object | undefined
}

const whenFields = ['dueTime', 'period', 'ttl', 'overwrite', 'failurePolicy', 'failure_policy'] as const
const ownFields: ReadonlySet<string> = new Set(['schedule', 'method', 'args', 'data'])

/** What a body asks the actor to do. */
export interface ReminderRequest {
  readonly operation: 'reminders.set' | 'reminders.setData'
  readonly args: readonly unknown[]
}

/** A call of a method has its arguments; data for the hook goes on as it was written. @throws MALFORMED_BODY · BAD_SCHEDULE · BAD_REQUEST */
export function readReminderRequest(name: string, body: Uint8Array, nowMs: number, strict: boolean): ReminderRequest {
  const given = body.length === 0 ? {} : parseJson(body)
  const data = (): DoorData | undefined => {
    const json = memberText(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString(), 'data')
    return json === undefined ? undefined : { json: compactJson(json) }
  }
  if (strict) {
    const { dueTime, period, ttl, overwrite } = asObject(given)
    return daprRequest(name, { dueTime, period, ttl, overwrite: readOverwrite(overwrite), policy: undefined }, data(), nowMs, true)
  }
  const [schedule, method, ...args] = readReminderBody(given, nowMs)
  if (method !== undefined) return { operation: 'reminders.set', args: [name, schedule, method, ...args] }
  const fields = asObject(given)
  // Troupe's own form is shown as what it means.
  return { operation: 'reminders.setData', args: [name, schedule, data(), has(fields, 'schedule') ? undefined : writtenIn(fields)] }
}

/** A reminder for the hook, in Dapr's fields, over whatever door they came. @throws BAD_SCHEDULE */
export function daprRequest(name: string, fields: DaprFields, data: DoorData | undefined, nowMs: number, strict: boolean): ReminderRequest {
  const schedule = strict ? strictReminder(fields, nowMs) : daprReminder(fields, nowMs)
  // The host reads it again, for good; but what is refused here has proved that no turn ran.
  readSchedule(schedule, nowMs)
  return { operation: 'reminders.setData', args: [name, schedule, data, writtenIn(fields)] }
}

function writtenIn({ dueTime, period, ttl }: Omit<DaprFields, 'overwrite' | 'policy'>): WrittenSchedule {
  const text = (given: unknown): string => isNone(given) ? '' : String(given)
  return { dueTime: text(dueTime), period: text(period), ttl: text(ttl) }
}

/** The arguments of `reminders.set`, data for the hook among them. @throws MALFORMED_BODY · BAD_SCHEDULE · BAD_REQUEST */
export function readReminderBody(body: unknown, nowMs: number): ReminderSetting {
  const fields = asObject(body)
  const schedule = has(fields, 'schedule') ? ownSchedule(fields) : daprSchedule(fields, nowMs)
  // The host reads it again, for good; but what is refused here has proved that no turn ran.
  readSchedule(schedule, nowMs)
  return [schedule, ...target(fields)]
}

function asObject(body: unknown): Fields {
  if (isObject(body)) return body
  throw new TroupeError('MALFORMED_BODY', 'failed deserializing HTTP body: a reminder is a JSON object, such as {"period":"1h"}')
}

function ownSchedule(body: Fields): ReminderSchedule {
  const mixed = whenFields.filter(field => has(body, field))
  if (mixed.length > 0) {
    const inside = mixed.includes('overwrite') ? '; "overwrite" belongs into "schedule"' : ''
    throw badSchedule(mixed[0]!, body[mixed[0]!], `stands beside "schedule"; say when once, by "schedule" or by Dapr's fields${inside}`)
  }
  const unknown = Object.keys(body).filter(field => !ownFields.has(field))
  if (unknown.length > 0) throw badRequest(`unknown field ${unknown.map(field => JSON.stringify(field.slice(0, 60))).join(', ')}; there are ${[...ownFields].join(', ')}`)
  return body.schedule as ReminderSchedule
}

function daprSchedule(body: Fields, nowMs: number): ReminderSchedule {
  const overwrite = readOverwrite(body.overwrite)
  if (has(body, 'failurePolicy') && has(body, 'failure_policy')) {
    throw badSchedule('failurePolicy', body.failurePolicy, 'is given twice, as failurePolicy and as failure_policy; give one')
  }
  const policy = body.failurePolicy ?? body.failure_policy
  return daprReminder({ ...body, overwrite, policy: isNone(policy) ? undefined : readPolicy(policy) }, nowMs)
}

function readOverwrite(given: unknown): boolean {
  if (!isNone(given) && typeof given !== 'boolean') throw badSchedule('overwrite', given, 'must be true or false')
  return given !== false
}

export interface DaprFields {
  readonly dueTime?: unknown
  readonly period?: unknown
  readonly ttl?: unknown
  readonly overwrite: boolean
  readonly policy: FailurePolicy | undefined
}

/** @throws BAD_SCHEDULE */
function strictReminder(fields: DaprFields, nowMs: number): ReminderSchedule {
  const schedule = daprReminder(fields, nowMs)
  if ('every' in schedule && typeof schedule.every === 'string') throw badSchedule('period', fields.period, 'is an unsupported period format: it has years, months, weeks or days')
  return { ...schedule, missed: 'all', retry: retryOf(fields.policy ?? DEFAULT_POLICY) }
}

/** @throws BAD_SCHEDULE */
const daprReminder = ({ dueTime, period, ttl, overwrite, policy }: DaprFields, nowMs: number): ReminderSchedule => ({
  ...fromDaprFields({ dueTime, period, ttl }, nowMs),
  ...(overwrite ? {} : { overwrite }),
  ...(policy === undefined ? {} : { retry: retryOf(policy) }),
})

const DEFAULT_POLICY: FailurePolicy = { constant: { intervalMs: 1000, maxRetries: 3 } }
const LONGEST_INTERVAL_MS = 3_600_000
const POLICIES = 'write {"constant":{"interval":"1s","maxRetries":3}} or {"drop":{}}'

/** @throws BAD_SCHEDULE */
function readPolicy(value: unknown): FailurePolicy {
  const { constant, drop } = isObject(value) ? value : {} as Fields
  if (isObject(drop) && isNone(constant)) return { drop }
  if (!isObject(constant) || !isNone(drop)) throw badSchedule('failurePolicy', value, `is none; ${POLICIES}`)
  const retries = constant.maxRetries ?? constant.max_retries
  if (!isNone(retries) && !(Number.isInteger(retries) && (retries as number) >= 0)) {
    throw badSchedule('failurePolicy.constant.maxRetries', retries, `is no whole number from 0; ${POLICIES}`)
  }
  return { constant: { intervalMs: intervalOf(constant.interval), maxRetries: isNone(retries) ? undefined : retries as number } }
}

/** @throws BAD_SCHEDULE */
function intervalOf(interval: unknown): number | undefined {
  const field = 'failurePolicy.constant.interval'
  if (isNone(interval) || interval === '') return undefined
  if (typeof interval !== 'string') throw badSchedule(field, interval, `is no duration; ${POLICIES}`)
  const { months, days, ms } = parsePeriod(interval, field)
  if (months > 0 || days > 0 || ms > LONGEST_INTERVAL_MS) throw badSchedule(field, interval, "is too long; write at most an hour ('1h')")
  return ms
}

/** The most that a schedule takes; more retries than anybody waits for. */
const MOST_ATTEMPTS = 1_000_000

/** Dapr counts retries, Troupe all runs. */
const retryOf = ({ constant }: FailurePolicy): NonNullable<ReminderSchedule['retry']> => constant === undefined
  ? { attempts: 1 }
  : { attempts: Math.min((constant.maxRetries ?? Infinity) + 1, MOST_ATTEMPTS), backoff: constant.intervalMs ?? 0, constant: true }

/** @throws BAD_REQUEST */
function target(body: Fields): readonly [method: string | undefined, ...args: unknown[]] {
  const { method, args, data } = body
  const called = has(body, 'method')
  if (has(body, 'args') && !called) throw badRequest('args: they are arguments of a method, and "method" is missing; for the hook onReminder give "data"')
  if (!called) return Object.hasOwn(body, 'data') ? [undefined, data] : [undefined]
  if (Object.hasOwn(body, 'data')) throw badRequest('data: it is for the hook onReminder, and "method" is given; put it into "args"')
  if (typeof method !== 'string') throw badRequest(`method: ${shown(method)} is no name`)
  if (has(body, 'args') && !Array.isArray(args)) throw badRequest(`args: ${shown(args)} is no array`)
  return [method, ...(args as unknown[] | undefined) ?? []]
}

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
const isNone = (value: unknown): value is null | undefined => value === undefined || value === null
const has = (body: Fields, field: string): boolean => Object.hasOwn(body, field) && !isNone(body[field])
const badRequest = (why: string): TroupeError => new TroupeError('BAD_REQUEST', `invalid request: ${why}`)
