/**
 * The links of one host: who is connected, who dials whom, which stream of a pair survives. Knows nothing of sockets.
 *
 * A link is open once both ends have chosen its stream (hello.ts), so whatever `send` took was meant for the stream that
 * stays. `GrpcTransport` and `MemoryTransport` are this class over their wires.
 */
import type { Clock, Timer } from '../../core/clock.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import { Attempt } from './attempt.ts'
import { FrameLink, maxFrameBytes } from './frame-link.ts'
import { decodeDialHello, encodeHello, encodeRefused, judge, type DialHello, type Hello, type OpenLink, type Refused } from './hello.ts'
import type { PeerHandler, PeerLink, TransportLimits } from './transport.ts'
import type { Dial, Wire } from './wire.ts'

const HELLO_MS = 5000
/** Streams that have not said hello yet. */
const MAX_STRANGERS = 256
const MAX_REMEMBERED = 4096

/** What both transports are built from. */
export interface PeerOptions {
  readonly hostId: string
  readonly incarnation: string
  readonly handler: PeerHandler
  readonly limits: TransportLimits
  readonly clock: Clock
  readonly log: Logger
  /** The newest table version this host knows: it goes into every frame. */
  readonly tableVersion: () => number
}

interface Entry extends OpenLink {
  readonly link: FrameLink
}

export class PeerLinks {
  readonly #options: PeerOptions
  readonly #dial: Dial
  readonly #open = new Map<string, Entry>()
  readonly #attempts = new Map<string, Attempt>()
  /** The last dial of each peer that we accepted and lost, see `DialHello.lostDial`. */
  readonly #lost = new Map<string, { incarnation: string; dial: number }>()
  readonly #strangers = new Set<Wire>()
  #dials = 0
  #closing = false

  constructor(options: PeerOptions, dial: Dial) {
    this.#options = options
    this.#dial = dial
  }

  link(peerId: string): PeerLink | undefined {
    return this.#open.get(peerId)?.link
  }

  drop(peerId: string, incarnation: string, reason: Error): void {
    const open = this.#open.get(peerId)
    if (open?.incarnation === incarnation) open.link.close(reason)
  }

  /** See `Transport.connect`. */
  connect(peerId: string, address: string, timeoutMs: number): Promise<PeerLink> {
    const open = this.#open.get(peerId)
    if (open !== undefined) return Promise.resolve(open.link)
    if (this.#closing) return Promise.reject(new TroupeError('PEER_UNREACHABLE', `host ${peerId} cannot be reached: this host is stopping`))
    let attempt = this.#attempts.get(peerId)
    if (attempt === undefined || attempt.address !== address) {
      const waiters = attempt?.abandon() ?? []
      attempt = this.#startAttempt(peerId, address, waiters)
    }
    return attempt.wait(timeoutMs)
  }

  #startAttempt(peerId: string, address: string, waiters: ReturnType<Attempt['abandon']>): Attempt {
    const attempt: Attempt = new Attempt({
      peerId, address, waiters,
      clock: this.#options.clock,
      dial: this.#dial,
      hello: () => this.#dialHello(peerId),
      opened: (wire, answer, dial) => {
        this.#attempts.delete(peerId)
        return this.#openLink(wire, answer, { incarnation: answer.incarnation, dial, dialledByPeer: false })
      },
      over: () => { if (this.#attempts.get(peerId) === attempt) this.#attempts.delete(peerId) },
    })
    this.#attempts.set(peerId, attempt)
    attempt.start()
    return attempt
  }

  #hello(): Hello {
    const { hostId, incarnation, limits } = this.#options
    return { hostId, incarnation, maxFrameBytes: maxFrameBytes(limits) }
  }
  #dialHello(expected: string): DialHello {
    return { ...this.#hello(), expected, dial: ++this.#dials, lostDial: this.#lost.get(expected)?.dial ?? 0 }
  }

  /** A stream that another host opened. */
  accept(wire: Wire): void {
    if (this.#closing || this.#strangers.size >= MAX_STRANGERS) return wire.destroy()
    this.#strangers.add(wire)
    const timer = this.#options.clock.after(HELLO_MS, () => this.#dismiss(wire, timer, `no hello within ${HELLO_MS} ms`))
    wire.listen({
      onBytes: bytes => {
        this.#strangers.delete(wire)
        timer.cancel()
        this.#greet(wire, bytes)
      },
      onEnd: () => this.#dismiss(wire, timer, 'ended before its hello'),
      onClosed: () => this.#dismiss(wire, timer, undefined),
    })
  }

  #dismiss(wire: Wire, timer: Timer, reason: string | undefined): void {
    this.#strangers.delete(wire)
    timer.cancel()
    if (reason === undefined) return
    this.#options.log.warn({ remote: wire.remote, reason }, 'refused a peer connection')
    wire.destroy()
  }

  #greet(wire: Wire, bytes: Uint8Array): void {
    let hello: DialHello
    try {
      hello = decodeDialHello(bytes, `the stream from ${wire.remote}`)
    } catch (error) {
      return this.#refuse(wire, { refused: 'version', reason: messageOf(error) })
    }
    const { hostId } = this.#options
    const entry = this.#open.get(hello.hostId)
    if (this.#closing) return this.#refuse(wire, { refused: 'stopping', reason: `host ${hostId} is stopping` })
    if (hello.expected !== hostId || hello.hostId === hostId) {
      const reason = hello.hostId === hostId ? `two hosts have the id ${hostId}` : `this address belongs to host ${hostId}, not to ${hello.expected}`
      return this.#refuse(wire, { refused: 'identity', reason })
    }
    const impostor = wire.identityProblem?.(hello.hostId)
    if (impostor !== undefined) return this.#refuse(wire, { refused: 'identity', reason: `FORBIDDEN: ${hello.hostId} may not open a stream between hosts: ${impostor}` })
    if (judge(hostId, this.#attempts.has(hello.hostId), entry, hello) === 'superseded') {
      return this.#refuse(wire, { refused: 'superseded', reason: `another stream between ${hostId} and ${hello.hostId} is open or on its way` })
    }
    entry?.link.close(new TroupeError('PEER_LOST', `host ${hello.hostId} connected anew`))
    wire.write(encodeHello(this.#hello()), () => {})
    const link = this.#openLink(wire, hello, { incarnation: hello.incarnation, dial: hello.dial, dialledByPeer: true })
    this.#attempts.get(hello.hostId)?.yieldTo(link)
  }

  #refuse(wire: Wire, refused: Refused): void {
    if (refused.refused !== 'superseded') this.#options.log.warn({ remote: wire.remote, reason: refused.reason }, 'refused a peer connection')
    // The dialler ends once it has read why; one that does not is cut off.
    const timer = this.#options.clock.after(HELLO_MS, () => wire.destroy())
    wire.listen({ onBytes: () => {}, onEnd: () => {}, onClosed: () => timer.cancel() })
    wire.write(encodeRefused(refused), () => {})
    wire.end()
  }

  #openLink(wire: Wire, hello: Hello, entry: OpenLink): FrameLink {
    const peerId = hello.hostId
    const { handler, limits, clock, log, tableVersion } = this.#options
    const link: FrameLink = new FrameLink(peerId, wire, hello.maxFrameBytes, {
      handler, limits, clock, log, tableVersion,
      onGone: () => {
        if (this.#open.get(peerId)?.link === link) this.#open.delete(peerId)
        if (entry.dialledByPeer) this.#remember(peerId, entry)
      },
    })
    this.#open.set(peerId, { ...entry, link })
    return link
  }

  #remember(peerId: string, { incarnation, dial }: OpenLink): void {
    const before = this.#lost.get(peerId)
    const highest = before?.incarnation === incarnation ? Math.max(before.dial, dial) : dial
    this.#lost.delete(peerId)
    this.#lost.set(peerId, { incarnation, dial: highest })
    if (this.#lost.size > MAX_REMEMBERED) this.#lost.delete(this.#lost.keys().next().value!)
  }

  /** Sends what is queued and ends all links, within `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    this.#closing = true
    const reason = new TroupeError('PEER_LOST', 'this host closed its transport')
    for (const attempt of this.#attempts.values()) attempt.fail(reason)
    for (const wire of this.#strangers) wire.destroy()
    const links = [...this.#open.values()].map(entry => entry.link)
    let timer: Timer | undefined
    await Promise.race([
      Promise.all(links.map(link => link.end())),
      new Promise<void>(resolve => { timer = this.#options.clock.after(timeoutMs, resolve, true) }),
    ])
    timer?.cancel()
    for (const link of links) link.close(reason)
  }
}
