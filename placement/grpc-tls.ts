/**
 * Certificates of both ends of a gRPC connection: what is shown, what is asked for, and who the other end turned out to be.
 *
 * Both ends check the whole chain before a byte of the protocol is read (TLS 1.3, rejected by the handshake), and then the role
 * (tls-grants.ts). A server picks up changed files for its next connections, a channel is made from the files of its moment.
 * Without an identity everything here is plain text, for loopback and for networks that keep strangers out by themselves.
 */
import { X509Certificate } from 'node:crypto'
import { credentials, ServerCredentials, type ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js'
import { TroupeError } from '../core/errors.ts'
import { hostProblem, readGrants, roleProblem, type Grant, type Role } from '../core/tls-grants.ts'
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
      return problem === undefined ? undefined : new Error(`${WRONG_ROLE}${problem}`)
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

/**
 * Whether this process' own certificate lets it do what it is about to: better said here, than as a refusal by others.
 * @throws BAD_OPTION
 */
export function checkOwnRole({ identity, namespace }: ClusterTls, role: Role, name?: string): void {
  const problem = roleProblem(identity.current().grants, namespace, role, name)
  if (problem !== undefined) throw new TroupeError('BAD_OPTION', `--tls-cert: this process wants to be a ${role} of ${namespace}, but ${problem}`)
}

/** The same for a host; `leads`: it carries a placement candidate. @throws BAD_OPTION */
export function checkOwnGrants(tls: ClusterTls, hostId: string, types: readonly string[], leads: boolean): void {
  const problem = hostProblem(tls.identity.current().grants, tls.namespace, hostId, types)
  if (problem !== undefined) throw new TroupeError('BAD_OPTION', `--tls-cert: host ${hostId}: ${problem}`)
  if (leads) checkOwnRole(tls, 'placement')
}

/** What failed handshakes look like from here: the other end shows what we do not trust, or does not trust what we show. */
const TLS_FAILURE = /certificate|self-signed|ssl alert|SSL routines|ERR_SSL|ERR_TLS|before secure TLS connection/i

const WRONG_ROLE = 'the other end may not be what it is: '

/** What grpc-js says of a connection, without its labels; an error with a code when certificates are the reason. */
export function connectionProblem(text: string): { readonly text: string; readonly error?: TroupeError } {
  const bare = text.replace(/\s*Resolution note:\s*$/, '').replace(/^No connection established\. Last error: (?:Error: )?/, '').trim()
  if (bare.startsWith(WRONG_ROLE)) return { text: bare, error: new TroupeError('FORBIDDEN', `FORBIDDEN: ${bare}`) }
  return TLS_FAILURE.test(bare) ? { text: bare, error: new TroupeError('UNAUTHENTICATED', `UNAUTHENTICATED: the certificates of both ends do not fit: ${bare}`) } : { text: bare }
}
