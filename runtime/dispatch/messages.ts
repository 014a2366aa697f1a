/**
 * What hosts say to each other. A message is an array: kind, call id, then what the kind needs.
 *
 * Arguments and results travel inside the frame when they are plain scalars, else as codec bytes encoded once by whoever
 * made the value. Errors travel as data and are rebuilt by code.
 */
import { ActorError, isActorError, rebuildActorError } from '../../actors/errors.ts'
import { Once } from '../../actors/invocation.ts'
import { decode, encode } from '../../core/codec.ts'
import { errorCodes, messageOf, TroupeError, type ErrorCode, type Executed } from '../../core/errors.ts'

export const kind = {
  /** [1, callId, type, id, method, args, timeoutMs, chain, flags], and where there is more to say: what `packOnce` makes or null, what `packCaller` makes */
  call: 1,
  /** [2, callId, result, epoch], and 1 after it when it is an application's answer */
  result: 2,
  /** [3, callId, error] */
  error: 3,
  /** [4, callId] the caller gave up, or left the stream */
  cancel: 4,
  /** [5, callId, epoch] the answer is a stream */
  stream: 5,
  /** [6, callId, n] the reader takes n items more */
  next: 6,
  /** [7, callId, result] */
  item: 7,
  /** [8, callId] the stream ended */
  end: 8,
  /** [9, callId] and [10, callId, bytes]: a host's own status */
  ask: 9,
  status: 10,
} as const

/** Bits of a call's flags. */
export const flag = {
  /** Reads a field or storage key. */
  read: 1,
  /** The sender does not run the type: it took the id for the placement key, and the receiver may send it on once. */
  untyped: 2,
  /** An operation on reminders and sends. */
  manage: 4,
  /** Its arguments are the body of a door's request. Hosts that do not know it see an operation, and refuse it by its name instead of running a method with them. */
  body: 8 | 4,
} as const

/** A key as it is; a delivery as [sender, number, previous or null]. */
export const packOnce = ({ key, delivery }: Once): unknown => key ?? [delivery!.sender, delivery!.number, delivery!.previous ?? null]

export function unpackOnce(packed: unknown): Once | undefined {
  if (typeof packed === 'string') return new Once(packed)
  if (!Array.isArray(packed)) return undefined
  const [sender, number, previous] = packed as unknown[]
  return new Once({ sender: String(sender), number: Number(number), previous: previous === null ? undefined : Number(previous) })
}

const isScalar = (value: unknown): boolean =>
  value === null || value === undefined || typeof value === 'number' || typeof value === 'boolean' || (typeof value === 'string' && value.length < 4096)

/**
 * Arguments as they travel: the list itself when all are scalars, else its bytes.
 * @throws NOT_ENCODABLE naming the path · PAYLOAD_TOO_LARGE
 */
export function packArgs(args: readonly unknown[], maxBytes: number): readonly unknown[] | Uint8Array {
  if (args.length <= 8 && args.every(isScalar)) return args
  const bytes = encode(args, 'args')
  if (bytes.length > maxBytes) {
    throw new TroupeError('PAYLOAD_TOO_LARGE', `the arguments take ${bytes.length} bytes, ${maxBytes} may travel; send less, or in parts`)
  }
  return bytes
}

export const unpackArgs = (packed: unknown): readonly unknown[] =>
  Array.isArray(packed) ? packed : decode(packed as Uint8Array, 'args') as readonly unknown[]

/** A result that `takeResult` made in the form 'encoded': a primitive or bytes. */
export const packResult = (value: unknown): unknown => (isScalar(value) || value instanceof Uint8Array ? value : encode(value, 'result'))

export const unpackResult = (packed: unknown): unknown => (packed instanceof Uint8Array ? decode(packed, 'result') : packed)

export function packError(error: unknown): readonly unknown[] {
  if (isActorError(error)) return ['a', error.code, error.message, error.status, packData(error.data)]
  const e = TroupeError.is(error) ? error : new TroupeError('INTERNAL', messageOf(error))
  return ['t', e.code, e.message, e.executed, e.retryable, e.retryAfterMs ?? null, packData(e.data)]
}

const LONGEST_TEXT = 1000

/** A packed error without its data and with the beginning of its texts: what it proves stays. */
export const cutError = (packed: unknown): readonly unknown[] => (packed as readonly unknown[]).map(part =>
  typeof part === 'string' ? part.slice(0, LONGEST_TEXT).toWellFormed() : part instanceof Uint8Array ? null : part)

function packData(data: unknown): Uint8Array | null {
  if (data === undefined) return null
  try {
    return encode(data, 'data')
  } catch {
    return encode('[data that cannot travel]', 'data')
  }
}

const unpackData = (packed: unknown): unknown => (packed instanceof Uint8Array ? decode(packed, 'data') : undefined)

export function unpackError(packed: unknown): TroupeError | ActorError<unknown> {
  const parts = packed as readonly unknown[]
  if (parts[0] === 'a') {
    return rebuildActorError({ code: String(parts[1]), message: String(parts[2]), status: Number(parts[3]), data: unpackData(parts[4]) })
  }
  const code = Object.hasOwn(errorCodes, String(parts[1])) ? String(parts[1]) as ErrorCode : 'INTERNAL'
  return new TroupeError(code, String(parts[2]), {
    executed: parts[3] as Executed, retryable: parts[4] === true, data: unpackData(parts[6]),
    ...(typeof parts[5] === 'number' ? { retryAfterMs: parts[5] } : {}),
  })
}
