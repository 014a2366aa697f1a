/**
 * Reminders as Dapr kept them in the state store (until 1.16), read. Pure.
 *
 * `registeredTime` is there the first time a reminder is due, whatever `dueTime` says (it was resolved when it was registered). Where
 * a note of its last run exists, it goes on from there: due one period after that, as many runs as the note has left. Every instant is
 * kept as it is and none is counted from now, so reading the same twice gives the same; what is past is due at once.
 */
import type { ReminderSchedule } from '../../../actors/actor-reminders.ts'
import type { DoorData, WrittenSchedule } from '../../../actors/management.ts'
import { messageOf, TroupeError } from '../../../core/errors.ts'
import { zoneOf } from '../../../reminders/calendar.ts'
import { formatPeriod, parsePeriod, type PeriodText } from '../../../reminders/duration-formats.ts'
import { looksLikeInstant, parseInstant } from '../../../reminders/instant-format.ts'
import { addPeriod } from '../../../reminders/next-due.ts'
import { splitRepeats } from '../../../reminders/schedule-fields.ts'

export interface ImportedReminder {
  readonly type: string
  readonly id: string
  readonly name: string
  readonly schedule: ReminderSchedule
  readonly data: DoorData | undefined
  readonly written: WrittenSchedule
}

/** As it lies in the document. */
export interface StoredReminder {
  readonly type: string
  readonly id: string
  readonly name: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** When it ran last, and how many runs are left; -1: no limit. */
export interface LastRun {
  readonly lastFiredTime: string
  readonly repetitionLeft: number
}

/** Why a document or a reminder cannot be read; the same text for all that have the reason. */
export class Unreadable extends Error {}

const PROTOBUF = Buffer.from([0, 0x70, 0x62])

/** The reminders of one document of a type. @throws Unreadable */
export function readReminderDocument(bytes: Uint8Array, type: string): StoredReminder[] {
  const list = readJson(bytes)
  if (list === null) return []
  if (!Array.isArray(list)) throw new Unreadable('a document of reminders is no JSON array')
  return list.map(entry => {
    const fields = isObject(entry) ? entry : {}
    return { type: textOf(fields.actorType) || type, id: textOf(fields.actorID), name: textOf(fields.name), fields }
  })
}

/** Where the parts are; undefined: there are none, and the one array holds. @throws Unreadable */
export function readPartition(bytes: Uint8Array): { readonly id: string; readonly count: number } | undefined {
  const document = readJson(bytes)
  const { id, actorRemindersMetadata } = isObject(document) ? document : {} as Fields
  const count = isObject(actorRemindersMetadata) ? actorRemindersMetadata.partitionCount : undefined
  return typeof id === 'string' && id !== '' && Number.isInteger(count) && (count as number) > 0 ? { id, count: count as number } : undefined
}

/** Undefined: it says nothing. @throws Unreadable */
export function readLastRun(bytes: Uint8Array): LastRun | undefined {
  const note = readJson(bytes)
  if (!isObject(note) || textOf(note.lastFiredTime) === '' || textOf(note.lastFiredTime).startsWith('0001-')) return undefined
  return { lastFiredTime: textOf(note.lastFiredTime), repetitionLeft: typeof note.repetitionLeft === 'number' ? note.repetitionLeft : -1 }
}

/** @throws Unreadable */
export function readStoredReminder({ type, id, name, fields }: StoredReminder, last: LastRun | undefined, nowMs: number): ImportedReminder {
  if (id === '' || name === '') throw new Unreadable('a reminder has no actorID or no name')
  const written = { dueTime: textOf(fields.dueTime), period: textOf(fields.period), ttl: textOf(fields.expirationTime) }
  const data = fields.data === undefined ? undefined : { json: JSON.stringify(fields.data) }
  try {
    return { type, id, name, schedule: scheduleOf(fields, last, nowMs), data, written }
  } catch (error) {
    if (TroupeError.is(error, 'BAD_SCHEDULE')) throw new Unreadable(`a reminder has a schedule that cannot be read: ${messageOf(error)}`)
    throw error
  }
}

function scheduleOf(fields: Fields, last: LastRun | undefined, nowMs: number): ReminderSchedule {
  const text = textOf(fields.period)
  const until = isNoTime(fields.expirationTime) ? undefined : parseInstant(textOf(fields.expirationTime), 'expirationTime')
  if (until !== undefined && until <= nowMs) throw new Unreadable('a reminder has expired')
  if (text === '') {
    if (last !== undefined) throw new Unreadable('a reminder without a period has run')
    return { at: new Date(firstOf(fields)) }
  }
  const { period, times } = splitRepeats(text, 'period')
  const length = parsePeriod(period.replace(/^@every\s+/, ''), 'period')
  const limit = times === undefined || times === 0 ? undefined : last === undefined || last.repetitionLeft < 0 ? times : last.repetitionLeft
  if (limit === 0) throw new Unreadable('a reminder has had all its runs')
  const first = last === undefined ? firstOf(fields) : following(parseInstant(last.lastFiredTime, 'lastFiredTime'), length)
  if (until !== undefined && until < first) throw new Unreadable('a reminder expires before its next run')
  return {
    every: length.months === 0 && length.days === 0 ? length.ms : formatPeriod(length.months, length.days, length.ms),
    first: new Date(first),
    ...limit === undefined ? {} : { times: limit },
    ...until === undefined ? {} : { until: new Date(until) },
  }
}

const following = (at: number, { months, days, ms }: PeriodText): number => addPeriod(at, { months, days, ms }, 1, zoneOf('UTC'))

/** When it was due for the first time. */
function firstOf(fields: Fields): number {
  if (!isNoTime(fields.registeredTime)) return parseInstant(textOf(fields.registeredTime), 'registeredTime')
  const dueTime = textOf(fields.dueTime)
  if (looksLikeInstant(dueTime)) return parseInstant(dueTime, 'dueTime')
  throw new Unreadable('a reminder does not say when it is due (no registeredTime)')
}

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
const textOf = (value: unknown): string => typeof value === 'string' ? value : ''
/** Go writes the time that nobody set as the first day of the year 1. */
const isNoTime = (value: unknown): boolean => textOf(value) === '' || textOf(value).startsWith('0001-')

/** Node has both, and its types do not. */
interface VerbatimJson {
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown
  rawJSON(text: string): unknown
}
const verbatim = JSON as unknown as VerbatimJson

/** Numbers that JavaScript would change keep their digits when they are written again. @throws Unreadable */
function readJson(bytes: Uint8Array): unknown {
  if (Buffer.from(bytes.subarray(0, PROTOBUF.length)).equals(PROTOBUF)) {
    throw new Unreadable('a document of reminders is in the protobuf form; set these again by the API')
  }
  try {
    return verbatim.parse(Buffer.from(bytes).toString('utf8'), (_key, value, { source }) =>
      typeof value === 'number' && source !== undefined && String(value) !== source ? verbatim.rawJSON(source) : value)
  } catch {
    throw new Unreadable('a document of reminders is no JSON')
  }
}
