/**
 * The log of a ledger is an order of its calls that agrees with time (linearizability, which for a ledger is as simple as
 * that): what was answered before another was asked comes before it. Reads see all that was acknowledged before them,
 * as long as clocks go as they should.
 */
import { acknowledged, leavesNothing, receiptOf, type Checker, type Operation } from '../history.ts'

export const oneOrder: Checker = ({ operations }) => check(operations, operation => operation.method !== 'read')

export const readsAreFresh: Checker = ({ operations, bentClocks }) => bentClocks ? [] : check(operations, operation => operation.method === 'read')

function check(all: readonly Operation[], isChecked: (operation: Operation) => boolean): string[] {
  const problems: string[] = []
  for (const [id, operations] of Map.groupBy(all.filter(o => acknowledged(o) && !leavesNothing(o.method)), o => o.id)) {
    const ends = operations.toSorted((a, b) => a.settledMs - b.settledMs)
    let longest: { length: number; op: string } = { length: 0, op: '' }
    let ended = 0
    for (const operation of operations.toSorted((a, b) => a.invokedMs - b.invokedMs)) {
      for (; ended < ends.length && ends[ended]!.settledMs < operation.invokedMs; ended++) {
        const { length } = receiptOf(ends[ended]!)
        if (length > longest.length) longest = { length, op: ends[ended]!.op }
      }
      if (!isChecked(operation)) continue
      const { length } = receiptOf(operation)
      const least = operation.method === 'read' ? longest.length : longest.length + 1
      if (length < least) problems.push(`${operation.method} ${operation.op} on ${id} answered ${length} entries, after ${longest.op} had been answered with ${longest.length}`)
    }
  }
  return problems
}
