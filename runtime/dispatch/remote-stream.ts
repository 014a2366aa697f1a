/**
 * The reader's end of a stream that a peer runs. Pull-based: the peer makes an item only when one was asked for, so a slow
 * reader holds nothing but its own turn. `return()` tells the peer to end the turn.
 */
import type { Message } from '../transport/transport.ts'
import { kind } from './messages.ts'

export class RemoteStream implements AsyncIterableIterator<unknown> {
  readonly #send: (message: Message) => boolean
  readonly #id: number
  readonly #forget: () => void
  #waiting: { resolve: (step: IteratorResult<unknown>) => void; reject: (error: unknown) => void }[] = []
  #phase: 'open' | 'ended' = 'open'
  #failure: unknown

  constructor(send: (message: Message) => boolean, id: number, forget: () => void) {
    this.#send = send
    this.#id = id
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
      this.#send([kind.next, this.#id, 1])
    })
  }

  return(): Promise<IteratorResult<unknown>> {
    if (this.#phase === 'open') {
      this.#send([kind.cancel, this.#id])
      this.end(undefined)
    }
    return Promise.resolve({ done: true, value: undefined })
  }

  item(value: unknown): void {
    this.#waiting.shift()?.resolve({ done: false, value })
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
