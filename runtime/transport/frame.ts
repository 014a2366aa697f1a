/**
 * What one write to a peer carries, as bytes: the MessagePack array `[tableVersion, messages]`. Written by `FrameWriter`.
 */
import { decodeWire } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'
import type { FrameReader } from './frame-reader.ts'
import type { Message } from './transport.ts'

export interface Frame {
  readonly tableVersion: number
  readonly messages: readonly Message[]
}

/** Levels around a message: the frame and its list. */
const LEVELS = 2

/** @throws PROTOCOL when `bytes` are no frame, the message naming `from` */
export function decodeFrame(bytes: Uint8Array, from: string, reader: FrameReader): Frame {
  const frame = reader.read(bytes) ?? decodeWire(bytes, from, LEVELS)
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
