/** Each call is settled, at most once a try, and what needs no luck is answered once everything is whole. */
import { acknowledged, leavesNothing, type Checker } from '../history.ts'

export const everyCallSettles: Checker = ({ operations }) => operations.flatMap(operation => {
  const { op, id, method, tries, keyed } = operation
  if (tries.some(outcome => outcome === undefined)) return [`${method} ${op} on ${id} was never answered`]
  if (keyed && !leavesNothing(method) && !acknowledged(operation)) return [`${method} ${op} on ${id} has a key, was tried until the end and never succeeded`]
  return []
})
