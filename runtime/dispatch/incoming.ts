/**
 * Calls of peers that this host runs: one answer each, sent back on the link they came by. A link that closes cancels what
 * has not started and ends its streams.
 */
import { decodeChain } from '../../actors/call-chain.ts'
import { Invocation } from '../../actors/invocation.ts'
import { isPrimitive } from '../../core/codec.ts'
import type { Logger } from '../../core/logger.ts'
import type { Message, PeerLink } from '../transport/transport.ts'
import { flag, kind, packError, packResult, unpackArgs } from './messages.ts'

type Stream = AsyncIterableIterator<unknown>

export class Incoming {
  readonly #route: (call: Invocation, senderVersion: number, untyped: boolean) => void
  readonly #status: () => Uint8Array
  readonly #log: Logger
  readonly #calls = new Map<PeerLink, Map<number, Invocation>>()
  readonly #streams = new Map<PeerLink, Map<number, Stream>>()

  constructor(hooks: { route: (call: Invocation, senderVersion: number, untyped: boolean) => void; status: () => Uint8Array; log: Logger }) {
    this.#route = hooks.route
    this.#status = hooks.status
    this.#log = hooks.log
  }

  get size(): number {
    let size = 0
    for (const calls of this.#calls.values()) size += calls.size
    return size
  }

  /** Handles a peer's request; false when the message is not one. */
  receive(link: PeerLink, message: Message, senderVersion: number): boolean {
    const id = message[1] as number
    switch (message[0]) {
      case kind.call:
        this.#call(link, id, message, senderVersion)
        return true
      case kind.cancel: {
        const call = this.#calls.get(link)?.get(id)
        if (call !== undefined) call.abandon('CANCELLED', 'the caller gave up')
        else void this.#takeStream(link, id)?.return?.()
        return true
      }
      case kind.next:
        void this.#next(link, id)
        return true
      case kind.ask:
        link.send([kind.status, id, this.#status()])
        return true
      default:
        return false
    }
  }

  #call(link: PeerLink, id: number, message: Message, senderVersion: number): void {
    const [, , typeName, actorId, methodName, packed, timeoutMs, chain, flags] = message as [number, number, string, string, string, unknown, number, unknown, number]
    let calls = this.#calls.get(link)
    if (calls === undefined) this.#calls.set(link, (calls = new Map()))
    const ofLink = calls
    let args
    try {
      args = unpackArgs(packed)
    } catch (error) {
      link.send([kind.error, id, packError(error)])
      return
    }
    const call = new Invocation(
      { typeName, id: actorId, methodName, args, timeoutMs, parent: decodeChain(chain), form: 'encoded', reads: (flags & flag.reads) !== 0 },
      (value, answered) => {
        ofLink.delete(id)
        if (isStream(value)) this.#open(link, id, value, answered.epoch)
        else this.#answer(link, [kind.result, id, packResult(value), answered.epoch])
      },
      error => {
        ofLink.delete(id)
        this.#answer(link, [kind.error, id, packError(error)])
      },
    )
    ofLink.set(id, call)
    this.#route(call, senderVersion, (flags & flag.untyped) !== 0)
  }

  #answer(link: PeerLink, message: Message): void {
    let taken
    try {
      taken = link.send(message)
    } catch (error) {
      // An answer that no link could carry: the caller is told so instead.
      taken = link.send([kind.error, message[1], packError(error)])
    }
    if (!taken) this.#log.warn({ peer: link.peerId }, 'an answer was dropped: the link is closed or full; its caller gets a timeout')
  }

  #open(link: PeerLink, id: number, stream: Stream, epoch: number): void {
    let streams = this.#streams.get(link)
    if (streams === undefined) this.#streams.set(link, (streams = new Map()))
    streams.set(id, stream)
    this.#answer(link, [kind.stream, id, epoch])
  }

  #takeStream(link: PeerLink, id: number): Stream | undefined {
    const streams = this.#streams.get(link)
    const stream = streams?.get(id)
    streams?.delete(id)
    return stream
  }

  async #next(link: PeerLink, id: number): Promise<void> {
    const stream = this.#streams.get(link)?.get(id)
    if (stream === undefined) return
    try {
      const step = await stream.next()
      if (step.done === true) {
        this.#takeStream(link, id)
        this.#answer(link, [kind.end, id])
      } else this.#answer(link, [kind.item, id, packResult(step.value)])
    } catch (error) {
      this.#takeStream(link, id)
      this.#answer(link, [kind.error, id, packError(error)])
    }
  }

  closed(link: PeerLink): void {
    for (const call of [...this.#calls.get(link)?.values() ?? []]) if (call.turnPhase === 'waiting') call.abandon('CANCELLED', 'the link to the caller closed')
    for (const stream of this.#streams.get(link)?.values() ?? []) void stream.return?.()
    this.#calls.delete(link)
    this.#streams.delete(link)
  }
}

const isStream = (value: unknown): value is Stream => !isPrimitive(value) && !(value instanceof Uint8Array) && Symbol.asyncIterator in (value as object)
