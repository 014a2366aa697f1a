/**
 * Logging as a port, with pino behind it: one JSON object a line, or readable lines on a terminal.
 * The only importer of pino.
 */
import { pino } from 'pino'
import pretty from 'pino-pretty'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
export const logLevels: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent']

/** `fields` first, then the sentence, as pino has it. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Logger
}

/** A logger on standard output; `pretty` for people, else JSON lines. */
export function openLogger(level: LogLevel, format: 'json' | 'pretty' = 'json', base: object = {}): Logger {
  const options = { level, base, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label: string) => ({ level: label }) } }
  return format === 'pretty'
    ? pino(options, pretty({ colorize: process.stdout.isTTY === true, translateTime: 'HH:MM:ss.l', ignore: 'pid,hostname', singleLine: true, sync: true }))
    : pino(options, pino.destination({ dest: 1, sync: true }))
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLogger }
