/**
 * The stream between hosts and placement over gRPC, both ends: the only importer of grpc-js in this folder. No decisions.
 */
import {
  credentials, loadPackageDefinition, Server, ServerCredentials, status as grpcStatus,
  type Client, type ClientDuplexStream, type GrpcObject, type sendUnaryData, type ServerDuplexStream, type ServiceClientConstructor,
} from '@grpc/grpc-js'
import type { Clock } from '../core/clock.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import { joinAddress } from './addresses.ts'
import type { HostSession } from './host-sessions.ts'
import type { HostMessage, PlacementMessage } from './messages.ts'
import type { Dial, LinkListener, PlacementEndpoint, PlacementLink } from './placement-link.ts'
import { loadPlacementProto } from './proto.ts'

/** A table of 10,000 types of which no two are alike stays below this. */
const MAX_TABLE_BYTES = 256 * 1024 * 1024
/** Messages that may wait in a host's link: heartbeats and releases are small and few. */
const MAX_WAITING = 1_000

const serviceClient = (): ServiceClientConstructor => {
  const root = loadPackageDefinition(loadPlacementProto()) as unknown as { troupe: { placement: { v1: GrpcObject } } }
  return root.troupe.placement.v1.Placement as ServiceClientConstructor
}

/**
 * Listens on `host`:`port` (0: chosen by the system).
 * @throws PORT_TAKEN · BAD_OPTION when the address cannot be bound for another reason
 */
export async function servePlacement(
  host: string, port: number, endpoint: PlacementEndpoint, clock: Clock,
): Promise<{ address: string; close(): Promise<void> }> {
  const server = new Server({ 'grpc.keepalive_time_ms': 10_000, 'grpc.keepalive_timeout_ms': 5_000 })
  server.addService(serviceClient().service, {
    Connect: (call: ServerDuplexStream<HostMessage, PlacementMessage>) => serveHost(call, endpoint),
    Status: (_call: unknown, reply: sendUnaryData<unknown>) => reply(null, endpoint.status()),
  })
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(joinAddress(host, port), ServerCredentials.createInsecure(), (error, boundPort) => {
      if (error === null) resolve(boundPort)
      else reject(bindError(host, port, error))
    })
  })
  return {
    address: joinAddress(host, bound),
    close: () => new Promise(resolve => {
      // What was sent last still leaves; streams that do not end by themselves are cut.
      const cut = clock.after(500, () => server.forceShutdown())
      server.tryShutdown(() => {
        cut.cancel()
        resolve()
      })
    }),
  }
}

function bindError(host: string, port: number, error: Error): TroupeError {
  const taken = /EADDRINUSE/.test(messageOf(error))
  return new TroupeError(taken ? 'PORT_TAKEN' : 'BAD_OPTION', taken
    ? `placement: port ${port} of ${host} is taken by another process; choose another --port, or 0`
    : `placement: cannot listen on ${joinAddress(host, port)}: ${messageOf(error)}`, { cause: error, data: { host, port } })
}

function serveHost(call: ServerDuplexStream<HostMessage, PlacementMessage>, endpoint: PlacementEndpoint): void {
  let open = true
  const session: HostSession = {
    send: message => open && call.write(message),
    end: () => { if (open) call.end() },
  }
  const close = (): void => {
    if (!open) return
    open = false
    endpoint.closed(session)
    call.end()
  }
  call.on('data', (message: HostMessage) => { if (open) endpoint.receive(session, message) })
  call.on('drain', () => { if (open) endpoint.drained(session) })
  call.on('end', close)
  call.on('cancelled', close)
  call.on('error', close)
  call.on('close', close)
}

/** Links over gRPC. Each has a channel of its own, so that a new attempt never waits for the back-off of an old one. */
export const grpcDial = (): Dial => {
  const Placement = serviceClient()
  return (address, listener) => {
    const client = new Placement(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.keepalive_time_ms': 10_000, 'grpc.keepalive_timeout_ms': 5_000,
      'grpc.max_receive_message_length': MAX_TABLE_BYTES,
      'grpc.enable_http_proxy': 0,
    })
    const connect = client.Connect as () => ClientDuplexStream<HostMessage, PlacementMessage>
    return hostLink(client, connect.call(client), listener)
  }
}

/** grpc-js ends what it says with a label for notes of the resolver, also when there are none. */
const withoutEmptyNote = (text: string): string => text.replace(/\s*Resolution note:\s*$/, '')

function hostLink(client: Client, stream: ClientDuplexStream<HostMessage, PlacementMessage>, listener: LinkListener): PlacementLink {
  let open = true
  const close = (): boolean => {
    const was = open
    open = false
    if (was) {
      stream.cancel()
      client.close()
    }
    return was
  }
  stream.on('data', (message: PlacementMessage) => { if (open) listener.message(message) })
  stream.on('end', () => { if (close()) listener.closed(new Error('the service ended the stream')) })
  // After `close` the cancellation itself is reported here, to nobody.
  stream.on('error', (error: Error & { code?: number; details?: string }) => {
    if (close()) listener.closed(new Error(error.code === grpcStatus.UNAVAILABLE ? withoutEmptyNote(error.details ?? error.message) : messageOf(error)))
  })
  return {
    send: message => open && stream.writableLength < MAX_WAITING && (stream.write(message), true),
    close: () => void close(),
  }
}
