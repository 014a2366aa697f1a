/**
 * Who may come in by a door, and as whom: API tokens, certificates of clients, and which addresses a door may be on without
 * either. The same for HTTP and gRPC.
 *
 * What a caller is comes from its token and its certificate alone; nothing that a request says of itself counts.
 */
import { X509Certificate } from 'node:crypto'
import type { Caller } from '../actors/authorize.ts'
import type { Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import { checkExposure } from '../core/exposure.ts'
import type { Logger } from '../core/logger.ts'
import { grantsOf, readGrants, roleProblem, type Grant } from '../core/tls-grants.ts'
import { TlsIdentity, type TlsFiles } from '../core/tls-identity.ts'
import { TokenCheck, TOKEN_HEADER, type ApiTokens } from './api-token.ts'

/** The certificate that clients see, which may be another than the peers see; `ca` signs those of clients. */
export interface DoorTls extends TlsFiles {
  /** `demanded`, the default: a client shows a certificate with the role `client` or `host`. `unasked`: TLS knows the server alone. */
  readonly clients?: 'demanded' | 'unasked'
  /** Which clients' certificates must name; `default` by default. */
  readonly namespace?: string
}

export interface DoorOptions {
  /** Requests must bring one of these as `dapr-api-token`; health routes need none. Nobody is asked by default. */
  apiToken?: ApiTokens
  /** TLS 1.3; plain text by default. */
  tls?: DoorTls
  /** Listens beyond this machine though nobody is asked who he is; false by default. */
  insecure?: boolean
}

export class DoorGuard {
  readonly demandsCertificate: boolean
  readonly #via: string
  readonly #tls: DoorTls | undefined
  readonly #insecure: boolean
  readonly #tokens: TokenCheck | undefined
  readonly #anybody: Caller

  constructor(via: 'http' | 'grpc', { apiToken, tls, insecure = false }: DoorOptions) {
    this.#via = via
    this.#tls = tls
    this.#insecure = insecure
    this.#tokens = apiToken === undefined ? undefined : new TokenCheck(apiToken)
    this.demandsCertificate = tls !== undefined && tls.clients !== 'unasked'
    this.#anybody = { kind: 'outside', via }
  }

  /** Before the port is opened. @throws BAD_OPTION when strangers could come in by it, or a TLS file cannot be used */
  async open(what: string, host: string, clock: Clock, log: Logger): Promise<TlsIdentity | undefined> {
    await checkExposure({
      what, host, secured: this.#tokens !== undefined || this.demandsCertificate, insecure: this.#insecure,
      remedy: 'give an API token (--api-token) or demand certificates (--doors-tls mutual)',
    })
    return this.#tls === undefined ? undefined : new TlsIdentity(this.#tls, { clock, log, door: true })
  }

  /** What a client's certificate says, once a connection. */
  grantsIn(der: Buffer | undefined): readonly Grant[] {
    return der === undefined ? [] : readGrants(new X509Certificate(der).subjectAltName)
  }

  /**
   * Who makes a request; `grants` are those of its connection. `free`: one that needs no token.
   * @throws UNAUTHENTICATED · FORBIDDEN
   */
  callerOf(token: string | undefined, grants: readonly Grant[], free = false): Caller {
    const certificate = this.demandsCertificate ? this.#certificateName(grants) : undefined
    if (this.#tokens === undefined || free) return certificate === undefined ? this.#anybody : { kind: 'outside', via: this.#via, certificate }
    const name = this.#tokens.nameOf(token)
    if (name === undefined) {
      throw new TroupeError('UNAUTHENTICATED', `invalid api token: ${token === undefined ? 'there is none' : 'this one is not known here'}; send a good one as ${TOKEN_HEADER}`)
    }
    return { kind: 'outside', via: this.#via, token: name, certificate }
  }

  /** @throws FORBIDDEN when the certificate is not for clients of this cluster */
  #certificateName(grants: readonly Grant[]): string {
    const namespace = this.#tls!.namespace ?? 'default'
    for (const role of ['client', 'host'] as const) {
      const grant = grantsOf(grants, namespace, role)[0]
      if (grant !== undefined) return `${role}/${grant.name}`
    }
    throw new TroupeError('FORBIDDEN', `this door is for clients of the cluster: ${roleProblem(grants, namespace, 'client')!}`)
  }
}
