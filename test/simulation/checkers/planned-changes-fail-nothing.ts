/** Hosts and placement services that are restarted one at a time fail no call (P9). Asked of runs that have no other faults. */
import { leavesNothing, type Checker } from '../history.ts'

/** A caller that asks a host which is down, or says that it stops, asks another. */
const goElsewhere = new Set(['DOWN', 'HOST_STOPPING'])

export const plannedChangesFailNothing: Checker = ({ operations, calm }) => !calm ? [] : operations
  .filter(({ method }) => !leavesNothing(method))
  .flatMap(({ op, id, method, tries }) => tries.flatMap(outcome => {
    if (outcome?.kind === 'ok' || outcome === undefined) return []
    if (outcome.kind === 'error' && outcome.executed === 'no' && goElsewhere.has(outcome.code)) return []
    return [`${method} ${op} on ${id} failed: ${outcome.kind === 'error' ? `${outcome.code} ${outcome.message}` : outcome.kind}`]
  }))
