/**
 * A durable send as its sender's shard stores it: an entry `o:NUMBER` of the sending actor.
 *
 * The name orders the sends of an actor as their numbers do. The value is positional, so that a row is little more than its
 * arguments: type, id, method, arguments, attempts, backoff, and for a dead letter its error and time. Arguments may be
 * the list itself or its codec bytes, and come back as what they were: nothing is encoded twice.
 */
import { decode, encode } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'

export interface Send {
  /** Rises with each send of its actor; from 1. */
  readonly number: number
  readonly typeName: string
  readonly id: string
  readonly method: string
  /** The argument list, or its codec bytes. */
  readonly args: Uint8Array | readonly unknown[]
  /** Failed deliveries after which it is a dead letter. */
  readonly attempts: number
  /** Wait after the first failure; doubled by each that follows. */
  readonly backoffMs: number
  /** What its row takes, as far as it is known: what it takes in memory is about as much. Not stored. */
  readonly bytes?: number
  /** Set when its last delivery failed for good; `at` in ms since the epoch. */
  readonly dead?: { readonly error: string; readonly at: number }
}

export const SEND_PREFIX = 'o:'
/** Due time of the row of a send that is under way: before all others. */
export const SEND_DUE = 0
const DIGITS = 11
const shape = /^o:[0-9a-z]{11}$/

/** `o:` and 11 digits of base 36: any safe integer, in the order of numbers. */
export const sendEntry = (number: number): string => SEND_PREFIX + number.toString(36).padStart(DIGITS, '0')

/** The number in the name of an entry; undefined when it names no send. */
export function sendNumber(name: string): number | undefined {
  if (!shape.test(name)) return undefined
  const number = Number.parseInt(name.slice(SEND_PREFIX.length), 36)
  return Number.isSafeInteger(number) ? number : undefined
}

/** @throws NOT_ENCODABLE naming the path in the arguments */
export function encodeSend(send: Send): Uint8Array {
  const row: unknown[] = [send.typeName, send.id, send.method, send.args, send.attempts, send.backoffMs]
  if (send.dead !== undefined) row.push(send.dead.error, send.dead.at)
  return encode(row, `send to ${send.typeName}/${send.id}.${send.method}`)
}

/** `who`: the sender, for the message. @throws STATE_UNREADABLE */
export function decodeSend(name: string, value: Uint8Array, who: string): Send {
  const what = `${who}: stored send ${name}`
  const number = sendNumber(name)
  const row = decode(value, what, 'STATE_UNREADABLE')
  if (number === undefined || !isRow(row)) throw new TroupeError('STATE_UNREADABLE', `${what} is no send of a version that this host knows`)
  const [typeName, id, method, args, attempts, backoffMs, error, at] = row
  const send = { number, typeName, id, method, args, attempts, backoffMs }
  return error === undefined ? send : { ...send, dead: { error, at: at ?? 0 } }
}

type Row = [
  typeName: string, id: string, method: string, args: Uint8Array | readonly unknown[], attempts: number, backoffMs: number, error?: string, at?: number,
]

const isRow = (row: unknown): row is Row => Array.isArray(row) && (row.length === 6 || row.length === 8)
  && typeof row[0] === 'string' && typeof row[1] === 'string' && typeof row[2] === 'string'
  && (Array.isArray(row[3]) || row[3] instanceof Uint8Array) && typeof row[4] === 'number' && typeof row[5] === 'number'
  && (row.length === 6 || (typeof row[6] === 'string' && typeof row[7] === 'number'))
