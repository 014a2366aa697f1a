// Hosts for transport tests: each records what it hears and can be asked to wait for it; all are closed after a test.
import { SystemClock } from '../../../core/clock.ts'
import type { Logger } from '../../../core/logger.ts'
import { GrpcTransport, type GrpcTransportOptions } from '../../../runtime/transport/grpc-transport.ts'
import { MemoryNetwork, MemoryTransport } from '../../../runtime/transport/memory-transport.ts'
import type { Message, PeerLink, Transport } from '../../../runtime/transport/transport.ts'

export interface Heard {
  readonly from: string
  readonly message: Message
  readonly tableVersion: number
}

export class Peer {
  readonly id: string
  transport!: Transport
  address = ''
  readonly heard: Heard[] = []
  readonly closed: { id: string; reason: Error }[] = []
  readonly logged: string[] = []
  tableVersion = 1
  onMessage: (link: PeerLink, message: Message) => void = () => {}
  #watchers: (() => void)[] = []

  constructor(id: string) {
    this.id = id
  }
  readonly handler = {
    onMessage: (link: PeerLink, message: Message, tableVersion: number): void => {
      this.heard.push({ from: link.peerId, message, tableVersion })
      this.onMessage(link, message)
      this.#changed()
    },
    onClosed: (link: PeerLink, reason: Error): void => {
      this.closed.push({ id: link.peerId, reason })
      this.#changed()
    },
  }
  readonly log: Logger = {
    debug: () => {}, info: () => {},
    warn: (fields, message) => { this.#note(fields, message) },
    error: (fields, message) => { this.#note(fields, message) },
    child: () => this.log,
  }
  #note(fields: object, message: string): void {
    this.logged.push(`${message} ${JSON.stringify(fields)}`)
    this.#changed()
  }
  #changed(): void {
    for (const watcher of this.#watchers) watcher()
  }
  /** Resolves when `done` holds; checked at each event of this peer. */
  until(what: string, done: () => boolean, ms = 10_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.id}: no ${what} within ${ms} ms; heard ${this.heard.length}, closed ${this.closed.length}, logged ${this.logged.join('; ')}`)), ms)
      const check = (): void => {
        if (!done()) return
        clearTimeout(timer)
        this.#watchers = this.#watchers.filter(w => w !== check)
        resolve()
      }
      this.#watchers.push(check)
      check()
    })
  }
}

export type Extra = Partial<Omit<GrpcTransportOptions, 'hostId' | 'handler' | 'clock' | 'log'>>

export interface Kit {
  readonly name: string
  /** A listening host. */
  start(id: string, extra?: Extra): Promise<Peer>
  /** An address where nobody listens. */
  nowhere(): Promise<string>
  closeAll(): Promise<void>
}

function kitOf(name: string, make: (options: GrpcTransportOptions) => Transport): Kit {
  const peers: Peer[] = []
  let incarnations = 0
  const start = async (id: string, extra: Extra = {}): Promise<Peer> => {
    const peer = new Peer(id)
    peers.push(peer)
    peer.transport = make({
      hostId: id, incarnation: `i${++incarnations}`, bind: { host: '127.0.0.1', port: 0 }, handler: peer.handler,
      limits: { maxMessageBytes: 4 << 20, maxQueuedBytes: 16 << 20 }, clock: new SystemClock(), log: peer.log, tableVersion: () => peer.tableVersion,
      closeMs: 500, ...extra,
    })
    peer.address = (await peer.transport.listen()).address
    return peer
  }
  return {
    name,
    start,
    nowhere: async () => {
      const gone = await start('gone')
      await gone.transport.close()
      return gone.address
    },
    closeAll: async () => {
      await Promise.all(peers.splice(0).map(peer => peer.transport.close()))
    },
  }
}

export const grpcKit = (): Kit => kitOf('GrpcTransport', options => new GrpcTransport(options))
export const memoryKit = (): Kit => {
  const network = new MemoryNetwork(new SystemClock())
  return kitOf('MemoryTransport', options => new MemoryTransport({ ...options, network }))
}
