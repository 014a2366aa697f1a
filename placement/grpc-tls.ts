/**
 * Certificates of both ends of a gRPC connection: what is shown, what is asked for, and who the other end turned out to be.
 *
 * Both ends check the whole chain before a byte of the protocol is read (TLS 1.3, rejected by the handshake), and then the role
 * (tls-grants.ts). A server picks up changed files for its next connections, a channel is made from the files of its moment.
 * Without an identity everything here is plain text, for loopback and for networks that keep strangers out by themselves.
 */
import { X509Certificate } from 'node:crypto'
import { credentials, ServerCredentials, type ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js'
import { readGrants, type Grant } from '../core/tls-grants.ts'
import type { TlsIdentity } from '../core/tls-identity.ts'

/** What a process shows to others, and in which cluster the certificates of others must name them. */
export interface ClusterTls {
  readonly identity: TlsIdentity
  readonly namespace: string
}

/** Who is at the other end; undefined when the connection is plain. */
export type PeerGrants = readonly Grant[] | undefined

/** grpc-js has `createSsl` for servers, but with no say in the TLS version and no way to change certificates. */
class ReloadedCredentials extends ServerCredentials {
  readonly #identity: TlsIdentity
  readonly #watchers = new Map<Parameters<ServerCredentials['_addWatcher']>[0], () => void>()

  constructor(identity: TlsIdentity, clients: 'demanded' | 'unasked') {
    const { options } = identity.current()
    super({ requestCert: clients === 'demanded', rejectUnauthorized: clients === 'demanded', minVersion: 'TLSv1.3' }, options)
    this.#identity = identity
  }
  override _addWatcher(watcher: Parameters<ServerCredentials['_addWatcher']>[0]): void {
    super._addWatcher(watcher)
    this.#watchers.set(watcher, this.#identity.onChange(({ options }) => watcher(options)))
  }
  override _removeWatcher(watcher: Parameters<ServerCredentials['_addWatcher']>[0]): void {
    super._removeWatcher(watcher)
    this.#watchers.get(watcher)?.()
    this.#watchers.delete(watcher)
  }
  override _equals(other: ServerCredentials): boolean {
    return this === other
  }
}

export const serverCredentials = (identity: TlsIdentity | undefined, clients: 'demanded' | 'unasked' = 'demanded'): ServerCredentials =>
  (identity === undefined ? ServerCredentials.createInsecure() : new ReloadedCredentials(identity, clients))

/**
 * For one channel. `onPeer` is told what the server's certificate grants, before anything is sent; a text is why that is not enough.
 * Names of machines do not count: a certificate is good wherever its holder runs.
 */
export function channelCredentials(identity: TlsIdentity | undefined, onPeer: (grants: readonly Grant[]) => string | undefined): ChannelCredentials {
  if (identity === undefined) return credentials.createInsecure()
  return credentials.createFromSecureContext(identity.current().context, {
    checkServerIdentity: (_host, certificate) => {
      const problem = onPeer(grantsIn(certificate.raw))
      return problem === undefined ? undefined : new Error(problem)
    },
  })
}

/** For channels with certificates: what stands for the machine's name, which nobody asks for. An address would be no legal one. */
export const tlsChannelOptions = (tls: ClusterTls | undefined): ChannelOptions =>
  (tls === undefined ? {} : { 'grpc.ssl_target_name_override': 'troupe' })

interface ServerCall {
  getAuthContext(): { readonly transportSecurityType?: string; readonly sslPeerCertificate?: { readonly raw: Buffer } } | null
}

/** What the certificate of a call's client grants: nothing when it showed none that leads to the authority. */
export function clientGrants(call: ServerCall): readonly Grant[] {
  const certificate = call.getAuthContext()?.sslPeerCertificate
  return certificate === undefined ? [] : grantsIn(certificate.raw)
}

/** From the bytes: what tls prints of a certificate is for people. */
const grantsIn = (der: Buffer): readonly Grant[] => readGrants(new X509Certificate(der).subjectAltName)

/** What a failed handshake looks like from here: the other end shows what we do not trust, or does not trust what we show. */
export const isTlsFailure = (text: string): boolean =>
  /certificate|self-signed|alert|SSL routines|ERR_SSL|ERR_TLS|wrong version number|handshake|before secure TLS connection/i.test(text)
