/**
 * Makes the files of `troupe certs` (certs.ts, which loads this only when it is asked to): an authority and the certificates of a
 * small cluster, for development and for trying mutual TLS out.
 *
 * Every file is readable by its owner alone. The authority's key is in the folder too: whoever has it is anybody in the
 * cluster, so a cluster that matters has its certificates from an authority of its own, with the same URIs (core/tls-grants.ts).
 */
import { webcrypto } from 'node:crypto'
import { chmod, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
// Without it the next line throws.
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { messageOf, TroupeError } from '../core/errors.ts'
import { grantUri, type Grant, type Role } from '../core/tls-grants.ts'

export interface CertsOptions {
  readonly folder: string
  readonly namespace: string
  /** Host ids; `*` is any. */
  readonly hosts: readonly string[]
  /** Types that the hosts may run; any when undefined. */
  readonly types?: readonly string[] | undefined
  readonly days: number
  /** Whether hosts may also lead placement, as a host without `--placement` does. */
  readonly lead?: boolean
  /** What to do with an authority that is there: sign with it, or replace it and with it the trust in all it has signed. */
  readonly authority?: 'add' | 'replace' | undefined
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const DAY_MS = 86_400_000
/** Clocks of a cluster's machines differ a little. */
const BEFORE_MS = 60_000

/** Makes the files; their names, in the order in which they were made. @throws BAD_OPTION when an authority is there and nothing was said about it */
export async function makeCerts(options: CertsOptions): Promise<string[]> {
  const { folder, namespace, hosts, types, lead = true } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const written: string[] = []
  const authority = await authorityOf(options, written)
  const grant = (role: Role, name: string): Grant => ({ role, namespace, name, types: role === 'host' ? types : undefined })
  const issue = async (file: string, grants: readonly Grant[]): Promise<void> => {
    const keys = await newKeys()
    const certificate = await x509.X509CertificateGenerator.create({
      ...validity(options.days), serialNumber: serial(), subject: `CN=${file}`, issuer: authority.certificate.subject,
      signingKey: authority.key, publicKey: keys.publicKey, signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        new x509.SubjectAlternativeNameExtension([
          ...grants.map(each => ({ type: 'url', value: grantUri(each) }) as const),
          // For clients of the doors, which know machines and not roles.
          { type: 'dns', value: 'localhost' }, { type: 'ip', value: '127.0.0.1' }, { type: 'ip', value: '::1' },
        ]),
        await x509.AuthorityKeyIdentifierExtension.create(authority.certificate),
      ],
    })
    await writePair(folder, file, certificate, keys.privateKey, written)
  }
  for (const host of hosts) {
    await issue(`host-${fileName(host)}`, [grant('host', host), ...(lead ? [grant('placement', host)] : [])])
  }
  await issue('placement', [grant('placement', 'placement')])
  await issue('client', [grant('client', 'client')])
  return written
}

interface Authority {
  readonly certificate: x509.X509Certificate
  readonly key: webcrypto.CryptoKey
}

async function authorityOf({ folder, namespace, days, authority }: CertsOptions, written: string[]): Promise<Authority> {
  const there = await isThere(join(folder, 'ca.crt')) || await isThere(join(folder, 'ca.key'))
  if (there && authority === undefined) {
    throw new TroupeError('BAD_OPTION', `${folder} holds an authority already; --add signs more certificates with it, --replace makes a new one that nobody trusts yet`)
  }
  if (there && authority === 'add') return readAuthority(folder)
  const keys = await newKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(days), serialNumber: serial(), name: `CN=Troupe ${namespace} ${serial().slice(0, 8)}`, keys, signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  await writePair(folder, 'ca', certificate, keys.privateKey, written)
  return { certificate, key: keys.privateKey }
}

async function readAuthority(folder: string): Promise<Authority> {
  try {
    const certificate = new x509.X509Certificate(await readFile(join(folder, 'ca.crt'), 'utf8'))
    const [der] = x509.PemConverter.decode(await readFile(join(folder, 'ca.key'), 'utf8'))
    return { certificate, key: await webcrypto.subtle.importKey('pkcs8', der!, ALGORITHM, false, ['sign']) as webcrypto.CryptoKey }
  } catch (error) {
    throw new TroupeError('BAD_OPTION', `the authority in ${folder} cannot be read: ${messageOf(error)}; --replace makes a new one`, { cause: error })
  }
}

const newKeys = async (): Promise<webcrypto.CryptoKeyPair> => await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as webcrypto.CryptoKeyPair

const validity = (days: number): { notBefore: Date; notAfter: Date } => {
  const now = Date.now()
  return { notBefore: new Date(now - BEFORE_MS), notAfter: new Date(now + days * DAY_MS) }
}

/** 16 bytes by chance, positive. */
const serial = (): string => {
  const bytes = webcrypto.getRandomValues(Buffer.alloc(16))
  bytes[0] = bytes[0]! & 0x7f | 0x40
  return bytes.toString('hex')
}

/** The key first: a reader between the two finds a pair that does not fit, and stays with what it has. */
async function writePair(folder: string, name: string, certificate: x509.X509Certificate, key: webcrypto.CryptoKey, written: string[]): Promise<void> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', key)
  await writeSecret(folder, `${name}.key`, x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'), written)
  await writeSecret(folder, `${name}.crt`, certificate.toString('pem'), written)
}

/** Whole or not at all, and never readable by others, not even for a moment. */
async function writeSecret(folder: string, name: string, text: string, written: string[]): Promise<void> {
  const path = join(folder, name)
  const temporary = `${path}.new`
  await writeFile(temporary, `${text}\n`, { mode: 0o600 })
  await chmod(temporary, 0o600)
  await rename(temporary, path)
  written.push(name)
}

const isThere = (path: string): Promise<boolean> => stat(path).then(() => true, () => false)

const fileName = (host: string): string => (host === '*' ? 'any' : encodeURIComponent(host).replaceAll('*', '%2A'))
