/**
 * Calls of peers that this host runs: one answer each, sent back on the link they came by. A link that closes cancels what
 * has not started and ends its streams.
 */
import { unpackCaller, type Caller } from '../../actors/authorize.ts'
import { decodeChain } from '../../actors/call-chain.ts'
import { Invocation, type CallKind, type CallParts } from '../../actors/invocation.ts'
import { isPrimitive } from '../../core/codec.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import type { Message, PeerLink } from '../transport/transport.ts'
import { weightOf } from './load-weight.ts'
import { checkMessage } from './message-check.ts'
import { cutError, flag, kind, packError, packResult, unpackArgs, unpackOnce } from './messages.ts'
import type { CallAdmission } from './overload.ts'

interface Stream extends AsyncIterableIterator<unknown> {
  /** Told when the stream ends while nobody asks for an item. */
  onEnded?: ((why: unknown) => void) | undefined
}

interface IncomingHooks {
  readonly route: (call: Invocation, senderVersion: number, untyped: boolean) => void
  /** This host's own status, encoded. */
  readonly status: () => Uint8Array
  readonly log: Logger
  /** Which calls are taken on; all, when absent. */
  readonly admission?: CallAdmission
}

/** A call whose caller is a peer. */
class PeerCall extends Invocation {
  readonly #served: Served
  /** Its id on the caller's link; `wireId` is another one when the call is passed on. */
  readonly callerId: number
  #admission: CallAdmission | undefined

  constructor(call: CallParts, served: Served, callerId: number) {
    super(call, 'encoded')
    this.#served = served
    this.callerId = callerId
  }

  /** Counts as under way from here to its answer, or is refused. */
  enter(admission: CallAdmission, bytes: number): boolean {
    this.bytes = bytes
    const refusal = admission.enter(this, false)
    if (refusal === undefined) this.#admission = admission
    else this.fail(refusal)
    return refusal === undefined
  }

  protected answer(value: unknown): void {
    this.#admission?.leave(this)
    this.#served.answer(this, value)
  }
  protected refuse(error: unknown): void {
    this.#admission?.leave(this)
    this.#served.refuse(this, error)
  }
}

/** What this host runs for one link. */
class Served {
  readonly link: PeerLink
  /** Calls that were not answered at once. */
  readonly calls = new Map<number, Invocation>()
  readonly streams = new Map<number, Stream>()
  phase: 'open' | 'closed' = 'open'
  /** Of calls that do not say who calls. */
  readonly caller: Caller
  readonly #log: Logger

  constructor(link: PeerLink, log: Logger) {
    this.link = link
    this.caller = { kind: 'host', id: link.peerId }
    this.#log = log
  }

  answer(call: PeerCall, value: unknown): void {
    if (this.calls.size > 0) this.calls.delete(call.callerId)
    if (!isStream(value)) {
      const message = [kind.result, call.callerId, packResult(value), call.epoch]
      if (call.appReply) message.push(1)
      return this.send(message)
    }
    const { callerId } = call
    this.streams.set(callerId, value)
    // A reader that never asks again must not hold its end, nor this map the other.
    value.onEnded = why => { if (this.takeStream(callerId) !== undefined) this.send([kind.error, callerId, packError(why)]) }
    this.send([kind.stream, callerId, call.epoch])
  }

  refuse(call: PeerCall, error: unknown): void {
    if (this.calls.size > 0) this.calls.delete(call.callerId)
    this.send([kind.error, call.callerId, packError(error)])
  }

  send(message: Message): void {
    let taken
    try {
      taken = this.link.send(message)
    } catch (error) {
      // An answer that no link could carry: the caller is told so instead, or gets the beginning of a long error.
      taken = this.link.send([kind.error, message[1], message[0] === kind.error ? cutError(message[2]) : packError(ranToItsEnd(messageOf(error)))])
    }
    if (!taken && this.phase === 'open') this.#log.warn({ peer: this.link.peerId }, 'an answer was dropped: the link is full or closing; its caller is told that nobody knows, or gets a timeout')
  }

  takeStream(id: number): Stream | undefined {
    const stream = this.streams.get(id)
    this.streams.delete(id)
    return stream
  }

  async next(id: number): Promise<void> {
    const stream = this.streams.get(id)
    if (stream === undefined) return
    try {
      const step = await stream.next()
      if (step.done === true) {
        this.takeStream(id)
        this.send([kind.end, id])
      } else this.send([kind.item, id, packResult(step.value)])
    } catch (error) {
      this.takeStream(id)
      this.send([kind.error, id, packError(error)])
    }
  }
}

export class Incoming {
  readonly #hooks: IncomingHooks
  readonly #links = new Map<PeerLink, Served>()

  constructor(hooks: IncomingHooks) {
    this.#hooks = hooks
  }

  get size(): number {
    let size = 0
    for (const { calls } of this.#links.values()) size += calls.size
    return size
  }

  #of(link: PeerLink): Served {
    let served = this.#links.get(link)
    if (served === undefined) this.#links.set(link, (served = new Served(link, this.#hooks.log)))
    return served
  }

  /** Handles a peer's request; false when the message is not one. @throws PROTOCOL when the message is not of its kind's shape, whatever kind */
  receive(link: PeerLink, message: Message, senderVersion: number): boolean {
    checkMessage(link.peerId, message)
    const id = message[1] as number
    switch (message[0]) {
      case kind.call:
        this.#call(this.#of(link), id, message, senderVersion)
        return true
      case kind.cancel: {
        const served = this.#of(link)
        const call = served.calls.get(id)
        if (call !== undefined) call.abandon('CANCELLED', 'the caller gave up')
        else void served.takeStream(id)?.return?.()
        return true
      }
      case kind.next:
        void this.#of(link).next(id)
        return true
      case kind.ask:
        link.send([kind.status, id, this.#hooks.status()])
        return true
      default:
        return false
    }
  }

  #call(served: Served, id: number, message: Message, senderVersion: number): void {
    const flags = message[8] as number
    let args
    try {
      args = unpackArgs(message[5])
    } catch (error) {
      return served.send([kind.error, id, packError(error)])
    }
    const call = new PeerCall({
      typeName: message[2] as string, id: message[3] as string, methodName: message[4] as string, args, timeoutMs: message[6] as number,
      parent: message[7] === null ? undefined : decodeChain(message[7]),
      kind: kindOf(flags), once: unpackOnce(message[9]),
      caller: unpackCaller(message[10]) ?? served.caller,
    }, served, id)
    const { admission, route } = this.#hooks
    if (admission !== undefined && !call.enter(admission, packedBytes(message[5]))) return
    route(call, senderVersion, (flags & flag.untyped) !== 0)
    if (!call.settled) served.calls.set(id, call)
  }

  closed(link: PeerLink): void {
    const served = this.#links.get(link)
    if (served === undefined) return
    this.#links.delete(link)
    served.phase = 'closed'
    for (const call of [...served.calls.values()]) if (call.turnPhase === 'waiting') call.abandon('CANCELLED', 'the link to the caller closed')
    for (const stream of served.streams.values()) void stream.return?.()
  }
}

const kindOf = (flags: number): CallKind =>
  (flags & flag.body) === flag.body ? 'body' : (flags & flag.read) !== 0 ? 'read' : (flags & flag.manage) !== 0 ? 'manage' : 'method'

const packedBytes = (args: unknown): number => args instanceof Uint8Array ? args.length : weightOf(args as readonly unknown[])

const ranToItsEnd = (reason: string): TroupeError => new TroupeError('RESULT_TOO_LARGE', `the result cannot travel: ${reason}`)

const isStream = (value: unknown): value is Stream => !isPrimitive(value) && !(value instanceof Uint8Array) && Symbol.asyncIterator in (value as object)
