/**
 * Flags that several commands share, and how flag values are read: each flag may also be given as an environment
 * variable (`--http-port` = `TROUPE_HTTP_PORT`), the flag winning; a wrong value is refused with the flag's name.
 */
import { InvalidArgumentError, Option } from 'commander'
import { durationMs } from '../core/duration.ts'
import { messageOf } from '../core/errors.ts'
import { nameProblem } from '../core/ids.ts'
import { logLevels, type LogLevel } from '../core/logger.ts'
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
