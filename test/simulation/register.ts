/** A register: the smallest actor of which it can be asked whether its calls have an order (checkers/linearizable.ts). */
import { Actor } from '../../index.ts'

export type RegisterMethod = 'write' | 'swap' | 'read'

export interface RegisterCall {
  readonly id: string
  readonly method: RegisterMethod
  /** What it writes; no two calls write the same. 0 for a read. */
  readonly value: number
  readonly invokedMs: number
  /** Infinity when nobody knows whether it ran: it may have, at any time. */
  settledMs: number
  /** The value before it, of a swap or read that was answered. */
  result: number | undefined
}

/** A class of its own for each run. */
export function registerClass() {
  return class Register extends Actor {
    value = 0

    static readonly type = 'Register'
    static readonly options = { idleAfter: '3s' }
    static readonly methods = { read: { readonly: true } }

    write(value: number): void {
      this.value = value
    }
    swap(value: number): number {
      const before = this.value
      this.value = value
      return before
    }
    read(): number {
      return this.value
    }
  }
}
