/**
 * This process' certificate, its key and the authority that others are checked against: three PEM files, read again when they
 * change.
 *
 * New connections use what the files hold by then, open ones go on. A change that cannot be used (half written, a key that
 * does not fit) is logged and what was read before stays in force. `current` looks at the files (a `stat` each), so whoever
 * dials asks it each time; whoever listens is told by `onChange`, for which the files are looked at once a second.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { Clock, Timer } from './clock.ts'
import { messageOf, TroupeError } from './errors.ts'
import type { Logger } from './logger.ts'
import { readGrants, type Grant } from './tls-grants.ts'

/** Paths of PEM files. */
export interface TlsFiles {
  /** Certificates of the authorities that sign this cluster's certificates. */
  readonly ca: string
  /** This process' certificate, with those between it and the authority. */
  readonly cert: string
  /** Its private key. */
  readonly key: string
}

export interface TlsMaterial {
  readonly options: SecureContextOptions
  /** For connections that this process makes. */
  readonly context: SecureContext
  readonly grants: readonly Grant[]
}

const LOOK_MS = 1000

export class TlsIdentity {
  readonly #files: TlsFiles
  readonly #door: boolean
  readonly #clock: Clock
  readonly #log: Logger
  readonly #listeners = new Set<(material: TlsMaterial) => void>()
  #seen: string
  #material: TlsMaterial
  #timer: Timer | undefined

  /**
   * `door`: its certificate is shown to the outside, and may come from another authority and name no role.
   * @throws BAD_OPTION naming the file that cannot be used, and what to do
   */
  constructor(files: TlsFiles, { clock, log, door = false }: { readonly clock: Clock; readonly log: Logger; readonly door?: boolean }) {
    this.#files = files
    this.#door = door
    this.#clock = clock
    this.#log = log
    this.#seen = stamps(files)
    this.#material = load(files, door)
  }

  /** What the files hold now. */
  current(): TlsMaterial {
    const seen = stamps(this.#files)
    if (seen === this.#seen) return this.#material
    // Also when it cannot be used: one line a change, not one a connection.
    this.#seen = seen
    try {
      this.#material = load(this.#files, this.#door)
    } catch (error) {
      this.#log.error({ error: messageOf(error) }, 'changed TLS files cannot be used; those read before stay in force')
      return this.#material
    }
    this.#log.info({ ...this.#files }, 'TLS files were read again')
    for (const listener of this.#listeners) listener(this.#material)
    return this.#material
  }

  /** Calls `listener` with what follows; ends by the returned function. */
  onChange(listener: (material: TlsMaterial) => void): () => void {
    this.#listeners.add(listener)
    this.#timer ??= this.#look()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      this.#timer?.cancel()
      this.#timer = undefined
    }
  }

  #look(): Timer {
    return this.#clock.after(LOOK_MS, () => {
      this.current()
      if (this.#listeners.size > 0) this.#timer = this.#look()
    })
  }
}

/** Changes when a file does; a file that is away is a change too. */
function stamps(files: TlsFiles): string {
  return [files.ca, files.cert, files.key].map(path => {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stat === undefined ? '-' : `${stat.ino}/${stat.size}/${stat.mtimeNs}`
  }).join(' ')
}

function load({ ca, cert, key }: TlsFiles, door: boolean): TlsMaterial {
  const options = { ca: read('--tls-ca', ca), cert: read('--tls-cert', cert), key: read('--tls-key', key), minVersion: 'TLSv1.3' } as const
  const authorities = certificates('--tls-ca', ca, options.ca)
  const [own, ...between] = certificates('--tls-cert', cert, options.cert)
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(options.key)
  } catch (error) {
    throw unusable('--tls-key', key, `holds no private key that can be read (${messageOf(error)})`, error)
  }
  if (!own!.checkPrivateKey(privateKey)) throw unusable('--tls-key', key, `is not the key of the certificate in ${cert}`)
  if (!door && !leadsTo(own!, between, authorities)) throw unusable('--tls-cert', cert, `is signed by none of the authorities in ${ca}`)
  const grants = readGrants(own!.subjectAltName)
  if (!door && grants.length === 0) throw unusable('--tls-cert', cert, 'has no URI troupe://NAMESPACE/ROLE/NAME among its alternative names')
  return { options, context: createSecureContext(options), grants }
}

function read(flag: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw unusable(flag, path, `cannot be read (${(error as NodeJS.ErrnoException).code ?? messageOf(error)})`, error)
  }
}

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** All certificates of a file; at least one. */
function certificates(flag: string, path: string, bytes: Buffer): X509Certificate[] {
  const found = bytes.toString('latin1').match(PEM) ?? []
  if (found.length === 0) throw unusable(flag, path, 'holds no certificate in PEM')
  try {
    return found.map(pem => new X509Certificate(pem))
  } catch (error) {
    throw unusable(flag, path, `holds a certificate that cannot be read (${messageOf(error)})`, error)
  }
}

/** Whether the certificates in between lead from `own` to an authority. Each peer checks all of it again, dates included. */
function leadsTo(own: X509Certificate, between: readonly X509Certificate[], authorities: readonly X509Certificate[]): boolean {
  let last = own
  for (let steps = 0; steps <= between.length; steps++) {
    if (authorities.some(authority => signed(last, authority))) return true
    const next = between.find(other => other !== last && signed(last, other))
    if (next === undefined) return false
    last = next
  }
  return false
}

const signed = (certificate: X509Certificate, by: X509Certificate): boolean => certificate.checkIssued(by) && certificate.verify(by.publicKey)

const unusable = (flag: string, path: string, problem: string, cause?: unknown): TroupeError => new TroupeError('BAD_OPTION',
  `${flag} ${path} ${problem}; give PEM files that belong together, such as those that \`troupe certs\` makes`, { data: { file: path }, cause })
