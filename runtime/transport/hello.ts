/**
 * The first bytes on a stream between hosts, and which stream of a pair survives. Pure.
 *
 * The dialler says who it is, whom it expects, the number of this dial (rising in its process) and the highest number of
 * the other's dials that it has accepted and lost. The acceptor answers with its own hello, or with a refusal and why.
 *
 * Two hosts may dial each other at once, and a link may be dead at one end only. Nothing accepted may be lost by the
 * choice, so a link carries messages only after it was chosen, and an open link gives way only on proof that the other
 * end no longer has it (`judge`).
 */
import { decode, encode } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'

export const PROTOCOL_VERSION = 1
const MAGIC = 'troupe'

export interface Hello {
  readonly hostId: string
  readonly incarnation: string
  /** The largest frame that this side reads. */
  readonly maxFrameBytes: number
}
export interface DialHello extends Hello {
  readonly expected: string
  readonly dial: number
  readonly lostDial: number
}
/** `superseded`: another stream of this pair is on its way or open; wait for it or ask again. */
export type RefusalKind = 'version' | 'identity' | 'superseded' | 'stopping'
export interface Refused {
  readonly refused: RefusalKind
  readonly reason: string
}

export const encodeDialHello = (hello: DialHello): Uint8Array =>
  encode([MAGIC, PROTOCOL_VERSION, hello.hostId, hello.incarnation, hello.maxFrameBytes, hello.expected, hello.dial, hello.lostDial], 'hello')
export const encodeHello = (hello: Hello): Uint8Array =>
  encode([MAGIC, PROTOCOL_VERSION, hello.hostId, hello.incarnation, hello.maxFrameBytes], 'hello')
export const encodeRefused = (refused: Refused): Uint8Array => encode([MAGIC, PROTOCOL_VERSION, refused.refused, refused.reason], 'refusal')

/** @throws PROTOCOL when the bytes are no hello of this protocol version */
export function decodeDialHello(bytes: Uint8Array, from: string): DialHello {
  const [hostId, incarnation, maxFrameBytes, expected, dial, lostDial] = fields(bytes, from)
  if (!isText(hostId) || !isText(incarnation) || !isCount(maxFrameBytes) || !isText(expected) || !isCount(dial) || !isCount(lostDial)) throw noHello(from)
  return { hostId, incarnation, maxFrameBytes, expected, dial, lostDial }
}

/** @throws PROTOCOL when the bytes are no answer of this protocol version */
export function decodeAnswer(bytes: Uint8Array, from: string): Hello | Refused {
  const parts = fields(bytes, from)
  const [first, second, maxFrameBytes] = parts
  if (!isText(first) || !isText(second)) throw noHello(from)
  if (parts.length === 2 && isRefusal(first)) return { refused: first, reason: second.slice(0, 1000) }
  if (!isCount(maxFrameBytes)) throw noHello(from)
  return { hostId: first, incarnation: second, maxFrameBytes }
}

function fields(bytes: Uint8Array, from: string): unknown[] {
  const hello = decode(bytes, from)
  if (!Array.isArray(hello) || hello[0] !== MAGIC) throw noHello(from)
  if (hello[1] !== PROTOCOL_VERSION) {
    throw new TroupeError('PROTOCOL', `${from} speaks version ${String(hello[1])} of the peer protocol, this host version ${PROTOCOL_VERSION}; run the same version of troupe`)
  }
  return hello.slice(2) as unknown[]
}

const noHello = (from: string): TroupeError => new TroupeError('PROTOCOL', `${from} did not begin with a troupe hello`)
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.length <= 4096
const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
const isRefusal = (value: string): value is RefusalKind => value === 'version' || value === 'identity' || value === 'superseded' || value === 'stopping'

/** What the acceptor knows of its open link to the dialler. */
export interface OpenLink {
  readonly incarnation: string
  /** Number of the dial that made it, at the end that dialled. */
  readonly dial: number
  readonly dialledByPeer: boolean
}

/**
 * Whether the acceptor takes this dial.
 * Of two dials under way at once the one of the lower host id wins: both ends decide so, alone.
 */
export function judge(ownId: string, dialling: boolean, open: OpenLink | undefined, hello: DialHello): 'accept' | 'superseded' {
  if (open === undefined) return dialling && ownId < hello.hostId ? 'superseded' : 'accept'
  // A process that started anew has no links.
  if (open.incarnation !== hello.incarnation) return 'accept'
  // A host dials one at a time and only without a link: its later dial proves that it has lost the earlier one.
  if (open.dialledByPeer) return hello.dial > open.dial ? 'accept' : 'superseded'
  // Our dial made the link. A hello that was sent before the dialler knew of it must not end it.
  return hello.lostDial >= open.dial ? 'accept' : 'superseded'
}
