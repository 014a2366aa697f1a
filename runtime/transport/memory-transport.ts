/**
 * The transport inside one process: the same links, hellos and frames over wires in memory, for tests and simulations.
 *
 * Every frame is encoded and decoded as on the real one, and arrives in a later tick.
 */
import type { Clock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import { PeerLinks, type PeerOptions } from './peer-links.ts'
import type { PeerLink, Transport } from './transport.ts'
import { ConnectionRefused, type Wire, type WireEvents } from './wire.ts'

/** Where hosts find each other inside one process. */
export interface LocalNetwork {
  /** The bound address. @throws PORT_TAKEN */
  listen(host: string, port: number, accept: (wire: Wire) => void): string
  unlisten(address: string): void
  /** `from` is the dialler's own address, or its name. */
  dial(from: string, address: string): Wire
}

export class MemoryNetwork implements LocalNetwork {
  readonly #clock: Clock
  readonly #listeners = new Map<string, (wire: Wire) => void>()
  #ports = 1

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @throws PORT_TAKEN */
  listen(host: string, port: number, accept: (wire: Wire) => void): string {
    const address = `${host}:${port === 0 ? 40_000 + this.#ports++ : port}`
    if (this.#listeners.has(address)) throw new TroupeError('PORT_TAKEN', `the peer port ${address} is taken; choose another, or 0 for any`)
    this.#listeners.set(address, accept)
    return address
  }
  unlisten(address: string): void {
    this.#listeners.delete(address)
  }

  dial(from: string, address: string): Wire {
    const near = new MemoryWire(address, this.#clock)
    const far = new MemoryWire(from, this.#clock)
    near.join(far)
    this.#clock.soon(() => {
      const accept = this.#listeners.get(address)
      if (accept === undefined) near.shut(new ConnectionRefused('connection refused'))
      else accept(far)
    })
    return near
  }
}

class MemoryWire implements Wire {
  readonly remote: string
  readonly #clock: Clock
  #other: MemoryWire | undefined
  #events: WireEvents | undefined
  /** What has arrived and was not handed out yet. */
  #inbox: { bytes: Uint8Array; done: () => void }[] = []
  #reading = true
  #ended = false
  #otherEnded = false
  #endHeard = false
  #closed = false

  constructor(remote: string, clock: Clock) {
    this.remote = remote
    this.#clock = clock
  }
  join(other: MemoryWire): void {
    this.#other = other
    other.#other = this
  }

  listen(events: WireEvents): void {
    this.#events = events
    this.#clock.soon(() => this.#deliver())
  }
  write(bytes: Uint8Array, done: () => void): void {
    if (this.#closed || this.#ended) return
    // A copy: what arrives must not change with the sender's memory.
    const sent = { bytes: bytes.slice(), done }
    const other = this.#other!
    this.#clock.soon(() => {
      other.#inbox.push(sent)
      other.#deliver()
    })
  }

  #deliver(): void {
    while (this.#events !== undefined && this.#reading && !this.#closed) {
      const next = this.#inbox.shift()
      if (next === undefined) break
      next.done()
      this.#events.onBytes(next.bytes)
    }
    if (this.#otherEnded && !this.#endHeard && this.#inbox.length === 0 && this.#events !== undefined && !this.#closed) {
      this.#endHeard = true
      this.#events.onEnd()
      this.#closeIfBothEnded()
    }
  }

  pause(): void {
    this.#reading = false
  }
  resume(): void {
    this.#reading = true
    this.#clock.soon(() => this.#deliver())
  }
  end(): void {
    if (this.#ended || this.#closed) return
    this.#ended = true
    const other = this.#other!
    this.#clock.soon(() => {
      other.#otherEnded = true
      other.#deliver()
      this.#closeIfBothEnded()
    })
  }
  #closeIfBothEnded(): void {
    const other = this.#other!
    if (!this.#ended || !other.#ended || !this.#endHeard || !other.#endHeard) return
    const reason = new TroupeError('PEER_LOST', 'the peer ended the stream')
    this.shut(reason)
    other.shut(reason)
  }
  destroy(): void {
    if (this.#closed) return
    this.#closed = true
    const other = this.#other!
    this.#clock.soon(() => other.shut(new TroupeError('PEER_LOST', 'the connection to the peer ended')))
  }
  shut(reason: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#inbox = []
    this.#events?.onClosed(reason)
  }
}

export interface MemoryTransportOptions extends PeerOptions {
  readonly network: LocalNetwork
  readonly bind: { readonly host: string; readonly port: number }
  /** For `close` to send what is queued; 2,000 milliseconds by default. */
  readonly closeMs?: number
}

export class MemoryTransport implements Transport {
  readonly #options: MemoryTransportOptions
  readonly #links: PeerLinks
  #address = ''

  constructor(options: MemoryTransportOptions) {
    this.#options = options
    this.#links = new PeerLinks(options, address => options.network.dial(this.#address || options.hostId, address))
  }
  async listen(): Promise<{ address: string }> {
    const { network, bind } = this.#options
    this.#address = network.listen(bind.host, bind.port, wire => this.#links.accept(wire))
    return { address: this.#address }
  }
  connect(peerId: string, address: string, timeoutMs: number): Promise<PeerLink> {
    return this.#links.connect(peerId, address, timeoutMs)
  }
  link(peerId: string): PeerLink | undefined {
    return this.#links.link(peerId)
  }
  drop(peerId: string, incarnation: string, reason: Error): void {
    this.#links.drop(peerId, incarnation, reason)
  }
  async close(): Promise<void> {
    await this.#links.close(this.#options.closeMs ?? 2000)
    this.#options.network.unlisten(this.#address)
  }
}
