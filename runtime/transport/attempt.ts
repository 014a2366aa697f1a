/**
 * One attempt to reach a host, shared by all who ask for it meanwhile; each of them waits as long as it said.
 *
 * It ends with a link (its own dial was answered, or the peer's dial came first), with a failure, or when nobody waits
 * any more. A dial that was superseded is made again while others wait: the stream it gave way to may never come.
 */
import type { Clock, Timer } from '../../core/clock.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import { decodeAnswer, encodeDialHello, type DialHello, type Hello } from './hello.ts'
import type { PeerLink } from './transport.ts'
import { ConnectionRefused, type Dial, type Wire } from './wire.ts'

const REDIAL_MS = 100

interface Waiter {
  readonly resolve: (link: PeerLink) => void
  readonly reject: (error: Error) => void
  readonly timer: Timer
}

export interface AttemptContext {
  readonly peerId: string
  readonly address: string
  /** Taken over from an attempt at another address. */
  readonly waiters: readonly Waiter[]
  readonly clock: Clock
  readonly dial: Dial
  /** A fresh hello: each dial has its number. */
  readonly hello: () => DialHello
  /** Makes the link of an answered dial. */
  readonly opened: (wire: Wire, answer: Hello, dial: number) => PeerLink
  readonly over: () => void
}

export class Attempt {
  readonly address: string
  readonly #context: AttemptContext
  readonly #waiters = new Set<Waiter>()
  #wire: Wire | undefined
  #redial: Timer | undefined
  #phase: 'dialling' | 'over' = 'dialling'
  #failure: Error | undefined

  constructor(context: AttemptContext) {
    this.#context = context
    this.address = context.address
    for (const waiter of context.waiters) this.#waiters.add(waiter)
  }

  /** @throws PEER_UNREACHABLE within `timeoutMs` */
  wait(timeoutMs: number): Promise<PeerLink> {
    // A dial that failed at once has nobody to tell but this caller.
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject, timer: this.#context.clock.after(timeoutMs, () => this.#timedOut(waiter, timeoutMs)) }
      this.#waiters.add(waiter)
    })
  }

  #timedOut(waiter: Waiter, timeoutMs: number): void {
    waiter.timer.cancel()
    this.#waiters.delete(waiter)
    waiter.reject(this.#unreachable(`no answer within ${timeoutMs} ms`))
    if (this.#waiters.size === 0) this.#end()
  }

  start(): void {
    const { dial, hello, address, peerId } = this.#context
    const greeting = hello()
    const wire = dial(address)
    this.#wire = wire
    wire.listen({
      onBytes: bytes => this.#answered(wire, bytes, greeting.dial),
      onEnd: () => this.fail(this.#unreachable('it ended the stream without an answer')),
      onClosed: reason => this.fail(this.#unreachable(reason.message, reason instanceof ConnectionRefused, reason)),
    })
    if (this.#wire === wire) wire.write(encodeDialHello({ ...greeting, expected: peerId }), () => {})
  }

  #answered(wire: Wire, bytes: Uint8Array, dial: number): void {
    const { peerId, address, clock, opened } = this.#context
    try {
      const answer = decodeAnswer(bytes, `host ${peerId} at ${address}`)
      if (!('refused' in answer)) {
        if (answer.hostId !== peerId) throw new TroupeError('PROTOCOL', `host ${answer.hostId} answers there`)
        const impostor = wire.identityProblem?.(peerId)
        if (impostor !== undefined) throw new TroupeError('FORBIDDEN', `FORBIDDEN: ${impostor}`)
        return this.#succeed(opened(wire, answer, dial))
      }
      if (answer.refused !== 'superseded') return this.fail(this.#unreachable(answer.reason, false, undefined, answer.refused))
      this.#drop()
      this.#redial = clock.after(REDIAL_MS, () => this.start())
    } catch (error) {
      this.fail(this.#unreachable(messageOf(error), false, error))
    }
  }

  /** The peer's dial was taken in place of this one. */
  yieldTo(link: PeerLink): void {
    this.#drop()
    this.#succeed(link)
  }

  #succeed(link: PeerLink): void {
    this.#wire = undefined
    const waiters = [...this.#waiters]
    this.#end()
    for (const waiter of waiters) {
      waiter.timer.cancel()
      waiter.resolve(link)
    }
  }

  fail(error: Error): void {
    if (this.#phase === 'over') return
    this.#failure = error
    const waiters = [...this.#waiters]
    this.#end()
    for (const waiter of waiters) {
      waiter.timer.cancel()
      waiter.reject(error)
    }
  }

  /** Ends without telling those who wait; they go over to another attempt. */
  abandon(): readonly Waiter[] {
    const waiters = [...this.#waiters]
    this.#end()
    return waiters
  }

  #drop(): void {
    const wire = this.#wire
    this.#wire = undefined
    wire?.listen({ onBytes: () => {}, onEnd: () => {}, onClosed: () => {} })
    wire?.destroy()
  }

  #end(): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#redial?.cancel()
    this.#waiters.clear()
    this.#drop()
    this.#context.over()
  }

  #unreachable(reason: string, refused = false, cause?: unknown, kind?: string): TroupeError {
    const { peerId, address } = this.#context
    const data = { peerId, address, refused, ...(kind === undefined ? {} : { kind }) }
    return new TroupeError('PEER_UNREACHABLE', `host ${peerId} at ${address} cannot be reached: ${reason}`, { data, cause })
  }
}
