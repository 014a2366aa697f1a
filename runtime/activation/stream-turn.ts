/**
 * A turn that is a stream: an async generator method, driven item by item by whoever reads it.
 *
 * The turn lasts until the generator ends or its reader leaves, so an exclusive stream keeps other turns out and a
 * readonly one lets readers in. A yield of an exclusive stream is a commit point: the item leaves when what came before it
 * is durable (P3); a throw takes back what came after the last yield. A reader that asks for nothing for READER_IDLE_MS
 * has left. The turn's deadline counts for each item anew.
 */
import type { CallKeeper, Invocation } from '../../actors/invocation.ts'
import { turnScope } from '../../actors/invocation.ts'
import { TroupeError } from '../../core/errors.ts'
import type { Activation } from './activation.ts'
import { nameOf, takeResult } from './turn.ts'

export const READER_IDLE_MS = 60_000

/** Answers the call with its stream. */
export function startStream(activation: Activation, call: Invocation, generator: AsyncGenerator<unknown>): void {
  call.host = activation.services.hostId
  call.epoch = activation.epoch
  const stream = new StreamTurn(activation, call, generator)
  call.succeed(stream)
}

export class StreamTurn implements AsyncIterableIterator<unknown>, CallKeeper {
  readonly #activation: Activation
  readonly #call: Invocation
  readonly #generator: AsyncGenerator<unknown>
  #last: Promise<unknown> = Promise.resolve()
  #phase: 'open' | 'ended' = 'open'
  #failure: unknown
  /** Told when the stream ends while nobody asks for an item. */
  onEnded: ((why: unknown) => void) | undefined
  /** Rejects the item that is awaited, when the activation ends under it. */
  #cut: ((why: unknown) => void) | undefined

  constructor(activation: Activation, call: Invocation, generator: AsyncGenerator<unknown>) {
    this.#activation = activation
    this.#call = call
    this.#generator = generator
    call.keeper = this
    this.#awaitReader()
  }

  /** The activation ended under the stream. */
  abandoned(_call: Invocation, why: unknown): void {
    this.#phase = 'ended'
    this.#failure = why
    if (this.#cut !== undefined) this.#cut(why)
    else this.onEnded?.(why)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<unknown>> {
    const step = this.#last.then(() => this.#pull())
    this.#last = step.catch(() => undefined)
    return step
  }

  /** The reader leaves: the generator's `finally` blocks run, then the turn ends. */
  return(): Promise<IteratorResult<unknown>> {
    // A generator that waits for its next item learns of it by its signal; `finally` blocks run when it comes back.
    if (this.#cut !== undefined) this.#call.abort(new TroupeError('CANCELLED', `${nameOf(this.#call)}: its reader left`))
    const step = this.#last.then(async () => {
      if (this.#phase === 'open') await this.#close()
      return { done: true as const, value: undefined }
    })
    this.#last = step.catch(() => undefined)
    return step
  }

  async #pull(): Promise<IteratorResult<unknown>> {
    if (this.#phase === 'ended') {
      const failure = this.#failure
      this.#failure = undefined
      if (failure !== undefined) throw failure
      return { done: true, value: undefined }
    }
    const step = await this.#resume(() => this.#generator.next())
    if (step.done === true) {
      this.#end({ threw: false, value: undefined })
      await this.#durable()
      // What the last part left may have been refused: its reader must not take that for a good end.
      if (this.#call.failed) throw this.#call.outcome
      return { done: true, value: undefined }
    }
    const item = await this.#emit(step.value)
    this.#awaitReader()
    return { done: false, value: item }
  }

  /** Runs the generator up to its next yield, inside its turn. */
  async #resume(step: () => Promise<IteratorResult<unknown>>): Promise<IteratorResult<unknown>> {
    const { services, type } = this.#activation
    services.watchStream(this.#call, type.turnTimeoutMs, () => this.#timedOut())
    try {
      return await new Promise((resolve, reject) => {
        this.#cut = reject
        turnScope.run(this.#call, step).then(resolve, reject)
      })
    } catch (error) {
      // The activation ended (#failure is set and told), or the generator threw: its turn ends with the error.
      if (this.#phase === 'open') {
        this.#end({ threw: true, value: error })
        await this.#durable()
        throw this.#call.outcome
      }
      this.#failure = undefined
      throw error
    } finally {
      this.#cut = undefined
    }
  }

  async #emit(value: unknown): Promise<unknown> {
    try {
      const item = takeResult(this.#call, value, this.#activation.services.maxPayloadBytes)
      this.#activation.captureStream(this.#call)
      await this.#durable()
      return item
    } catch (error) {
      if (this.#phase === 'ended') throw error
      await this.#generator.return(undefined).catch(() => undefined)
      this.#end({ threw: true, value: error })
      await this.#durable()
      throw this.#call.outcome
    }
  }

  async #close(): Promise<void> {
    this.#activation.services.watchStream(this.#call, this.#activation.type.turnTimeoutMs, () => this.#timedOut())
    try {
      await turnScope.run(this.#call, () => this.#generator.return(undefined))
      this.#end({ threw: false, value: undefined })
    } catch (error) {
      this.#end({ threw: true, value: error })
    }
  }

  #end(outcome: { threw: boolean; value: unknown }): void {
    if (this.#phase === 'ended') return
    this.#phase = 'ended'
    this.#call.keeper = undefined
    this.#activation.finishStream(this.#call, outcome)
  }

  #durable(): Promise<void> {
    return new Promise((resolve, reject) => this.#activation.whenDurable(resolve, reject))
  }

  #awaitReader(): void {
    if (this.#phase === 'ended') return
    this.#activation.services.watchStream(this.#call, READER_IDLE_MS, () => void this.#readerGone())
  }

  /** It may come back all the same: then it must not take this for the good end of the stream. */
  async #readerGone(): Promise<void> {
    await this.return()
    this.#failure ??= new TroupeError('CANCELLED', `${nameOf(this.#call)}: its reader asked for nothing for ${READER_IDLE_MS} ms, so the stream was ended`, { executed: 'yes' })
    this.onEnded?.(this.#failure)
  }

  #timedOut(): void {
    this.#activation.end(new TroupeError('TURN_TIMEOUT', `${nameOf(this.#call)}: no item within ${this.#activation.type.turnTimeoutMs} ms; the turn was abandoned`))
  }
}
