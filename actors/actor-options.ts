/** Options of an actor type and of its methods, as the author writes them and as they are used. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { z } from 'zod'
import { durationMs, type Duration } from '../core/duration.ts'
import type { Actor } from './actor.ts'

export interface ActorOptions {
  /** An activation without calls ends after it; 15 minutes by default. Memory is the price of more. */
  idleAfter?: Duration
  /** May a call chain that began in this actor come back into it while its turn waits? 'none' by default: CALL_CYCLE. */
  reentrancy?: 'none' | 'call-chain'
  /** Longest call chain that may reach this type; 32 by default. */
  maxDepth?: number
  /** Calls that may wait for a turn; 1,000 by default. More is MAILBOX_FULL. */
  mailbox?: number
  /** What the arguments of waiting calls may take, in bytes; 16 MiB by default. More is MAILBOX_FULL. */
  mailboxBytes?: number
  /** Longest turn; 30 s by default. A longer one is abandoned: TURN_TIMEOUT, and the actor is loaded afresh. */
  turnTimeout?: Duration
  /** How long the reply of a call with an idempotency key is kept; a day by default. */
  keepReplies?: Duration
  /** Reminders an actor may have; 10,000 by default. More is QUOTA_EXCEEDED. */
  maxReminders?: number
  /** How long running turns may go on when the shard moves; the host's `drainTimeout` by default. */
  drainTimeout?: Duration
  /** Which key places an actor: actors with one key live on one host. The id by default. Must never change. */
  placement?: { key?: (id: string) => string }
}

export interface MethodOption {
  /** The method changes nothing: its turns may overlap each other and commit nothing. */
  readonly?: boolean
  /** Checks and converts the argument list (an array), by any library of https://standardschema.dev. */
  input?: StandardSchemaV1<unknown, readonly unknown[]>
}

/** `static readonly methods = { total: { readonly: true } } satisfies MethodOptions<Account>` */
export type MethodOptions<A extends Actor> = {
  [Name in Exclude<keyof A, 'ctx'> as A[Name] extends (...args: never[]) => unknown ? Name : never]?: MethodOption
}

const duration = (fallback: number | undefined) => z.union([z.number(), z.string()]).optional().transform((value, context) => {
  if (value === undefined) return fallback
  try {
    return durationMs(value, 'it')
  } catch {
    context.addIssue({ code: 'custom', message: `${JSON.stringify(value)} is no duration; write '500ms', '2s', '1h30m' or milliseconds` })
    return z.NEVER
  }
})

export const actorOptionsSchema = z.strictObject({
  idleAfter: duration(15 * 60_000),
  reentrancy: z.enum(['none', 'call-chain']).default('none'),
  maxDepth: z.number().int().min(1).max(1000).default(32),
  mailbox: z.number().int().min(0).max(1_000_000).default(1000),
  mailboxBytes: z.number().int().min(0).default(16 * 1024 * 1024),
  turnTimeout: duration(30_000),
  keepReplies: duration(24 * 60 * 60_000),
  maxReminders: z.number().int().min(0).max(1_000_000).default(10_000),
  drainTimeout: duration(undefined),
  placement: z.strictObject({ key: z.custom<(id: string) => string>(v => typeof v === 'function', 'must be a function of the id').optional() }).default({}),
})

export const methodOptionSchema = z.strictObject({
  readonly: z.boolean().default(false),
  input: z.custom<StandardSchemaV1<unknown, readonly unknown[]>>(
    v => v !== null && (typeof v === 'object' || typeof v === 'function') && '~standard' in v, 'is no Standard Schema').optional(),
})
