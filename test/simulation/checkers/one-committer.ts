/** The store took commits of one owner an epoch, and of no older epoch after a newer one (P4). */
import type { Checker } from '../history.ts'

export const oneCommitter: Checker = ({ commits }) => {
  const problems: string[] = []
  const newest = new Map<string, { epoch: number; nonce: string }>()
  for (const { type, shard, epoch, nonce, by, atMs } of commits) {
    const key = `${type}#${shard}`
    const last = newest.get(key)
    if (last !== undefined && epoch < last.epoch) problems.push(`${key}: ${by} committed in epoch ${epoch} at ${atMs} ms, after ${last.epoch} had begun`)
    else if (last?.epoch === epoch && last.nonce !== nonce) problems.push(`${key}: two owners committed in epoch ${epoch}, ${by} the second at ${atMs} ms`)
    else newest.set(key, { epoch, nonce })
  }
  return problems
}
