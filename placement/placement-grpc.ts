/**
 * The stream between hosts and placement over gRPC, both ends: the only importer of grpc-js in this folder. No decisions.
 */
import {
  loadPackageDefinition, Server, status as grpcStatus,
  type Client, type ClientDuplexStream, type GrpcObject, type sendUnaryData, type ServerDuplexStream, type ServerUnaryCall, type ServiceClientConstructor, type ServiceDefinition,
} from '@grpc/grpc-js'
import type { Clock } from '../core/clock.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import { checkExposure } from '../core/exposure.ts'
import { hostProblem, roleProblem } from '../core/tls-grants.ts'
import { joinAddress } from './addresses.ts'
import { channelCredentials, clientGrants, connectionProblem, serverCredentials, tlsChannelOptions, type ClusterTls } from './grpc-tls.ts'
import type { HostSession } from './host-sessions.ts'
import { refusal } from './join-check.ts'
import type { HostMessage, PlacementMessage, Refusal } from './messages.ts'
import type { Dial, LinkListener, PlacementEndpoint, PlacementLink } from './placement-link.ts'
import { loadPlacementProto } from './proto.ts'
import { statusReply } from './status-reply.ts'

/** A table of 10,000 types of which no two are alike stays below this. */
const MAX_TABLE_BYTES = 256 * 1024 * 1024
/** Messages that may wait in a host's link: heartbeats and releases are small and few. */
const MAX_WAITING = 1_000

const serviceClient = (): ServiceClientConstructor => {
  const root = loadPackageDefinition(loadPlacementProto()) as unknown as { troupe: { placement: { v1: GrpcObject } } }
  return root.troupe.placement.v1.Placement as ServiceClientConstructor
}

export interface ServeSecurity {
  /** Hosts must show a certificate that lets them join under their id with their types; plain text without. */
  readonly tls?: ClusterTls | undefined
  /** Listens beyond this machine without `tls`. */
  readonly insecure?: boolean | undefined
}

/**
 * Listens on `host`:`port` (0: chosen by the system).
 * @throws PORT_TAKEN · BAD_OPTION when the address is open to strangers, or cannot be bound for another reason
 */
export async function servePlacement(
  host: string, port: number, endpoint: PlacementEndpoint, clock: Clock, { tls, insecure = false }: ServeSecurity = {},
): Promise<{ address: string; close(): Promise<void> }> {
  await checkExposure({ what: 'the port of the placement service', host, secured: tls !== undefined, insecure, remedy: 'give --tls-ca, --tls-cert and --tls-key' })
  const server = new Server({ 'grpc.keepalive_time_ms': 10_000, 'grpc.keepalive_timeout_ms': 5_000 })
  server.addService(tolerant(serviceClient().service), {
    Connect: (call: ServerDuplexStream<Received, PlacementMessage>) => serveHost(call, endpoint, tls),
    Status: (call: ServerUnaryCall<unknown, unknown>, reply: sendUnaryData<unknown>) => {
      const problem = tls && anyRoleProblem(call, tls)
      if (problem === undefined) reply(null, statusReply(endpoint.status()))
      else reply({ code: grpcStatus.PERMISSION_DENIED, details: `FORBIDDEN: ${problem}` })
    },
  })
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(joinAddress(host, port), serverCredentials(tls?.identity), (error, boundPort) => {
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

/** Bytes that are no message. */
interface Malformed {
  readonly kind: 'malformed'
}
type Received = HostMessage | Malformed

/**
 * The service, with bytes that are no message handed over as such: grpc-js itself would end the call with a status, and a stream on which
 * something was sent already never hears of it.
 */
function tolerant({ Connect, ...rest }: ServiceDefinition): ServiceDefinition {
  const requestDeserialize = (bytes: Buffer): Received => {
    try {
      return Connect!.requestDeserialize(bytes) as HostMessage
    } catch {
      return { kind: 'malformed' }
    }
  }
  return { ...rest, Connect: { ...Connect!, requestDeserialize } }
}

function bindError(host: string, port: number, error: Error): TroupeError {
  const taken = /EADDRINUSE/.test(messageOf(error))
  return new TroupeError(taken ? 'PORT_TAKEN' : 'BAD_OPTION', taken
    ? `placement: port ${port} of ${host} is taken by another process; choose another --port, or 0`
    : `placement: cannot listen on ${joinAddress(host, port)}: ${messageOf(error)}`, { cause: error, data: { host, port } })
}

/** Whoever is of this cluster may look. */
function anyRoleProblem(call: ServerUnaryCall<unknown, unknown>, { namespace }: ClusterTls): string | undefined {
  const grants = clientGrants(call)
  const problems = (['host', 'placement', 'client'] as const).map(role => roleProblem(grants, namespace, role))
  return problems.includes(undefined) ? undefined : problems[0]
}

function serveHost(call: ServerDuplexStream<Received, PlacementMessage>, endpoint: PlacementEndpoint, tls: ClusterTls | undefined): void {
  /** Ending: nothing is written any more (a write then would keep the stream from ending), and nothing heard. */
  let phase: 'open' | 'ending' | 'closed' = 'open'
  const grants = tls === undefined ? [] : clientGrants(call)
  /** What a host says of itself must be what its certificate says of it. */
  const refused = (message: Received): Refusal | undefined => {
    if (message.kind === 'malformed') return refusal('PROTOCOL', 'placement: this host sent bytes that are no message; run the same version of troupe', null, true)
    const problem = tls !== undefined && message.kind === 'join' ? hostProblem(grants, tls.namespace, message.join.id, message.join.types) : undefined
    return problem === undefined ? undefined : refusal('FORBIDDEN', `this process may not join the cluster as it asked to: ${problem}`)
  }
  const session: HostSession = {
    send: message => phase === 'open' && call.write(message),
    end: () => {
      if (phase !== 'open') return
      phase = 'ending'
      call.end()
    },
  }
  const close = (): void => {
    if (phase === 'closed') return
    session.end()
    phase = 'closed'
    endpoint.closed(session)
  }
  call.on('data', (message: Received) => {
    if (phase !== 'open') return
    const refusal = refused(message)
    if (refusal === undefined) return endpoint.receive(session, message as HostMessage)
    session.send({ version: 0, term: 0, kind: 'refused', refused: refusal })
    close()
  })
  call.on('drain', () => { if (phase === 'open') endpoint.drained(session) })
  call.on('end', close)
  call.on('cancelled', close)
  call.on('error', close)
  call.on('close', close)
}

/** Links over gRPC. Each has a channel of its own, so that a new attempt never waits for the back-off of an old one. */
export const grpcDial = (tls?: ClusterTls): Dial => {
  const Placement = serviceClient()
  return (address, listener) => {
    const client = new Placement(address, channelCredentials(tls?.identity, grants => roleProblem(grants, tls!.namespace, 'placement')), {
      ...tlsChannelOptions(tls),
      'grpc.use_local_subchannel_pool': 1,
      'grpc.keepalive_time_ms': 10_000, 'grpc.keepalive_timeout_ms': 5_000,
      'grpc.max_receive_message_length': MAX_TABLE_BYTES,
      'grpc.enable_http_proxy': 0,
    })
    const connect = client.Connect as () => ClientDuplexStream<HostMessage, PlacementMessage>
    return hostLink(client, connect.call(client), listener)
  }
}

function reasonOf(error: Error & { code?: number; details?: string }): Error {
  const { text, error: typed } = connectionProblem(error.code === grpcStatus.UNAVAILABLE ? error.details ?? error.message : messageOf(error))
  return typed ?? new Error(text)
}

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
  let reached = false
  client.waitForReady(Infinity, error => { reached = error === undefined })
  stream.on('data', (message: PlacementMessage) => { if (open) listener.message(message) })
  stream.on('end', () => { if (close()) listener.closed(new Error('the service ended the stream')) })
  // After `close` the cancellation itself is reported here, to nobody.
  stream.on('error', (error: Error & { code?: number; details?: string }) => {
    if (close()) listener.closed(reasonOf(error))
  })
  return {
    send: message => open && stream.writableLength < MAX_WAITING && (stream.write(message), true),
    close: () => void close(),
    reached: () => reached,
  }
}
