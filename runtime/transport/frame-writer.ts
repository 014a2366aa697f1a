/**
 * Frames written message by message, straight into the buffer that goes to the network.
 *
 * What fills frames is small: numbers, short text, payload bytes, short arrays of them. Those are written here, in the
 * MessagePack that the codec reads, at their `send`; so the size of a queue is known to the byte and a message that cannot
 * be sent is refused alone. All else goes through the codec. (Measured: half the cost of packing lists of messages later.)
 */
import { packWire, toWire } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'
import type { Message } from './transport.ts'

/** `[`, the table version as a float64, and a list with a 32-bit count: both are filled in when the frame leaves. */
export const FRAME_HEADER = 1 + 9 + 5
const MAX_NESTING = 4
/** Longer text is measured and written by native code. */
const SHORT_TEXT = 48
/** By how much room is asked for too early. */
const SLACK = 16

const tooLarge = (maxBytes: number): TroupeError =>
  new TroupeError('PAYLOAD_TOO_LARGE', `a message to another host is over the limit of ${maxBytes} bytes; send less, or raise maxMessageBytes on all hosts`)

export class FrameWriter {
  #bytes: Buffer
  #at = FRAME_HEADER
  #count = 0
  #start = 0
  #limit = 0

  /** `buffer` is the writer's from now on; it grows to a larger one when it must. */
  constructor(buffer: Buffer) {
    this.#bytes = buffer
  }

  /** What the frame was written into: free again when the network has taken the frame. */
  get buffer(): Buffer {
    return this.#bytes
  }

  get byteLength(): number {
    return this.#at
  }
  get count(): number {
    return this.#count
  }

  /**
   * Appends a message and gives its size.
   * @throws NOT_ENCODABLE · PAYLOAD_TOO_LARGE when it is over `maxBytes`; the frame is then as it was
   */
  append(message: Message, maxBytes: number): number {
    const start = this.#at
    // Checked on the way: a huge value is refused before it is copied.
    this.#start = start
    this.#limit = start + maxBytes + SLACK
    try {
      if (!this.#array(message, MAX_NESTING)) {
        this.#at = start
        this.#raw(packWire(toWire(message, 'message')))
      }
      if (this.#at - start > maxBytes) throw tooLarge(maxBytes)
    } catch (error) {
      this.#at = start
      throw error
    }
    this.#count++
    return this.#at - start
  }

  /** Takes the last message off again; `bytes` is its size. */
  drop(bytes: number): void {
    this.#at -= bytes
    this.#count--
  }

  /** The frame; the writer is not used after. */
  finish(tableVersion: number): Buffer {
    const bytes = this.#bytes
    bytes[0] = 0x92
    bytes[1] = 0xcb
    bytes.writeDoubleBE(tableVersion, 2)
    bytes[10] = 0xdd
    bytes.writeUInt32BE(this.#count, 11)
    return bytes.subarray(0, this.#at)
  }

  #room(length: number): void {
    if (this.#at + length > this.#limit) throw tooLarge(this.#limit - SLACK - this.#start)
    if (this.#at + length <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + length))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** False when an item is not of the simple kinds. */
  #array(items: readonly unknown[], nesting: number): boolean {
    const length = items.length
    if (nesting === 0 || length > 0xffff || Object.getPrototypeOf(items) !== Array.prototype) return false
    this.#room(12)
    if (length < 16) this.#bytes[this.#at++] = 0x90 | length
    else this.#sized(0xdc, length)
    for (let i = 0; i < length; i++) if (!this.#item(items[i], nesting)) return false
    return true
  }

  #item(item: unknown, nesting: number): boolean {
    switch (typeof item) {
      case 'number':
        return this.#number(item)
      case 'string':
        return this.#text(item)
      case 'object':
        if (item === null) return this.#one(0xc0)
        if (Array.isArray(item)) return this.#array(item as unknown[], nesting - 1)
        return item instanceof Uint8Array && this.#blob(item)
      case 'boolean':
        return this.#one(item ? 0xc3 : 0xc2)
      default:
        return false
    }
  }

  #one(token: number): true {
    this.#room(1)
    this.#bytes[this.#at++] = token
    return true
  }

  #number(value: number): boolean {
    this.#room(9)
    const bytes = this.#bytes
    if (value >>> 0 === value) {
      if (value < 0x80) {
        if (value === 0 && 1 / value < 0) return false
        bytes[this.#at++] = value
      } else if (value < 0x10000) this.#sized(0xcd, value)
      else {
        bytes[this.#at] = 0xce
        bytes[this.#at + 1] = value >>> 24
        bytes[this.#at + 2] = value >>> 16
        bytes[this.#at + 3] = value >>> 8
        bytes[this.#at + 4] = value
        this.#at += 5
      }
      return true
    }
    bytes[this.#at] = 0xcb
    this.#at = bytes.writeDoubleBE(value, this.#at + 1)
    return true
  }

  /** A token and a 16-bit number; room was made. */
  #sized(token: number, value: number): void {
    this.#bytes[this.#at] = token
    this.#bytes[this.#at + 1] = value >>> 8
    this.#bytes[this.#at + 2] = value
    this.#at += 3
  }

  #text(text: string): boolean {
    const length = text.length
    if (length > SHORT_TEXT) return this.#longText(text)
    this.#room(length + 2)
    const bytes = this.#bytes
    let at = this.#at
    if (length < 32) bytes[at++] = 0xa0 | length
    else {
      bytes[at] = 0xd9
      bytes[at + 1] = length
      at += 2
    }
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i)
      if (unit >= 0x80) return this.#longText(text)
      bytes[at++] = unit
    }
    this.#at = at
    return true
  }

  #longText(text: string): boolean {
    if (!text.isWellFormed() || text.charCodeAt(0) === 0xfeff) return false
    const length = Buffer.byteLength(text)
    this.#long(0xdb, length)
    this.#at += this.#bytes.write(text, this.#at, length, 'utf8')
    return true
  }

  #blob(blob: Uint8Array): boolean {
    this.#long(0xc6, blob.byteLength)
    this.#bytes.set(blob, this.#at)
    this.#at += blob.byteLength
    return true
  }

  /** A token, a 32-bit length, and room for as much. */
  #long(token: number, length: number): void {
    this.#room(length + 5)
    this.#bytes[this.#at] = token
    this.#at = this.#bytes.writeUInt32BE(length, this.#at + 1)
  }
}
