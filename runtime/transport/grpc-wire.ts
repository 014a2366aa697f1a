/**
 * Wires over gRPC: one bidirectional stream each, whose messages are our bytes as they are. The dialling side (`dialGrpc`)
 * and the listening side (`ServerWire`). With certificates both ends know which hosts the other may be.
 */
import {
  Client, Metadata, status as codes,
  type ChannelOptions, type ClientDuplexStream, type ServerDuplexStream, type StatusObject,
} from '@grpc/grpc-js'
import { TroupeError } from '../../core/errors.ts'
import { roleProblem, type Grant } from '../../core/tls-grants.ts'
import { channelCredentials, clientGrants, connectionProblem, tlsChannelOptions, type ClusterTls } from '../../placement/grpc-tls.ts'
import { ConnectionRefused, type Wire, type WireEvents } from './wire.ts'

/** The one method of the peer service; both sides send opaque bytes. */
export const PEER_METHOD = '/troupe.peer.v1.Peer/Connect'
export const identity = (bytes: Buffer): Buffer => bytes

/** gRPC copies what it is given, but by a method that only Buffer has. */
const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

type Duplex = ClientDuplexStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>

abstract class GrpcWire implements Wire {
  abstract readonly remote: string
  readonly #call: Duplex
  #events: WireEvents | undefined
  #phase: 'open' | 'ended' | 'closed' = 'open'

  constructor(call: Duplex) {
    this.#call = call
  }

  listen(events: WireEvents): void {
    const first = this.#events === undefined
    this.#events = events
    if (!first) return
    this.#call.on('data', (bytes: Buffer) => {
      if (this.#phase !== 'closed') this.#events!.onBytes(bytes)
    })
    this.#call.on('end', () => {
      if (this.#phase !== 'closed') this.#events!.onEnd()
    })
  }

  write(bytes: Uint8Array, done: () => void): void {
    if (this.#phase !== 'open') return
    this.#call.write(asBuffer(bytes), () => {
      if (this.#phase !== 'closed') done()
    })
  }
  pause(): void {
    this.#call.pause()
  }
  resume(): void {
    this.#call.resume()
  }
  end(): void {
    if (this.#phase !== 'open') return
    this.#phase = 'ended'
    this.#call.end()
  }
  destroy(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.abort()
  }

  protected closed(reason: Error): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.release()
    this.#events?.onClosed(reason)
  }
  /** Cuts the stream and releases what belongs to it. */
  protected abstract abort(): void
  /** The stream is over: releases what belongs to it. */
  protected abstract release(): void
}

const lost = (why: string): Error => new TroupeError('PEER_LOST', why)

class ClientWire extends GrpcWire {
  readonly remote: string
  readonly #client: Client
  readonly #stream: ClientDuplexStream<Buffer, Buffer>
  readonly #mayBe: (hostId: string) => string | undefined

  constructor(client: Client, address: string, stream: ClientDuplexStream<Buffer, Buffer>, mayBe: (hostId: string) => string | undefined) {
    super(stream)
    this.remote = address
    this.#mayBe = mayBe
    this.#client = client
    this.#stream = stream
    // `status` follows and says the same; without a listener an error would end the process.
    stream.on('error', () => {})
    stream.on('status', (status: StatusObject) => {
      const close = (): void => this.closed(reasonOf(status))
      // After an orderly end what was read ahead must still be handed out.
      if (status.code === codes.OK && !stream.readableEnded) stream.once('end', close)
      else close()
    })
  }
  identityProblem(hostId: string): string | undefined {
    return this.#mayBe(hostId)
  }
  protected abort(): void {
    this.#stream.cancel()
    this.#client.close()
  }
  protected release(): void {
    this.#client.close()
  }
}

function reasonOf(status: StatusObject): Error {
  if (status.code === codes.OK) return lost('the peer ended the stream')
  if (status.details.includes('ECONNREFUSED')) return new ConnectionRefused('connection refused')
  const { text, error } = connectionProblem(status.details)
  return error ?? lost(`${codes[status.code] ?? status.code}: ${text}`)
}

/** A wire whose connection could not even be tried. */
class DeadWire implements Wire {
  readonly remote: string
  readonly #reason: Error
  constructor(remote: string, reason: Error) {
    this.remote = remote
    this.#reason = reason
  }
  listen(events: WireEvents): void {
    events.onClosed(this.#reason)
  }
  write(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

/**
 * Opens a stream on a connection of its own: nothing is shared between dials, so none waits for another's backoff.
 * A refused connection closes the wire at once with `ConnectionRefused`.
 */
export function dialGrpc(address: string, options: ChannelOptions, tls: ClusterTls | undefined): Wire {
  try {
    let shown: readonly Grant[] = []
    const secured = channelCredentials(tls?.identity, grants => {
      shown = grants
      return roleProblem(grants, tls!.namespace, 'host')
    })
    const mayBe = (hostId: string): string | undefined => tls && roleProblem(shown, tls.namespace, 'host', hostId)
    const client = new Client(address, secured, {
      ...options,
      ...tlsChannelOptions(tls),
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc-node.flow_control_window': WINDOW_BYTES,
    })
    return new ClientWire(client, address, client.makeBidiStreamRequest(PEER_METHOD, identity, identity, new Metadata()), mayBe)
  } catch (error) {
    return new DeadWire(address, lost(`it is no address: ${error instanceof Error ? error.message : String(error)}`))
  }
}

/** What grpc-js keeps below a server's stream and has no public way to reach: used where present, missed without harm. */
interface Internals {
  call?: { stream?: { close?(code: number): void; session?: Http2Session } }
}
interface Http2Session {
  settings?(settings: { initialWindowSize: number }): void
  setLocalWindowSize?(bytes: number): void
}
const HTTP2_CANCEL = 8

/** Bytes a peer may send ahead on one connection; the 64 KiB of HTTP/2 would hold large frames back for a round trip each. */
export const WINDOW_BYTES = 4 * 1024 * 1024

export class ServerWire extends GrpcWire {
  readonly remote: string
  readonly #stream: ServerDuplexStream<Buffer, Buffer>
  readonly #tls: ClusterTls | undefined
  readonly #shown: readonly Grant[]

  constructor(stream: ServerDuplexStream<Buffer, Buffer>, tls: ClusterTls | undefined) {
    super(stream)
    this.remote = stream.getPeer()
    this.#tls = tls
    this.#shown = tls === undefined ? [] : clientGrants(stream)
    this.#stream = stream
    // gRPC has an option for the dialling side's window only.
    const session = (stream as Internals).call?.stream?.session
    session?.settings?.({ initialWindowSize: WINDOW_BYTES })
    session?.setLocalWindowSize?.(WINDOW_BYTES)
    stream.on('error', error => this.closed(lost(`the stream broke: ${error.message}`)))
    // Also after an orderly end: it comes last in any case.
    stream.on('cancelled', () => this.closed(lost('the connection to the peer ended')))
  }
  identityProblem(hostId: string): string | undefined {
    return this.#tls && roleProblem(this.#shown, this.#tls.namespace, 'host', hostId)
  }
  protected abort(): void {
    // A status would wait behind writes that the peer does not read; a reset does not.
    const http2 = (this.#stream as Internals).call?.stream
    if (http2?.close !== undefined) http2.close(HTTP2_CANCEL)
    else this.#stream.emit('error', { code: codes.CANCELLED, details: 'the link was closed' })
  }
  protected release(): void {}
}
