/**
 * The reader's end of a stream that a peer runs. Pull-based: the peer makes an item only when one was asked for, so a slow
 * reader holds nothing but its own turn. `return()` tells the peer to end the turn.
 */
import { TroupeError } from '../../core/errors.ts'
import type { Message } from '../transport/transport.ts'
import { kind } from './messages.ts'

export class RemoteStream implements AsyncIterableIterator<unknown> {
  readonly #send: (message: Message) => boolean
  readonly #id: number
  readonly #unpack: (packed: unknown) => unknown
  readonly #forget: () => void
  #waiting: { resolve: (step: IteratorResult<unknown>) => void; reject: (error: unknown) => void }[] = []
  #phase: 'open' | 'ended' = 'open'
  #failure: unknown

  constructor(send: (message: Message) => boolean, id: number, unpack: (packed: unknown) => unknown, forget: () => void) {
    this.#send = send
    this.#id = id
    this.#unpack = unpack
    this.#forget = forget
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<unknown>> {
    if (this.#phase === 'ended') {
      const failure = this.#failure
      this.#failure = undefined
      return failure === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(failure as Error)
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      // Nothing is lost by the full link: the item was not asked for. But nobody would answer this reader.
      if (!this.#send([kind.next, this.#id, 1])) this.#leave(new TroupeError('OVERLOADED', 'too many bytes wait for the host of this stream; read it anew', { executed: 'unknown' }))
    })
  }

  return(): Promise<IteratorResult<unknown>> {
    if (this.#phase === 'open') this.#leave(undefined)
    return Promise.resolve({ done: true, value: undefined })
  }

  #leave(error: unknown): void {
    this.#send([kind.cancel, this.#id])
    this.end(error)
  }

  /** An item as it came. */
  item(packed: unknown): void {
    try {
      const value = this.#unpack(packed)
      this.#waiting.shift()?.resolve({ done: false, value })
    } catch (error) {
      this.#leave(error)
    }
  }

  /** No more items come; a reader that waits gets `error`, the others the end. */
  end(error: unknown): void {
    if (this.#phase === 'ended') return
    this.#phase = 'ended'
    this.#forget()
    const [first, ...rest] = this.#waiting
    this.#waiting = []
    if (first === undefined) this.#failure = error
    else if (error === undefined) first.resolve({ done: true, value: undefined })
    else first.reject(error)
    for (const reader of rest) reader.resolve({ done: true, value: undefined })
  }
}
