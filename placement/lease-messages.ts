/** What a host's main thread and the thread of its lease say to each other: data that can be cloned, in order, few. */
import { messageOf, TroupeError, type ErrorCode } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { LeaseMemory } from './lease-board.ts'
import type { LeaseNews, LeaseTimes } from './lease.ts'

/** What a thread is started with. */
export interface LeaseTask {
  readonly id: string
  /** The lease was opened by a thread before this one. */
  readonly resume: boolean
  /** URL of the cluster store. */
  readonly clusterStore: string
  readonly namespace: string
  readonly times: LeaseTimes
  readonly memory: LeaseMemory
}

export type LeaseOrder =
  | { readonly kind: 'renewNow' }
  | { readonly kind: 'close'; readonly release: boolean }

export interface LeaseFailure {
  readonly code: ErrorCode
  readonly message: string
}

type Level = 'debug' | 'info' | 'warn' | 'error'

export type LeaseReport =
  | { readonly kind: 'opened' }
  | { readonly kind: 'failed'; readonly failure: LeaseFailure }
  | { readonly kind: 'news'; readonly news: LeaseNews }
  | { readonly kind: 'revoked' }
  | { readonly kind: 'log'; readonly level: Level; readonly fields: object; readonly message: string }

/** An error that crosses threads keeps its code, which a clone of it would lose. */
export const failureOf = (error: unknown): LeaseFailure =>
  ({ code: TroupeError.is(error) ? error.code : 'STORE_UNAVAILABLE', message: messageOf(error) })

/** A logger whose lines are written by whoever hears `report`. */
export function portLogger(report: (said: LeaseReport) => void, base: object = {}): Logger {
  const at = (level: Level) => (fields: object, message: string): void =>
    report({ kind: 'log', level, fields: cloneable({ ...base, ...fields }), message })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: fields => portLogger(report, { ...base, ...fields }) }
}

/** Fields of a log line as what crosses threads: errors by what people read of them, anything else that is no plain value as text. */
function cloneable(fields: object): object {
  return Object.fromEntries(Object.entries(fields).map(([name, value]: [string, unknown]) => {
    if (value instanceof Error) return [name, { code: (value as { code?: unknown }).code, message: value.message, stack: value.stack }]
    return [name, typeof value === 'object' || typeof value === 'function' ? textOf(value) : value]
  }))
}

function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return messageOf(value)
  }
}
