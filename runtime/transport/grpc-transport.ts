/**
 * The real transport between hosts: one gRPC stream a pair of hosts. The only place where peers' sockets are opened.
 *
 * Links, hellos and batching are in `PeerLinks`; this file listens, dials, and sets what gRPC is told.
 */
import { Server, type ChannelOptions, type ServerDuplexStream } from '@grpc/grpc-js'
import { messageOf, TroupeError } from '../../core/errors.ts'
import { checkExposure } from '../../core/exposure.ts'
import { serverCredentials, type ClusterTls } from '../../placement/grpc-tls.ts'
import { maxFrameBytes } from './frame-link.ts'
import { dialGrpc, identity, PEER_METHOD, ServerWire } from './grpc-wire.ts'
import { PeerLinks, type PeerOptions } from './peer-links.ts'
import type { PeerLink, Transport } from './transport.ts'

export interface GrpcTransportOptions extends PeerOptions {
  /** Port 0 lets the system choose. */
  readonly bind: { readonly host: string; readonly port: number }
  /** A connection is asked for a sign of life after this many idle milliseconds; 1,000 by default. */
  readonly keepaliveMs?: number
  /** A connection without that sign for so long is closed; 2,000 milliseconds by default. Below, long pauses of a busy peer end links. */
  readonly keepaliveTimeoutMs?: number
  /** Both ends of every stream must show a certificate of a host of this cluster, and under its own name; plain text without. */
  readonly tls?: ClusterTls | undefined
  /** Listens beyond this machine without `tls`. */
  readonly insecure?: boolean | undefined
  /** For `close` to send what is queued; 2,000 milliseconds by default. */
  readonly closeMs?: number
}

export class GrpcTransport implements Transport {
  readonly #options: GrpcTransportOptions
  readonly #links: PeerLinks
  readonly #server: Server
  #closed: Promise<void> | undefined

  constructor(options: GrpcTransportOptions) {
    this.#options = options
    const channel = channelOptions(options)
    this.#links = new PeerLinks(options, address => dialGrpc(address, channel, options.tls))
    this.#server = new Server(channel)
    this.#server.addService(
      { Connect: { path: PEER_METHOD, requestStream: true, responseStream: true, requestSerialize: identity, requestDeserialize: identity, responseSerialize: identity, responseDeserialize: identity } },
      { Connect: (stream: ServerDuplexStream<Buffer, Buffer>) => this.#links.accept(new ServerWire(stream, options.tls)) },
    )
  }

  async listen(): Promise<{ address: string }> {
    const { bind: { host, port }, tls, insecure = false } = this.#options
    const shown = host.includes(':') ? `[${host}]` : host
    if (!Number.isInteger(port) || port < 0 || port > 65535) {
      throw new TroupeError('BAD_OPTION', `the peer port must be 0 to 65535, not ${port}`)
    }
    await checkExposure({ what: 'the port for other hosts', host, secured: tls !== undefined, insecure, remedy: 'give --tls-ca, --tls-cert and --tls-key' })
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`${shown}:${port}`, serverCredentials(tls?.identity), (error, bound) => {
        if (error === null) return resolve({ address: `${shown}:${bound}` })
        const taken = messageOf(error).includes('EADDRINUSE')
        reject(taken
          ? new TroupeError('PORT_TAKEN', `the peer port ${shown}:${port} is taken; choose another, or 0 for any`, { cause: error })
          : new TroupeError('BAD_OPTION', `the peer transport cannot listen on ${shown}:${port}: ${messageOf(error)}`, { cause: error }))
      })
    })
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
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }
  async #close(): Promise<void> {
    await this.#links.close(this.#options.closeMs ?? 2000)
    this.#server.forceShutdown()
  }
}

function channelOptions({ limits, keepaliveMs = 1000, keepaliveTimeoutMs = 9_000 }: GrpcTransportOptions): ChannelOptions {
  return {
    // Above our own bound, so that a frame over it is refused by the link, which knows and logs whose it is.
    'grpc.max_receive_message_length': 2 * maxFrameBytes(limits),
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    'grpc.keepalive_permit_without_calls': 1,
  }
}
