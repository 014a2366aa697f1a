/** The ports between processes over simulated sockets: streams between hosts, and between hosts and placement. No decisions. */
import { TroupeError } from '../../core/errors.ts'
import type { HostSession } from '../../placement/host-sessions.ts'
import type { HostMessage, PlacementMessage } from '../../placement/messages.ts'
import type { Dial, PlacementEndpoint } from '../../placement/placement-link.ts'
import type { PlacementOptions } from '../../placement/placement-server.ts'
import type { LocalNetwork } from '../transport/memory-transport.ts'
import { ConnectionRefused, type Wire, type WireEvents } from '../transport/wire.ts'
import type { SimNetwork } from './sim-network.ts'
import type { SimProcess } from './sim-process.ts'
import type { SimSocket } from './sim-socket.ts'

/** As `keepalive` of the real transport: a second of rest and two without an answer. */
const PEER_SILENCE_MS = 3_000
/** As `keepalive` of placement's streams. */
const PLACEMENT_SILENCE_MS = 15_000

/** The network as the transport of one host sees it. */
export const peerNetwork = (network: SimNetwork, process: SimProcess): LocalNetwork => ({
  listen: (host, port, accept) => network.listen<Uint8Array>(process, host, port, socket => accept(new SocketWire(socket))),
  unlisten: address => network.unlisten(address),
  dial: (_from, address) => new SocketWire(network.dial<Uint8Array>(process, address, PEER_SILENCE_MS)),
})

class SocketWire implements Wire {
  readonly remote: string
  readonly #socket: SimSocket<Uint8Array>

  constructor(socket: SimSocket<Uint8Array>) {
    this.#socket = socket
    this.remote = socket.remote
  }
  listen(events: WireEvents): void {
    this.#socket.listen({
      onMessage: bytes => events.onBytes(bytes),
      onEnd: () => events.onEnd(),
      onClosed: (reason, refused) => events.onClosed(refused ? new ConnectionRefused(reason) : new TroupeError('PEER_LOST', reason)),
    })
  }
  write(bytes: Uint8Array, done: () => void): void {
    // A copy: what arrives must not change with the sender's memory.
    this.#socket.write(bytes.slice(), done)
  }
  pause(): void {
    this.#socket.pause()
  }
  resume(): void {
    this.#socket.resume()
  }
  end(): void {
    this.#socket.end()
  }
  destroy(): void {
    this.#socket.destroy()
  }
}

/** How a host of the simulation reaches placement. */
export const placementDial = (network: SimNetwork, process: SimProcess): Dial => (address, listener) => {
  const socket = network.dial<HostMessage>(process, address, PLACEMENT_SILENCE_MS) as unknown as SimSocket<HostMessage, PlacementMessage>
  let open = true
  const closed = (reason: string): void => {
    if (!open) return
    open = false
    socket.destroy()
    listener.closed(new Error(reason))
  }
  socket.listen({
    onMessage: message => { if (open) listener.message(message) },
    onEnd: () => closed('the service ended the stream'),
    onClosed: reason => closed(reason),
  })
  return {
    send: message => {
      if (open) socket.write(message)
      return open
    },
    close: () => {
      open = false
      socket.destroy()
    },
  }
}

/** How placement of the simulation listens. */
export const placementServe = (network: SimNetwork, process: SimProcess): NonNullable<PlacementOptions['serve']> =>
  (host, port, endpoint: PlacementEndpoint) => {
    const address = network.listen<PlacementMessage>(process, host, port, accepted => {
      const socket = accepted as unknown as SimSocket<PlacementMessage, HostMessage>
      let open = true
      const session: HostSession = {
        send: message => {
          if (open) socket.write(message)
          return open
        },
        end: () => { if (open) socket.end() },
      }
      const closed = (): void => {
        if (!open) return
        open = false
        endpoint.closed(session)
        socket.end()
      }
      socket.listen({ onMessage: message => { if (open) endpoint.receive(session, message) }, onEnd: closed, onClosed: closed })
    })
    return Promise.resolve({ address, close: () => Promise.resolve(network.unlisten(address)) })
  }
