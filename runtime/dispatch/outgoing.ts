/**
 * Calls of this host that peers run: each waits under its id for exactly one answer, or for its link to close.
 * A link that closes leaves its calls 'unknown': they may have run. Nothing is resent here.
 */
import { encodeChain } from '../../actors/call-chain.ts'
import type { Invocation } from '../../actors/invocation.ts'
import { TroupeError } from '../../core/errors.ts'
import type { Message, PeerLink } from '../transport/transport.ts'
import { flag, kind, packArgs, unpackError, unpackResult } from './messages.ts'
import { RemoteStream } from './remote-stream.ts'

export class Outgoing {
  readonly #maxPayloadBytes: number
  /** The peer answered that the actor is not there, at this version of its table. */
  readonly #onMoved: (call: Invocation, error: TroupeError) => void
  /** Starts the clock of its deadline; the milliseconds that are left. */
  readonly #watch: (call: Invocation) => number
  readonly #unwatch: (call: Invocation) => void
  readonly #calls = new Map<PeerLink, Map<number, Invocation>>()
  readonly #streams = new Map<PeerLink, Map<number, RemoteStream>>()
  readonly #asks = new Map<PeerLink, Map<number, (answer: Uint8Array | undefined) => void>>()
  #lastId = 0

  constructor(maxPayloadBytes: number, hooks: {
    onMoved: (call: Invocation, error: TroupeError) => void
    watch: (call: Invocation) => number
    unwatch: (call: Invocation) => void
  }) {
    this.#maxPayloadBytes = maxPayloadBytes
    this.#onMoved = hooks.onMoved
    this.#watch = hooks.watch
    this.#unwatch = hooks.unwatch
  }

  get size(): number {
    let size = 0
    for (const calls of this.#calls.values()) size += calls.size
    return size
  }

  /** False when the link takes no more: the call did not leave. @throws NOT_ENCODABLE · PAYLOAD_TOO_LARGE */
  send(link: PeerLink, call: Invocation, untyped: boolean): boolean {
    const id = ++this.#lastId
    const flags = (call.reads ? flag.reads : 0) | (untyped ? flag.untyped : 0)
    const args = packArgs(call.args, this.#maxPayloadBytes)
    const leftMs = this.#watch(call)
    const message: Message = [kind.call, id, call.typeName, call.id, call.methodName, args, leftMs, encodeChain(call.parent), flags]
    if (!link.send(message)) return false
    let calls = this.#calls.get(link)
    if (calls === undefined) this.#calls.set(link, (calls = new Map()))
    calls.set(id, call)
    call.turnPhase = 'running'
    call.host = link.peerId
    call.onAbandoned = () => {
      calls.delete(id)
      link.send([kind.cancel, id])
    }
    return true
  }

  /** Asks a peer for its status; undefined when the link closes first. The caller keeps the deadline. */
  ask(link: PeerLink): Promise<Uint8Array | undefined> {
    const id = ++this.#lastId
    return new Promise(resolve => {
      if (!link.send([kind.ask, id])) return resolve(undefined)
      let asks = this.#asks.get(link)
      if (asks === undefined) this.#asks.set(link, (asks = new Map()))
      asks.set(id, resolve)
    })
  }

  /** Handles an answer; false when the message is not one. */
  receive(link: PeerLink, message: Message): boolean {
    const id = message[1] as number
    switch (message[0]) {
      case kind.result: {
        const call = this.#take(link, id)
        if (call === undefined) return true
        call.epoch = message[3] as number
        call.succeed(unpackResult(message[2]))
        return true
      }
      case kind.error:
        this.#receiveError(link, id, message[2])
        return true
      case kind.stream: {
        const call = this.#take(link, id)
        if (call === undefined) return true
        call.epoch = message[2] as number
        call.turnPhase = 'over'
        let streams = this.#streams.get(link)
        if (streams === undefined) this.#streams.set(link, (streams = new Map()))
        const stream = new RemoteStream(message => link.send(message), id, () => streams.delete(id))
        streams.set(id, stream)
        call.succeed(stream)
        return true
      }
      case kind.item:
        this.#streams.get(link)?.get(id)?.item(unpackResult(message[2]))
        return true
      case kind.end:
        this.#streams.get(link)?.get(id)?.end(undefined)
        return true
      case kind.status: {
        const asks = this.#asks.get(link)
        asks?.get(id)?.(message[2] as Uint8Array)
        asks?.delete(id)
        return true
      }
      default:
        return false
    }
  }

  #receiveError(link: PeerLink, id: number, packed: unknown): void {
    const error = unpackError(packed)
    const call = this.#take(link, id)
    if (call === undefined) {
      this.#streams.get(link)?.get(id)?.end(error)
      return
    }
    if (TroupeError.is(error, 'MOVED')) {
      // Proof that it did not run: only now may it be sent again (P6).
      call.turnPhase = 'waiting'
      this.#onMoved(call, error)
    } else call.fail(error)
  }

  #take(link: PeerLink, id: number): Invocation | undefined {
    const calls = this.#calls.get(link)
    const call = calls?.get(id)
    if (call === undefined) return undefined
    calls!.delete(id)
    call.onAbandoned = undefined
    this.#unwatch(call)
    return call
  }

  closed(link: PeerLink, reason: Error): void {
    const lost = (what: string): TroupeError =>
      new TroupeError('PEER_LOST', `the link to host ${link.peerId} broke (${reason.message}); ${what}`, { cause: reason })
    for (const call of this.#calls.get(link)?.values() ?? []) {
      call.onAbandoned = undefined
      this.#unwatch(call)
      call.fail(lost('whether the call ran is not known'))
    }
    for (const stream of [...this.#streams.get(link)?.values() ?? []]) stream.end(lost('the stream is cut'))
    for (const answer of this.#asks.get(link)?.values() ?? []) answer(undefined)
    this.#calls.delete(link)
    this.#streams.delete(link)
    this.#asks.delete(link)
  }
}
