/** Every acknowledged change is in its ledger, at the place that its answer named; what failed for certain is not there. */
import { acknowledged, leavesNothing, provedNotRun, receiptOf, type Checker, type Operation } from '../history.ts'

const changes = ({ method }: Operation): boolean => method !== 'read' && !leavesNothing(method)

export const acknowledgedIsKept: Checker = ({ operations, audits }) => {
  const problems: string[] = []
  for (const operation of operations) {
    const { op, id, method } = operation
    const audit = audits.get(id)
    if (audit === undefined) continue
    const { log } = audit
    const at = log.indexOf(op)
    if (acknowledged(operation)) {
      const { length, last } = receiptOf(operation)
      if (leavesNothing(method)) problems.push(`${method} ${op} on ${id} cannot succeed, and its caller got a result`)
      else if (changes(operation) && at < 0) problems.push(`lost: ${method} ${op} on ${id} was acknowledged and is not in its log`)
      // Also what it only read must have stayed.
      else if (length > 0 && log[length - 1] !== last) problems.push(`lost: ${method} ${op} on ${id} answered that entry ${length} is "${last}", it is "${log[length - 1]}"`)
    } else if (at >= 0 && leavesNothing(method)) problems.push(`${method} ${op} on ${id} did not succeed and left its trace`)
    else if (at >= 0 && provedNotRun(operation)) problems.push(`${method} ${op} on ${id} was said not to have run and is in the log`)
    if (method === 'store' && at >= 0 !== audit.stored.includes(op)) problems.push(`torn: ${op} on ${id} is ${at >= 0 ? '' : 'not '}in the log and ${at >= 0 ? 'not ' : ''}in the storage`)
  }
  return problems
}
