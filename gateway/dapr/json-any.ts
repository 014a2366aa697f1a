/**
 * JSON text as the standard carries it over gRPC: a `google.protobuf.Any` that holds a `google.protobuf.BytesValue`.
 *
 * The one field of a BytesValue is written by hand: number 1, length-delimited, and left out when it is empty.
 */
import type { DoorData } from '../../actors/management.ts'

/** As proto-loader has it. */
export interface AnyMessage {
  readonly type_url: string
  readonly value: Uint8Array
}

const BYTES_VALUE = 'type.googleapis.com/google.protobuf.BytesValue'
const BYTES_TAG = 0x0a

/** What is added to the text at most. */
export const ANY_OVERHEAD = BYTES_VALUE.length + 16

export function jsonAny(text: string): AnyMessage {
  const json = Buffer.from(text)
  return { type_url: BYTES_VALUE, value: json.length === 0 ? json : Buffer.concat([Buffer.from([BYTES_TAG, ...varint(json.length)]), json]) }
}

/** Data of a door as the JSON text that applications get: bytes are base64 in a JSON string. */
export const dataText = (data: DoorData): string =>
  'json' in data ? data.json : JSON.stringify(Buffer.from(data.bytes.buffer, data.bytes.byteOffset, data.bytes.byteLength).toString('base64'))

function varint(value: number): number[] {
  const bytes: number[] = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push(value % 128 | 128)
  return [...bytes, value]
}
