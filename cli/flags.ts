/**
 * Flags that several commands share, and how flag values are read: each flag may also be given as an environment
 * variable (`--http-port` = `TROUPE_HTTP_PORT`), the flag winning; a wrong value is refused with the flag's name.
 */
import { InvalidArgumentError, Option } from 'commander'
import { durationMs } from '../core/duration.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import { nameProblem } from '../core/ids.ts'
import { logLevels, type LogLevel } from '../core/logger.ts'
import type { TlsFiles } from '../core/tls-identity.ts'
import { tokensProblem, type ApiTokens } from '../gateway/api-token.ts'
import type { DoorOptions } from '../gateway/door-guard.ts'
import { keyProblem } from '../gateway/idempotency-key.ts'

/** A flag with its environment variable, `TROUPE_` and the long name. */
export function flag(flags: string, description: string): Option {
  const option = new Option(flags, description)
  return option.env(`TROUPE_${option.name().toUpperCase().replaceAll('-', '_')}`)
}

/** 0 lets the system choose. */
export function readPort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new InvalidArgumentError('It must be a port: 0 (chosen by the system) to 65535.')
  return Number(text)
}

/** A port, or `off`: no such door. */
export const readPortOrOff = (text: string): number | 'off' => (text === 'off' ? 'off' : readPort(text))

export function readDuration(text: string): number {
  try {
    return durationMs(/^\d+$/.test(text) ? Number(text) : text, 'duration')
  } catch (error) {
    throw new InvalidArgumentError(`${messageOf(error).replace(/^duration: /, '')}.`)
  }
}

export const readNumber = (least: number, most: number, whole = false) => (text: string): number => {
  const value = text.trim() === '' ? NaN : Number(text)
  if (!(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
    throw new InvalidArgumentError(`It must be a ${whole ? 'whole ' : ''}number from ${least} to ${most}.`)
  }
  return value
}

/** The address alone: ports have flags of their own, `portFlag` among them. */
export const readListenAddress = (portFlag: string) => (text: string): string => {
  if (/^(?:\[.*\]|[^:]*):\d*$/.test(text)) throw new InvalidArgumentError(`It must be an address alone; give the port with ${portFlag}.`)
  return text
}

/** `HOST:PORT[,HOST:PORT…]`. */
export function readAddresses(text: string): string[] {
  const addresses = text.split(',').map(a => a.trim()).filter(a => a !== '')
  for (const address of addresses) {
    const port = /^(?:\[[^\]]+\]|[^:\s/]+):(\d{1,5})$/.exec(address)?.[1]
    if (port === undefined || Number(port) < 1 || Number(port) > 65_535) {
      throw new InvalidArgumentError(`${JSON.stringify(address)} is no HOST:PORT.`)
    }
  }
  if (addresses.length === 0) throw new InvalidArgumentError('Give at least one HOST:PORT.')
  return addresses
}

export function readHostId(text: string): string {
  const problem = nameProblem(text, 128)
  if (problem !== undefined) throw new InvalidArgumentError(`A host id that ${problem} cannot be used.`)
  return text
}

export function readIdempotencyKey(text: string): string {
  const problem = keyProblem(text)
  if (problem !== undefined) throw new InvalidArgumentError(`${problem.replace(/^it/, 'It')}; give 1 to 255 characters, such as a UUID.`)
  return text
}

export function readHttpUrl(text: string): string {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new InvalidArgumentError('It must be a URL such as http://127.0.0.1:3500.')
  }
  return text.replace(/\/+$/, '')
}

export const storeFlag = (fallback: string): Option =>
  flag('--store <url>', 'where state lives: memory:, lmdb:DIR, redis://…, rediss://…, redis+cluster://… or postgres://…').default(fallback)

export const clusterStoreFlag = (): Option =>
  flag('--cluster-store <url>', 'where the placement table lives: etcd://HOST:PORT[,HOST:PORT…], or a --store URL (default: --store)')

export const namespaceFlag = (): Option =>
  flag('--namespace <name>', 'clusters with different namespaces share a store without meeting').default('default')

export const shardBitsFlag = (): Option =>
  flag('--shard-bits <bits>', 'log2 of the shards a type has; the same in the whole cluster').default(10).argParser(readNumber(0, 14, true))

export const toFlag = (): Option =>
  flag('--to <url>', 'HTTP address of any host').default('http://127.0.0.1:3500').argParser(readHttpUrl)

export const timeoutFlag = (): Option =>
  flag('--timeout <duration>', "how long to wait (default: the host's call timeout)").argParser(readDuration)

/** The level and shape of log lines; lines for people when the output is a terminal. */
export const logFlags = (): Option[] => [
  flag('--log-level <level>', 'least level that is logged').choices(logLevels).default('info'),
  flag('--log-format <format>', 'json: one object a line; pretty: for people').choices(['json', 'pretty'])
    .default(process.stdout.isTTY === true ? 'pretty' : 'json', 'pretty on a terminal, else json'),
]

export interface LogFlags {
  readonly logLevel: LogLevel
  readonly logFormat: 'json' | 'pretty'
}

export type Environment = Readonly<Record<string, string | undefined>>

// ---- security -----------------------------------------------------------------------------------------------------

export interface TlsFlags {
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
}

export interface ClientSecurityFlags extends TlsFlags {
  readonly apiToken?: string
}

export interface DoorFlags extends TlsFlags {
  readonly namespace?: string
  readonly apiToken?: ApiTokens
  readonly doorsTls?: 'off' | 'server' | 'mutual'
  readonly insecure?: boolean
}

/** Mutual TLS of this process; `troupe certs` makes a set. */
export const tlsFlags = (): Option[] => [
  flag('--tls-ca <file>', "certificates of the cluster's authority, PEM; with --tls-cert and --tls-key"),
  flag('--tls-cert <file>', "this process' certificate, which names its role; read again when it changes"),
  flag('--tls-key <file>', 'its private key'),
]

/** What commands that call a host bring. As an environment variable a token is in no list of processes. */
export const clientSecurityFlags = (): Option[] => [
  flag('--api-token <token>', 'API token that the host asks for; better as TROUPE_API_TOKEN or DAPR_API_TOKEN').argParser(readToken),
  ...tlsFlags(),
]

/** Hosts may know several. */
export const apiTokenFlag = (): Option =>
  flag('--api-token <tokens>', 'clients must bring one of these (dapr-api-token): TOKEN or NAME:TOKEN, with commas; better as TROUPE_API_TOKEN, or one as DAPR_API_TOKEN')
    .argParser(readTokens)

export const doorsTlsFlag = (): Option =>
  flag('--doors-tls <mode>', 'HTTP and gRPC doors: off, server (TLS), mutual (clients need a certificate)').choices(['off', 'server', 'mutual']).default('off')

export const insecureFlag = (): Option =>
  flag('--insecure', 'listen beyond this machine without knowing who calls')

function readToken(text: string): string {
  const problem = tokensProblem(text)
  if (problem !== undefined) throw new InvalidArgumentError('A token must be 1 to 4096 visible ASCII characters.')
  return text
}

/** Names are of letters, so that no token of the usual alphabets is taken for one with a name. */
function readTokens(text: string): Readonly<Record<string, string>> {
  const tokens: Record<string, string> = {}
  for (const [i, each] of text.split(',').entries()) {
    const [, name, token] = /^([a-zA-Z][a-zA-Z0-9_-]*):(.+)$/.exec(each.trim()) ?? [undefined, String(i + 1), each.trim()]
    if (Object.hasOwn(tokens, name!)) throw new InvalidArgumentError(`Two tokens have the name ${name}.`)
    tokens[name!] = readToken(token!)
  }
  return tokens
}

/** @throws BAD_OPTION when only some of the three flags are given */
export function tlsOf({ tlsCa, tlsCert, tlsKey }: TlsFlags): TlsFiles | undefined {
  if (tlsCa !== undefined && tlsCert !== undefined && tlsKey !== undefined) return { ca: tlsCa, cert: tlsCert, key: tlsKey }
  const missing = Object.entries({ '--tls-ca': tlsCa, '--tls-cert': tlsCert, '--tls-key': tlsKey }).flatMap(([name, value]) => (value === undefined ? [name] : []))
  if (missing.length === 3) return undefined
  throw new TroupeError('BAD_OPTION', `${missing.join(' and ')} is missing; give --tls-ca, --tls-cert and --tls-key, or none of them`)
}

/** What the doors of a host are told. @throws BAD_OPTION */
export function doorOptions(flags: DoorFlags, env: Environment = process.env): Pick<DoorOptions, 'apiToken' | 'tls' | 'insecure'> {
  const files = tlsOf(flags)
  const mode = flags.doorsTls ?? 'off'
  if (mode !== 'off' && files === undefined) throw new TroupeError('BAD_OPTION', `--doors-tls ${mode} needs --tls-ca, --tls-cert and --tls-key`)
  const apiToken = flags.apiToken ?? daprToken(env)
  return {
    ...(apiToken === undefined ? {} : { apiToken }),
    ...(mode === 'off' || files === undefined ? {} : {
      tls: { ...files, clients: mode === 'mutual' ? 'demanded' : 'unasked', ...(flags.namespace === undefined ? {} : { namespace: flags.namespace }) },
    }),
    insecure: flags.insecure === true,
  }
}

/** What commands tell the client. @throws BAD_OPTION */
export function clientSecurity(flags: ClientSecurityFlags): { apiToken?: string; tls?: TlsFiles } {
  const apiToken = flags.apiToken ?? daprToken(process.env)
  const tls = tlsOf(flags)
  return { ...(apiToken === undefined ? {} : { apiToken }), ...(tls === undefined ? {} : { tls }) }
}

/** The name that others know. */
const daprToken = (env: Environment): string | undefined => tokenIn(env, 'DAPR_API_TOKEN')

/** A token in an environment variable; empty counts as absent, as it does for Dapr. @throws BAD_OPTION */
export function tokenIn(env: Environment, variable: string): string | undefined {
  const token = env[variable]
  if (token === undefined || token === '') return undefined
  const problem = tokensProblem(token)
  if (problem !== undefined) throw new TroupeError('BAD_OPTION', `${variable}: ${problem}`)
  return token
}
