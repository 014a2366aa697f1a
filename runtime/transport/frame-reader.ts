/**
 * The quick way to read frames of simple messages; anything it does not know, it leaves to the codec.
 *
 * It builds only numbers, text, booleans, null, arrays and copies of payload bytes, checks every length against the input
 * and every text for UTF-8, and gives up (undefined) at any other token. So it never accepts what the codec would refuse,
 * and never reads anything otherwise. Text that comes again and again (types, methods, ids) is the same string each time,
 * which spares its building and lets maps find it by its known hash.
 */
import { isUtf8 } from 'node:buffer'

const MAX_NESTING = 8
const SHORT_TEXT = 48
const REMEMBERED = 2048
/** Longer lists are grown as their items come, so that nested claims of length do not add up. */
const EXACT = 64
/** Raised to give up; never leaves this file. */
const GIVE_UP = Symbol('not a simple frame')

export class FrameReader {
  /** Short ASCII text seen before, at the place its bytes hash to. */
  readonly #texts: string[] = Array<string>(REMEMBERED).fill('')
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0

  /** The value in `bytes`, or undefined when it needs the codec. */
  read(bytes: Uint8Array): unknown {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = 0
    try {
      const value = this.#value(MAX_NESTING)
      return this.#at === this.#bytes.length ? value : undefined
    } catch (raised) {
      if (raised === GIVE_UP) return undefined
      throw raised
    } finally {
      this.#bytes = Buffer.alloc(0)
    }
  }

  #value(nesting: number): unknown {
    const token = this.#bytes[this.#at++]!
    if (token < 0x80) return token
    if (token >= 0xa0 && token < 0xc0) return this.#text(token & 0x1f)
    if (token >= 0x90 && token < 0xa0) return this.#array(token & 0x0f, nesting)
    switch (token) {
      case 0xc0: return null
      case 0xc2: return false
      case 0xc3: return true
      case 0xc6: return this.#blob(this.#uint(4))
      case 0xcb: return this.#bytes.readDoubleBE(this.#take(8))
      case 0xcd: return this.#uint(2)
      case 0xce: return this.#uint(4)
      case 0xd9: return this.#text(this.#uint(1))
      case 0xdb: return this.#text(this.#uint(4))
      case 0xdc: return this.#array(this.#uint(2), nesting)
      case 0xdd: return this.#array(this.#uint(4), nesting)
      default: throw GIVE_UP
    }
  }

  /** Where the next `length` bytes start. */
  #take(length: number): number {
    const at = this.#at
    if (length > this.#bytes.length - at) throw GIVE_UP
    this.#at = at + length
    return at
  }

  #uint(width: 1 | 2 | 4): number {
    const at = this.#take(width)
    const b = this.#bytes
    return width === 1 ? b[at]! : width === 2 ? b[at]! << 8 | b[at + 1]!
      : (b[at]! << 24 | b[at + 1]! << 16 | b[at + 2]! << 8 | b[at + 3]!) >>> 0
  }

  #array(length: number, nesting: number): unknown[] {
    // Each item takes at least a byte: what claims more is refused before anything is allocated for it.
    if (nesting === 0 || length > this.#bytes.length - this.#at) throw GIVE_UP
    if (length > EXACT) return this.#longArray(length, nesting)
    // Of its exact size: a list that grows by `push` takes room for 17 items at its first.
    const items = new Array<unknown>(length)
    for (let i = 0; i < length; i++) items[i] = this.#value(nesting - 1)
    return items
  }

  #longArray(length: number, nesting: number): unknown[] {
    const items: unknown[] = []
    for (let i = 0; i < length; i++) items.push(this.#value(nesting - 1))
    return items
  }

  #blob(length: number): Uint8Array {
    const start = this.#take(length)
    return Uint8Array.prototype.slice.call(new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, length))
  }

  #text(length: number): string {
    const start = this.#take(length)
    const bytes = this.#bytes
    if (length === 0) return ''
    if (length > SHORT_TEXT) return this.#otherText(start, length)
    let hash = length
    for (let i = start; i < start + length; i++) {
      const byte = bytes[i]!
      if (byte >= 0x80) return this.#otherText(start, length)
      hash = Math.imul(hash, 31) + byte | 0
    }
    const place = (hash ^ hash >>> 11) & (REMEMBERED - 1)
    const known = this.#texts[place]!
    if (known.length === length && this.#matches(known, start)) return known
    const text = bytes.toString('latin1', start, start + length)
    this.#texts[place] = text
    return text
  }

  #matches(known: string, start: number): boolean {
    const bytes = this.#bytes
    for (let i = 0; i < known.length; i++) if (known.charCodeAt(i) !== bytes[start + i]) return false
    return true
  }

  #otherText(start: number, length: number): string {
    const bytes = this.#bytes
    // A byte order mark at the start is lost or kept by different decoders: the codec decides.
    if (bytes[start] === 0xef || !isUtf8(bytes.subarray(start, start + length))) throw GIVE_UP
    return bytes.toString('utf8', start, start + length)
  }
}
