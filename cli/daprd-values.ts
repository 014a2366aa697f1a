/**
 * How the values of daprd's flags are read, where they are written otherwise than Troupe's own: booleans as Go has them, byte
 * sizes as Kubernetes has them, Go durations, and empty texts that stand for "not given" (compose files with unset variables).
 * A wrong value is refused with what would be right.
 */
import { InvalidArgumentError } from 'commander'
import { nameProblem } from '../core/ids.ts'
import type { LogLevel } from '../core/logger.ts'
import { parsePeriod } from '../reminders/duration-formats.ts'
import { readPort } from './flags.ts'

/** What a gateway and a host can be told; more would be memory that one request may take. */
const LEAST_BODY = 1024
const LARGEST_BODY = 256 * 1024 * 1024
const DEFAULT_BODY = 4 * 1024 * 1024

export const appProtocols = ['http', 'https', 'h2c', 'grpc', 'grpcs'] as const
export type AppProtocol = (typeof appProtocols)[number]

const booleans: Readonly<Record<string, boolean>> = { 1: true, t: true, true: true, 0: false, f: false, false: false }

export function readBoolean(text: string): boolean {
  const value = booleans[text.toLowerCase()]
  if (value === undefined) throw new InvalidArgumentError('It must be true or false.')
  return value
}

/** 0, a negative number and nothing at all: there is none. */
export const readOptionalPort = (text: string): number => (text === '' || /^-\d+$/.test(text) ? 0 : readPort(text))

/** A negative number is how `dapr run` says "choose one". */
export const readDoorPort = (text: string): number | 'off' => (text === 'off' ? 'off' : readOptionalPort(text))

export const readWhole = (least: number, most = 1_000_000_000) => (text: string): number => {
  if (!/^[+-]?\d+$/.test(text) || Number(text) < least || Number(text) > most) throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
  return Number(text)
}

/** 0 and negative numbers: no limit. */
export const readConcurrency = (text: string): number => (text === '' ? 0 : Math.max(0, readWhole(-1_000_000_000)(text)))

const sizes: Readonly<Record<string, number>> = {
  '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12, ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30, ti: 2 ** 40,
}

/** `4Mi`, `16MB`, `1.5M`, or a number of bytes; -1: the default. */
export function readByteSize(text: string): number {
  if (text === '-1') return DEFAULT_BODY
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([kKMGT]i?|)B?$/.exec(text.trim()) ?? []
  if (amount === undefined) throw new InvalidArgumentError('It must be a size such as 4Mi, 16MB or a number of bytes.')
  return inRange(Number(amount) * sizes[unit!.toLowerCase()]!)
}

/** The older flag counts in MiB and knows no units. */
export const readMebibytes = (text: string): number =>
  (text === '-1' || text === '' ? DEFAULT_BODY : /^\d+$/.test(text) ? inRange(Number(text) * 2 ** 20) : readByteSize(text))

function inRange(bytes: number): number {
  if (bytes < LEAST_BODY || bytes > LARGEST_BODY) throw new InvalidArgumentError('It must be from 1Ki to 256Mi.')
  return Math.floor(bytes)
}

/** Milliseconds of a Go duration, `10s`; empty: 0. A bare number is refused, as Go does: of what? */
export function readGoDuration(text: string): number {
  if (text === '') return 0
  const wrong = new InvalidArgumentError('It must be a duration with units, such as 500ms, 10s or 1m30s.')
  // The other form that is read here is of ISO 8601, which Go does not know.
  if (text.startsWith('P')) throw wrong
  try {
    return parsePeriod(text, 'duration').ms
  } catch {
    throw wrong
  }
}

export function readProtocol(text: string): AppProtocol {
  const protocol = appProtocols.find(p => p === text.toLowerCase())
  if (protocol === undefined) throw new InvalidArgumentError(`It must be one of ${appProtocols.join(', ')}.`)
  return protocol
}

const levels: Readonly<Record<string, LogLevel>> = {
  trace: 'trace', debug: 'debug', info: 'info', warn: 'warn', warning: 'warn', error: 'error', fatal: 'error', silent: 'silent',
}

export function readLogLevel(text: string): LogLevel {
  const level = levels[text.toLowerCase()]
  if (level === undefined) throw new InvalidArgumentError('It must be one of debug, info, warn, error, fatal, or trace and silent.')
  return level
}

export function readAppId(text: string): string {
  const problem = nameProblem(text, 128)
  if (problem !== undefined) throw new InvalidArgumentError(`An app id that ${problem} cannot be used.`)
  return text
}

/** Begins with a slash, as it is asked for. */
export const readPath = (text: string): string => (text === '' ? '/healthz' : text.startsWith('/') ? text : `/${text}`)

/** Repeated flags and lists with commas are one list. */
export const readList = (text: string, before: readonly string[] = []): string[] =>
  [...before, ...text.split(',').map(each => each.trim()).filter(each => each !== '')]

/** Each an address alone: ports have flags of their own. */
export function readListenAddresses(text: string): string[] {
  const addresses = readList(text).map(address => address.replace(/^\[(.*)\]$/, '$1'))
  if (addresses.length === 0) throw new InvalidArgumentError('Give at least one address, such as 127.0.0.1.')
  const wrong = addresses.find(address => /^(?:\[.*\]|[^:]*):\d*$/.test(address) || /\s/.test(address))
  if (wrong !== undefined) throw new InvalidArgumentError(`${JSON.stringify(wrong)} is no address alone; give ports with --dapr-http-port and --dapr-grpc-port.`)
  return addresses
}
