/** Chance as a port: the system's own, or a seeded one that repeats. */
import { randomBytes } from 'node:crypto'

export interface Random {
  /** Uniform in [0, 1). */
  float(): number
  /** A fresh name of 16 lower-case hex digits: nonces, incarnations. */
  nonce(): string
}

export class SystemRandom implements Random {
  float(): number {
    return Math.random()
  }
  nonce(): string {
    return randomBytes(8).toString('hex')
  }
}

/** xorshift128 seeded by splitmix32: the same seed gives the same sequence on every machine. */
export class SeededRandom implements Random {
  #s: [number, number, number, number]

  constructor(seed: number) {
    let x = seed | 0
    const mix = (): number => {
      x = (x + 0x9e3779b9) | 0
      let z = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      return (z ^ (z >>> 15)) >>> 0
    }
    this.#s = [mix(), mix(), mix(), mix() | 1]
  }
  #next(): number {
    const [a, b, c, d] = this.#s
    let t = a ^ (a << 11)
    t ^= t >>> 8
    this.#s = [b, c, d, (d ^ (d >>> 19) ^ t) >>> 0]
    return this.#s[3]
  }
  float(): number {
    return this.#next() / 0x1_0000_0000
  }
  nonce(): string {
    return (this.#next().toString(16).padStart(8, '0') + this.#next().toString(16).padStart(8, '0'))
  }
}
