/**
 * What one write to a peer carries, as bytes. Pure.
 *
 * A frame is the MessagePack array `[tableVersion, messages]`. Each message is checked and measured when it is sent
 * (`admit`), so that a bad one is refused at its sender's call and can never spoil a frame that others share.
 */
import { decodeWire, packWire, toWire } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'
import type { Message } from './transport.ts'

export interface Frame {
  readonly tableVersion: number
  readonly messages: readonly Message[]
}

/** Levels around a message: the frame and its list. */
const LEVELS = 2
/** Bytes of a frame beside its messages. */
export const FRAME_OVERHEAD = 32

export const encodeFrame = (tableVersion: number, messages: readonly Message[]): Uint8Array => packWire([tableVersion, messages])

/** @throws PROTOCOL when `bytes` are no frame */
export function decodeFrame(bytes: Uint8Array, from: string): Frame {
  const frame = decodeWire(bytes, from, LEVELS)
  if (!Array.isArray(frame) || frame.length !== 2 || !isCount(frame[0]) || !Array.isArray(frame[1])) {
    throw new TroupeError('PROTOCOL', `${from}: a frame must be [table version, messages]`)
  }
  const messages = frame[1] as unknown[]
  for (const message of messages) {
    if (!Array.isArray(message) || message.length === 0) throw new TroupeError('PROTOCOL', `${from}: a message must be an array that starts with its kind`)
  }
  return { tableVersion: frame[0], messages: messages as Message[] }
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

/** A message fit to be framed, and a bound of its size that its bytes never exceed. */
export interface Admitted {
  readonly message: Message
  readonly bytes: number
}

/**
 * The bound of a message's size, or -1 when it holds something that needs a closer look (`admitOdd`).
 * Nearly every message is of primitives, short arrays and payload bytes: one pass without allocation settles those.
 */
export function sizeBound(message: Message): number {
  return arrayBound(message, 4)
}

function arrayBound(items: readonly unknown[], levels: number): number {
  if (levels === 0) return -1
  let total = 5
  for (let i = 0; i < items.length; i++) {
    const bound = itemBound(items[i], levels)
    if (bound < 0) return -1
    total += bound
  }
  return total
}

function itemBound(item: unknown, levels: number): number {
  switch (typeof item) {
    case 'number':
      return item !== 0 || 1 / item > 0 ? 9 : -1
    case 'string':
      return textBound(item)
    case 'boolean':
    case 'undefined':
      return 3
    case 'object':
      return item === null ? 1
        : Array.isArray(item) && Object.getPrototypeOf(item) === Array.prototype ? arrayBound(item as unknown[], levels - 1)
        : item instanceof Uint8Array ? 5 + item.byteLength : -1
    default:
      return -1
  }
}

/** Long text is measured rather than bounded: three times its length would refuse what fits. */
const textBound = (text: string): number =>
  !text.isWellFormed() || text.charCodeAt(0) === 0xfeff ? -1 : text.length <= 1024 ? 5 + text.length * 3 : 5 + Buffer.byteLength(text)

/** The same for any message that travels, by encoding it once. @throws NOT_ENCODABLE */
export function admitOdd(message: Message): Admitted {
  const wire = toWire(message, 'message') as Message
  return { message: wire, bytes: packWire(wire).byteLength }
}
