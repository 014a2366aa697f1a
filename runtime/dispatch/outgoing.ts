/**
 * Calls of this host that peers run: each waits under its id for exactly one answer, or for its link to close.
 * A link that closes leaves its calls 'unknown': they may have run. Nothing is resent here.
 */
import { packCaller } from '../../actors/authorize.ts'
import { encodeChain } from '../../actors/call-chain.ts'
import type { CallKeeper, CallKind, Invocation, Once } from '../../actors/invocation.ts'
import { TroupeError } from '../../core/errors.ts'
import { mechanisms } from '../../core/mechanisms.ts'
import type { Message, PeerLink } from '../transport/transport.ts'
import type { HostLives, LostLife } from './host-lives.ts'
import { flag, kind, packArgs, packOnce, unpackError, unpackResult } from './messages.ts'
import { fromHost } from './remote-error.ts'
import { RemoteStream } from './remote-stream.ts'

interface OutgoingHooks {
  /** The peer answered that the actor is not there. */
  readonly onMoved: (call: Invocation, error: TroupeError) => void
  /** Starts the clock of a call's deadline; the milliseconds that are left. */
  readonly watch: (call: Invocation) => number
  readonly unwatch: (call: Invocation) => void
  readonly lives: HostLives
}

/** Hosts that may die while they have a call with a key; before the last of them it goes alone, so that nobody else is taken for it. */
const MOST_DEATHS = 3

const flagOf: Partial<Record<CallKind, number>> = { read: flag.read, manage: flag.manage, body: flag.body }

/** What waits for answers on one link. */
class Awaited implements CallKeeper {
  readonly link: PeerLink
  readonly calls = new Map<number, Invocation>()
  readonly streams = new Map<number, RemoteStream>()
  readonly asks = new Map<number, (answer: Uint8Array | undefined) => void>()
  /** Whom the link is to: by when it breaks the table may not know any more. */
  readonly life: LostLife | undefined

  constructor(link: PeerLink, life: LostLife | undefined) {
    this.link = link
    this.life = life
  }

  abandoned(call: Invocation): void {
    this.calls.delete(call.wireId)
    this.link.send([kind.cancel, call.wireId])
  }
}

export class Outgoing {
  readonly #maxPayloadBytes: number
  readonly #hooks: OutgoingHooks
  readonly #links = new Map<PeerLink, Awaited>()
  /** The call with a key that has one death left. */
  #alone: Invocation | undefined
  #lastId = 0

  constructor(maxPayloadBytes: number, hooks: OutgoingHooks) {
    this.#maxPayloadBytes = maxPayloadBytes
    this.#hooks = hooks
  }

  get size(): number {
    let size = 0
    for (const { calls } of this.#links.values()) size += calls.size
    return size
  }

  #of(link: PeerLink): Awaited {
    let awaited = this.#links.get(link)
    if (awaited === undefined) this.#links.set(link, (awaited = new Awaited(link, this.#hooks.lives.lifeOf(link.peerId))))
    return awaited
  }

  /** False when the link takes no more: the call did not leave. @throws NOT_ENCODABLE · PAYLOAD_TOO_LARGE */
  send(link: PeerLink, call: Invocation, untyped: boolean): boolean {
    if (call.once?.mayHaveRun === true && !this.#mayGoOn(call, call.once)) return true
    const id = ++this.#lastId
    const flags = (flagOf[call.kind] ?? 0) | (untyped ? flag.untyped : 0)
    const args = packArgs(call.args, this.#maxPayloadBytes)
    const leftMs = Math.ceil(this.#hooks.watch(call))
    const chain = encodeChain(call.parent)
    const message: unknown[] = [kind.call, id, call.typeName, call.id, call.methodName, args, leftMs, chain, flags]
    if (call.once !== undefined || call.caller !== undefined) message.push(call.once === undefined ? null : packOnce(call.once))
    if (call.caller !== undefined) message.push(packCaller(call.caller))
    if (!link.send(message)) return false
    const awaited = this.#of(link)
    awaited.calls.set(id, call)
    call.turnPhase = 'running'
    call.host = link.peerId
    call.wireId = id
    call.keeper = awaited
    return true
  }

  /** It had been sent before: false when it does not leave now. */
  #mayGoOn(call: Invocation, once: Once): boolean {
    const { lives, onMoved } = this.#hooks
    const { lost } = once
    // One that is not known to be over yet may be the next time.
    const over = lost !== undefined && lives.isOver(lost)
    if (over) once.lost = undefined
    if (over && ++once.deaths >= MOST_DEATHS) {
      call.fail(new TroupeError('QUARANTINED', `${call.typeName}/${call.id}.${call.methodName}: ${MOST_DEATHS} hosts died while they had this call, the last one was ${lost.host}; it is not sent again; see their logs`))
      return false
    }
    if (once.deaths === MOST_DEATHS - 1) {
      if (this.#alone !== undefined && this.#alone !== call && !this.#alone.settled) {
        onMoved(call, new TroupeError('PEER_LOST', `${call.typeName}/${call.id}.${call.methodName}: ${once.deaths} hosts died while they had this call; it waits for another such call to end`))
        return false
      }
      this.#alone = call
    }
    return true
  }

  /** Asks a peer for its status; undefined when the link closes first. The caller keeps the deadline. */
  ask(link: PeerLink): Promise<Uint8Array | undefined> {
    const id = ++this.#lastId
    return new Promise(resolve => {
      if (link.send([kind.ask, id])) this.#of(link).asks.set(id, resolve)
      else resolve(undefined)
    })
  }

  /** Handles an answer; false when the message is not one. */
  receive(link: PeerLink, message: Message): boolean {
    const id = message[1] as number
    const awaited = this.#of(link)
    switch (message[0]) {
      case kind.result: {
        const call = this.#take(awaited, id)
        if (call === undefined) return true
        call.epoch = message[3] as number
        call.appReply = message[4] === 1
        try {
          const result = takerOf(call)(message[2])
          if (call.appReply && call.form === 'copy' && !isPackedReply(result)) throw noAnswer(link.peerId)
          call.succeed(result)
        } catch (error) {
          // It left the awaited ones: whoever cannot read its answer must still get one.
          call.fail(error)
        }
        return true
      }
      case kind.error:
        this.#receiveError(awaited, id, message[2])
        return true
      case kind.stream: {
        const call = this.#take(awaited, id)
        if (call === undefined) return true
        call.epoch = message[2] as number
        call.turnPhase = 'over'
        const stream = new RemoteStream(next => link.send(next), id, takerOf(call), () => awaited.streams.delete(id))
        awaited.streams.set(id, stream)
        call.succeed(stream)
        return true
      }
      case kind.item:
        awaited.streams.get(id)?.item(message[2])
        return true
      case kind.end:
        awaited.streams.get(id)?.end(undefined)
        return true
      case kind.status:
        awaited.asks.get(id)?.(message[2] as Uint8Array)
        awaited.asks.delete(id)
        return true
      default:
        return false
    }
  }

  #receiveError(awaited: Awaited, id: number, packed: unknown): void {
    const error = fromHost(unpackError(packed), awaited.link.peerId)
    const call = this.#take(awaited, id)
    if (call === undefined) {
      awaited.streams.get(id)?.end(error)
      return
    }
    // Proof that it did not run: only now may it be sent again (P6). A turn may fail with the MOVED of a call of its own.
    if (TroupeError.is(error, 'MOVED') && error.executed === 'no') this.#again(call, error)
    // With a key it may: it takes effect once, and a repeat gets the stored reply.
    else if (call.once?.key !== undefined && TroupeError.is(error) && error.executed === 'unknown' && error.retryable) this.#again(call, error)
    else call.fail(error)
  }

  #again(call: Invocation, error: TroupeError): void {
    call.turnPhase = 'waiting'
    if (error.executed !== 'no') call.once!.mayHaveRun = true
    this.#hooks.onMoved(call, error)
  }

  #take(awaited: Awaited, id: number): Invocation | undefined {
    const call = awaited.calls.get(id)
    if (call === undefined) return undefined
    awaited.calls.delete(id)
    call.keeper = undefined
    this.#hooks.unwatch(call)
    return call
  }

  closed(link: PeerLink, reason: Error): void {
    const awaited = this.#links.get(link)
    if (awaited === undefined) return
    this.#links.delete(link)
    const lost = (what: string): TroupeError =>
      new TroupeError('PEER_LOST', `the link to host ${link.peerId} broke (${reason.message}); ${what}`, { cause: reason, data: awaited.life })
    for (const call of awaited.calls.values()) {
      call.keeper = undefined
      this.#hooks.unwatch(call)
      const error = lost('whether the call ran is not known')
      if (mechanisms.off?.has('peer-loss')) continue
      if (mechanisms.off?.has('resend-proof')) this.#hooks.onMoved(call, error)
      else if (call.once?.key === undefined) call.fail(error)
      else {
        call.once.lost = awaited.life
        this.#again(call, error)
      }
    }
    for (const stream of [...awaited.streams.values()]) stream.end(lost('the stream is cut'))
    for (const answer of awaited.asks.values()) answer(undefined)
  }
}

const isPackedReply = (value: unknown): boolean => Array.isArray(value) && value[1] instanceof Uint8Array
  && Array.isArray(value[0]) && value[0].length % 2 === 0 && value[0].every(part => typeof part === 'string')

const noAnswer = (peerId: string): TroupeError => new TroupeError('PROTOCOL', `host ${peerId} sent an application's answer in another form than this version knows`)

/** How a result is taken from its message: a call that is only passed on keeps it as it travels. */
const takerOf = (call: Invocation): ((packed: unknown) => unknown) => (call.form === 'encoded' ? packed => packed : unpackResult)
