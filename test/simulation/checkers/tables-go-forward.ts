/**
 * Placement tables as they were saved: terms and versions rise, no shard falls back to an older epoch, and an epoch of a
 * shard belongs to one life of one host, whichever leader says so.
 */
import type { Checker } from '../history.ts'

export const tablesGoForward: Checker = ({ tables }) => {
  const problems: string[] = []
  const newest = new Map<string, { epoch: number; incarnation: string }>()
  let last = { term: 0, version: 0 }
  for (const { term, version, table } of tables) {
    if (term < last.term || version <= last.version) problems.push(`version ${version} of term ${term} was saved after version ${last.version} of term ${last.term}`)
    last = { term, version }
    for (const type of table.types) {
      table.ownersOf(type)!.forEach((owner, shard) => {
        if (owner === undefined) return
        const key = `${type}#${shard}`
        const { epoch, member: { id, incarnation } } = owner
        const before = newest.get(key)
        if (before !== undefined && epoch < before.epoch) problems.push(`${key}: version ${version} says epoch ${epoch}, epoch ${before.epoch} was given before`)
        else if (before?.epoch === epoch && before.incarnation !== incarnation) problems.push(`${key}: version ${version} gives epoch ${epoch} to ${id}, it was another life's`)
        else newest.set(key, { epoch, incarnation })
      })
    }
  }
  return problems
}
