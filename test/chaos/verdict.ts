/**
 * What a recorded history proves: the checkers of the simulation on what real processes did, and the counts that a run prints.
 *
 * The store is not watched here. Instead of its commits, `one-committer` gets what was acknowledged, in the order of each
 * ledger, with the host and epoch that the answers named: an epoch must never be older than one before it.
 */
import { checkers } from '../simulation/checkers/checkers.ts'
import { acknowledged, leavesNothing, receiptOf, type Committed, type History, type Operation } from '../simulation/history.ts'
import type { Entry, FaultFacts } from './recording.ts'

export interface Verdict {
  readonly calls: number
  readonly acknowledged: number
  /** Their outcome is certain: they did not take effect, or the actor itself threw. */
  readonly failed: number
  readonly unknown: number
  /** Tries that were refused because the host was not the owner any more. */
  readonly fenced: number
  readonly lost: number
  readonly duplicated: number
  readonly stale: number
  readonly errors: ReadonlyMap<string, number>
  readonly faults: readonly FaultFacts[]
  readonly problems: readonly { readonly checker: string; readonly problem: string }[]
}

const fencedCodes = new Set(['FENCED', 'NO_LEASE'])

export function judge(entries: readonly Entry[]): Verdict {
  const operations = entries.filter(entry => entry.entry === 'call')
  const audited = entries.filter(entry => entry.entry === 'audit')
  const history: History = {
    operations,
    audits: new Map(audited.map(({ id, audit }) => [id, audit])),
    commits: commitsOf(operations),
    violations: audited.flatMap(({ audit }) => audit.violations.map(what => ({ checker: 'reminders-are-never-early', what }))),
    registers: [], calm: false, bentClocks: false, tables: [], overfull: [],
    breakdowns: entries.filter(entry => entry.entry === 'breakdown').map(({ what }) => what),
  }
  const problems = Object.entries(checkers).flatMap(([checker, check]) => check(history).map(problem => ({ checker, problem })))
  const tries = operations.flatMap(operation => operation.tries)
  const errors = new Map<string, number>()
  for (const outcome of tries) {
    const code = outcome === undefined || outcome.kind === 'lost' ? 'LOST' : outcome.kind === 'error' ? outcome.code : undefined
    if (code !== undefined) errors.set(code, (errors.get(code) ?? 0) + 1)
  }
  const ends = operations.map(({ tries }) => tries.at(-1))
  return {
    calls: operations.length,
    acknowledged: operations.filter(acknowledged).length,
    failed: ends.filter(end => end?.kind === 'error' && end.executed !== 'unknown').length,
    unknown: ends.filter(end => end === undefined || end.kind === 'lost' || (end.kind === 'error' && end.executed === 'unknown')).length,
    fenced: tries.filter(outcome => outcome?.kind === 'error' && fencedCodes.has(outcome.code)).length,
    lost: problems.filter(({ checker }) => checker === 'acknowledged-is-kept').length,
    duplicated: problems.filter(({ checker }) => checker === 'nothing-twice').length,
    stale: problems.filter(({ checker }) => checker === 'reads-are-fresh').length,
    errors, problems,
    faults: entries.filter(entry => entry.entry === 'fault'),
  }
}

/** A repeat under a key (routers repeat too) is answered by whoever has the stored reply: its epoch says nothing of the first one's. */
const toldOnce = ({ keyed }: Operation): boolean => !keyed

function commitsOf(operations: readonly Operation[]): Committed[] {
  const changes = operations.filter(o => acknowledged(o) && o.method !== 'read' && !leavesNothing(o.method) && toldOnce(o))
  const numbers = new Map<string, number>()
  return changes.map(operation => ({ operation, place: receiptOf(operation).length })).sort((a, b) => a.place - b.place).map(({ operation }) => {
    const { id, settledMs, tries } = operation
    const outcome = tries.at(-1)
    const { host, epoch } = outcome?.kind === 'ok' ? outcome : { host: '', epoch: 0 }
    const shard = numbers.get(id) ?? numbers.size
    numbers.set(id, shard)
    return { type: `Ledger/${id}`, shard, id, epoch, nonce: host, by: host, atMs: Math.round(settledMs) }
  })
}
