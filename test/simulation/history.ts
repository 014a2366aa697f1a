/** What a run leaves for the checkers: what was asked and answered, what the ledgers hold in the end, what the store carried out. */
import type { SimOutcome } from '../../runtime/testing/sim-cluster.ts'
import type { Table } from '../../placement/table.ts'
import type { LedgerAudit } from './ledger.ts'
import type { RegisterCall } from './register.ts'

export type Method = 'add' | 'addSlowly' | 'store' | 'fail' | 'hang' | 'read' | 'transfer' | 'relay' | 'remind' | 'remindEvery'

export interface Operation {
  /** Its name in the logs; unique. */
  readonly op: string
  readonly id: string
  readonly method: Method
  readonly args: readonly unknown[]
  readonly keyed: boolean
  readonly invokedMs: number
  settledMs: number
  /** One for each try; a try that is still open is undefined. Only the last may be undefined. */
  readonly tries: (SimOutcome | undefined)[]
}

/** A write that the store took. */
export interface Committed {
  readonly type: string
  readonly shard: number
  readonly id: string
  readonly epoch: number
  readonly nonce: string
  readonly by: string
  readonly atMs: number
}

/** A queue at one moment. */
export interface Sample {
  readonly queue: string
  readonly host: string
  readonly size: number
  readonly bound: number
}

/** What an actor itself saw and must not have, and whose business it is. */
export interface Violation {
  readonly checker: 'one-turn-at-a-time' | 'reminders-are-never-early'
  readonly what: string
}

export interface History {
  readonly operations: readonly Operation[]
  readonly registers: readonly RegisterCall[]
  /** No fault but restarts, one at a time: no call may fail. */
  readonly calm: boolean
  /** Clocks stood or went faster than leases allow for: reads may be stale. */
  readonly bentClocks?: boolean
  /** Pairs `from→to` of which a send was set aside and tried again later: they have no order. */
  readonly revived?: ReadonlySet<string>
  /** Tables that were saved, in order. */
  readonly tables: readonly { readonly term: number; readonly version: number; readonly table: Table }[]
  /** Queues that were longer than they may be. */
  readonly overfull: readonly Sample[]
  readonly audits: ReadonlyMap<string, LedgerAudit>
  readonly commits: readonly Committed[]
  readonly violations: readonly Violation[]
  /** What broke down altogether: a failure that nobody caught, a ledger that cannot be read in the end. */
  readonly breakdowns: readonly string[]
}

/** Problems that it finds, as sentences. */
export type Checker = (history: History) => string[]

export const acknowledged = (operation: Operation): boolean => operation.tries.at(-1)?.kind === 'ok'

/** Methods that never leave anything behind. */
export const leavesNothing = (method: Method): boolean => method === 'fail' || method === 'hang'

/** No try of it can have run. */
export const provedNotRun = (operation: Operation): boolean =>
  operation.tries.every(outcome => outcome?.kind === 'error' && outcome.executed === 'no')

export const receiptOf = (operation: Operation): { length: number; last: string } => {
  const outcome = operation.tries.at(-1)
  return outcome?.kind === 'ok' ? outcome.value as { length: number; last: string } : { length: 0, last: '' }
}
