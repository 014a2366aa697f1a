/**
 * The guard before msgpackr: one pass over bytes that may come from anyone, building nothing.
 *
 * msgpackr on its own would build errors and regular expressions, and in other modes compile code. After this scan it sees
 * only tokens that our own encoder writes (plus harmless ones of other MessagePack writers): every length lies within the
 * input, nesting is bounded, text is valid UTF-8 (so that both readers agree where each value ends), extensions are the
 * few of `tags`, each with the payload it must have. Anything else fails here, in time linear in the bytes read.
 */
import { isUtf8 } from 'node:buffer'

/** Extension codes: msgpackr's own for the first two. Part of the wire format: never change one. */
export const tags = {
  undefined: 0x00, bigint: 0x42, map: 0x10, set: 0x11, object: 0x12, date: 0x13, negativeZero: 0x14, text16: 0x15, buffer: 0x16,
  /** Plus the index in `viewClasses`. */
  view: 0x20,
} as const
export const LAST_VIEW = 10

/** Thrown for bytes that are no value; never leaves the codec. */
export class Malformed {
  readonly reason: string
  readonly at: number
  constructor(reason: string, at: number) {
    this.reason = reason
    this.at = at
  }
}

/** What `scan` found: where the value ends, and whether msgpackr will hand out bytes that must not alias the input. */
export class Scan {
  readonly #bytes: Uint8Array
  readonly #end: number
  readonly #maxDepth: number
  #at: number
  hasBytes = false

  constructor(bytes: Uint8Array, maxDepth: number) {
    this.#bytes = bytes
    this.#end = bytes.length
    this.#maxDepth = maxDepth
    this.#at = 0
  }

  /** Checks that the input is exactly one value. @throws Malformed */
  whole(): this {
    this.#value(1)
    if (this.#at !== this.#end) throw new Malformed('holds more than one value', this.#at)
    return this
  }

  #value(depth: number): void {
    const at = this.#at
    if (at >= this.#end) throw new Malformed('ends too early', at)
    const token = this.#bytes[at]!
    this.#at = at + 1
    if (token < 0x80 || token >= 0xe0) return
    if (token < 0x90) return this.#map(token & 0x0f, depth)
    if (token < 0xa0) return this.#array(token & 0x0f, depth)
    if (token < 0xc0) return this.#text(token & 0x1f)
    this.#long(token, depth)
  }

  #long(token: number, depth: number): void {
    switch (token) {
      case 0xc0: case 0xc2: case 0xc3: return
      case 0xc4: return this.#blob(this.#uint(1))
      case 0xc5: return this.#blob(this.#uint(2))
      case 0xc6: return this.#blob(this.#uint(4))
      case 0xc7: return this.#bigint(this.#uint(1))
      case 0xc8: return this.#bigint(this.#uint(2))
      case 0xc9: return this.#bigint(this.#uint(4))
      case 0xcc: case 0xd0: return this.#skip(1)
      case 0xcd: case 0xd1: return this.#skip(2)
      case 0xca: case 0xce: case 0xd2: return this.#skip(4)
      case 0xcb: case 0xcf: case 0xd3: return this.#skip(8)
      case 0xd4: return this.#tagged(depth)
      case 0xd5: return this.#bigint(2)
      case 0xd6: return this.#bigint(4)
      case 0xd7: return this.#bigint(8)
      case 0xd8: return this.#bigint(16)
      case 0xd9: return this.#text(this.#uint(1))
      case 0xda: return this.#text(this.#uint(2))
      case 0xdb: return this.#text(this.#uint(4))
      case 0xdc: return this.#array(this.#uint(2), depth)
      case 0xdd: return this.#array(this.#uint(4), depth)
      case 0xde: return this.#map(this.#uint(2), depth)
      case 0xdf: return this.#map(this.#uint(4), depth)
      default: throw new Malformed(`has an unknown token 0x${token.toString(16)}`, this.#at - 1)
    }
  }

  #skip(length: number): void {
    if (length > this.#end - this.#at) throw new Malformed(`declares ${length} bytes where ${this.#end - this.#at} are left`, this.#at)
    this.#at += length
  }

  #uint(width: 1 | 2 | 4): number {
    const at = this.#at
    this.#skip(width)
    const b = this.#bytes
    return width === 1 ? b[at]! : width === 2 ? b[at]! << 8 | b[at + 1]!
      : (b[at]! << 24 | b[at + 1]! << 16 | b[at + 2]! << 8 | b[at + 3]!) >>> 0
  }

  #blob(length: number): void {
    this.hasBytes = true
    this.#skip(length)
  }

  #text(length: number): void {
    const start = this.#at
    this.#skip(length)
    // Most text is short ASCII, which a loop checks faster than a call across the native border.
    let at = start
    const asciiEnd = length <= 64 ? this.#at : start
    while (at < asciiEnd && this.#bytes[at]! < 0x80) at++
    if (at < this.#at && !isUtf8(this.#bytes.subarray(at, this.#at))) throw new Malformed('has text that is not UTF-8', start)
  }

  #array(length: number, depth: number): void {
    if (depth > this.#maxDepth) throw new Malformed(`is nested deeper than ${this.#maxDepth} levels`, this.#at)
    // Each item takes at least a byte: refused before anyone allocates for it.
    if (length > this.#end - this.#at) throw new Malformed(`declares ${length} items where ${this.#end - this.#at} bytes are left`, this.#at)
    for (let i = 0; i < length; i++) this.#value(depth + 1)
  }

  #map(length: number, depth: number): void {
    if (depth > this.#maxDepth) throw new Malformed(`is nested deeper than ${this.#maxDepth} levels`, this.#at)
    if (length * 2 > this.#end - this.#at) throw new Malformed(`declares ${length} entries where ${this.#end - this.#at} bytes are left`, this.#at)
    for (let i = 0; i < length; i++) {
      this.#key()
      this.#value(depth + 1)
    }
  }

  #key(): void {
    const at = this.#at
    const token = this.#bytes[at]!
    this.#skip(1)
    const length = token >= 0xa0 && token < 0xc0 ? token & 0x1f
      : token === 0xd9 ? this.#uint(1) : token === 0xda ? this.#uint(2) : token === 0xdb ? this.#uint(4) : -1
    if (length < 0) throw new Malformed('has a key that is no text', at)
    this.#text(length)
    // Our encoder sends an object with this key in another form; msgpackr would rename it.
    if (length === 9 && this.#isProto(this.#at - 9)) throw new Malformed('has a bare __proto__ key', at)
  }

  #isProto(at: number): boolean {
    const b = this.#bytes
    return b[at] === 0x5f && b[at + 1] === 0x5f && b[at + 2] === 0x70 && b[at + 3] === 0x72 && b[at + 4] === 0x6f
      && b[at + 5] === 0x74 && b[at + 6] === 0x6f && b[at + 7] === 0x5f && b[at + 8] === 0x5f
  }

  #bigint(length: number): void {
    const at = this.#at
    this.#skip(1)
    if (this.#bytes[at] !== tags.bigint || length === 0) throw new Malformed('has an extension that does not travel', at)
    this.#skip(length)
  }

  /** `d4`, a code, a zero byte; then the payload, which is never another tagged value: no nesting escapes the bound. */
  #tagged(depth: number): void {
    const at = this.#at
    this.#skip(2)
    const tag = this.#bytes[at]!
    if (tag === tags.bigint) return
    if (this.#bytes[at + 1] !== 0) throw new Malformed('has a malformed extension', at)
    if (tag === tags.undefined || tag === tags.negativeZero) return
    const next = this.#bytes[this.#at] ?? 0xc1
    const array = (next & 0xf0) === 0x90 || next === 0xdc || next === 0xdd
    const blob = next >= 0xc4 && next <= 0xc6
    const fits = tag === tags.map || tag === tags.set || tag === tags.object ? array
      : tag === tags.date ? next < 0x80 || next >= 0xe0 || next >= 0xca && next <= 0xd2 && next !== 0xcf
      : tag === tags.text16 || tag === tags.buffer || tag >= tags.view && tag <= tags.view + LAST_VIEW ? blob : false
    if (!fits) throw new Malformed(`has extension ${tag}, which does not travel so`, at)
    this.#value(depth)
  }
}
