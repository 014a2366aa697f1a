/** How a client shows who it is, and knows whom it talks to: API token, certificates. */
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import * as https from 'node:https'
import { X509Certificate } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { silentLogger } from '../core/logger.ts'
import { readGrants } from '../core/tls-grants.ts'
import { TlsIdentity, type TlsFiles, type TlsMaterial } from '../core/tls-identity.ts'

/** The client's own certificate and key, and the cluster's authority: PEM files, read again when they change. */
export interface ClientTls extends TlsFiles {
  /** Of the cluster; any by default. */
  readonly namespace?: string
}

/**
 * Connections to https URLs. With `tls`, the other end must show a certificate of that authority, good for the URL's name or
 * for a host of the cluster; without, one of an authority that this machine trusts.
 */
export class SecureAgents {
  readonly #options: https.AgentOptions
  readonly #identity: TlsIdentity | undefined
  readonly #namespace: string | undefined
  #material: TlsMaterial | undefined
  #agent: https.Agent | undefined

  /** @throws BAD_OPTION for a file that cannot be used */
  constructor(options: https.AgentOptions, tls: ClientTls | undefined, clock: Clock) {
    this.#options = options
    this.#identity = tls && new TlsIdentity(tls, { clock, log: silentLogger })
    this.#namespace = tls?.namespace
  }

  /** The agent for new requests. Requests under way end with the one they have. */
  current(): https.Agent {
    const material = this.#identity?.current()
    if (this.#agent === undefined || material !== this.#material) {
      this.#material = material
      this.#agent = new https.Agent(material === undefined ? this.#options : {
        ...this.#options, ...material.options, maxCachedSessions: 0,
        checkServerIdentity: (name, certificate) => this.#problem(name, certificate),
      })
    }
    return this.#agent
  }

  #problem(name: string, certificate: PeerCertificate): Error | undefined {
    const byName = checkServerIdentity(name, certificate)
    if (byName === undefined) return undefined
    const hosts = readGrants(new X509Certificate(certificate.raw).subjectAltName).filter(({ role }) => role === 'host')
    return hosts.some(({ namespace }) => this.#namespace === undefined || namespace === this.#namespace) ? undefined : byName
  }

  destroy(): void {
    this.#agent?.destroy()
  }
}
