/** Byte strings that are almost right: what fuzzing feeds to whoever reads bytes of others. Seeded, so that a failure comes again. */
import { SeededRandom } from '../../core/random.ts'

/** Tokens that claim something about what follows: lengths, nesting, extensions. */
const CLAIMS = [0xc1, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcf, 0xd3, 0xd4, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0x8f, 0x9f, 0xbf, 0xff, 0x00, 0x80, 0x90, 0xa0, 0xc0]

/** Values where others belong. */
const STRANGE: readonly unknown[] = [
  undefined, null, true, -1, 0, 1, 2, 3, 1.5, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1n, 2n ** 80n, '', 'x', 'a/b', '..', 'a\0b', '__proto__', 'constructor',
  '\ud800', 'y'.repeat(5000), [], [[]], [null, null, null], {}, { length: 2 ** 40 }, { then: 1 }, new Map([[1, 1]]), new Set([1]), new Date(NaN), new Uint8Array(0), new Uint8Array([0xc1]), new Float64Array(2),
]

export class Mutations {
  readonly #random: SeededRandom

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
  }

  below(n: number): number {
    return Math.floor(this.#random.float() * n)
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }

  /** One of `seeds`, changed in one to four ways, mostly one. */
  next(seeds: readonly Uint8Array[]): Buffer {
    let bytes: Buffer = Buffer.from(this.pick(seeds))
    for (let ways = Math.max(1, this.below(6) - 1); ways > 0; ways--) bytes = this.#change(bytes, seeds)
    return bytes
  }

  /** A copy of a tree of arrays with one leaf replaced, or one list cut short: well encoded, and wrong. */
  twist(tree: readonly unknown[]): unknown[] {
    const copy = [...tree]
    const at = this.below(copy.length)
    const child = copy[at]
    if (Array.isArray(child) && child.length > 0 && this.below(4) > 0) copy[at] = this.twist(child)
    else if (this.below(8) === 0) copy.length = at
    else copy[at] = this.pick(STRANGE)
    return copy
  }

  #change(bytes: Buffer, seeds: readonly Uint8Array[]): Buffer {
    if (bytes.length === 0) return Buffer.from([this.below(256)])
    const at = this.below(bytes.length)
    switch (this.below(8)) {
      case 0: case 1:
        bytes[at]! ^= 1 << this.below(8)
        return bytes
      case 2:
        bytes[at] = this.pick(CLAIMS)
        return bytes
      case 3:
        return bytes.subarray(0, at)
      case 4: {
        const other = this.pick(seeds)
        return Buffer.concat([bytes.subarray(0, at), other.subarray(this.below(other.length))])
      }
      case 5: {
        // A length of four bytes, of any size.
        for (let i = at; i < Math.min(at + 4, bytes.length); i++) bytes[i] = this.below(3) === 0 ? 0xff : this.below(256)
        return bytes
      }
      case 6: {
        const to = at + this.below(bytes.length - at + 1)
        return Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)])
      }
      default:
        return Buffer.from(Array.from({ length: this.below(64) }, () => this.below(256)))
    }
  }
}

/** Bytes in use after everything that can be dropped was dropped. Needs `exposeGc`. */
export async function heapInUse(): Promise<number> {
  const collect = (globalThis as { gc?: () => void }).gc
  for (let i = 0; i < 6; i++) {
    collect?.()
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
