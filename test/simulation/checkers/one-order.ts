/**
 * The log of a ledger is an order of its calls that agrees with time: what was answered before another was asked comes
 * before it (linearizability, which for a ledger is as simple as that). Reads see all that was acknowledged before them.
 */
import { acknowledged, receiptOf, type Checker, type Operation } from '../history.ts'

export const oneOrder: Checker = ({ operations }) => {
  const problems: string[] = []
  const byId = Map.groupBy(operations.filter(o => acknowledged(o) && o.method !== 'fail'), o => o.id)
  for (const [id, ofLedger] of byId) {
    const ends = ofLedger.toSorted((a, b) => a.settledMs - b.settledMs)
    let longest: { length: number; op: string } = { length: 0, op: '' }
    let ended = 0
    for (const operation of ofLedger.toSorted((a, b) => a.invokedMs - b.invokedMs)) {
      for (; ended < ends.length && ends[ended]!.settledMs < operation.invokedMs; ended++) {
        const length = placeOf(ends[ended]!)
        if (length > longest.length) longest = { length, op: ends[ended]!.op }
      }
      const { length } = receiptOf(operation)
      const least = operation.method === 'read' ? longest.length : longest.length + 1
      if (length < least) problems.push(`stale: ${operation.method} ${operation.op} on ${id} answered ${length} entries, after ${longest.op} had been answered with ${longest.length}`)
    }
  }
  return problems
}

/** Entries that had to be there when it was answered. */
const placeOf = (operation: Operation): number => receiptOf(operation).length
