/** Each call is settled, in its time, and what needs no luck is answered once everything is whole. */
import { acknowledged, leavesNothing, type Checker } from '../history.ts'

export const everyCallSettles: Checker = ({ operations }) => operations.flatMap(operation => {
  const { op, id, method, tries, keyed } = operation
  if (tries.some(outcome => outcome === undefined)) return [`${method} ${op} on ${id} was never answered`]
  if (tries.some(outcome => outcome?.kind === 'silent')) return [`${method} ${op} on ${id} had no answer when its time was over, and its host lived`]
  if (keyed && !leavesNothing(method) && !acknowledged(operation)) return [`${method} ${op} on ${id} has a key, was tried until the end and never succeeded`]
  return []
})
