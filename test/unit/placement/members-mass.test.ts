/** Most hosts silent at once: their leases run out one after the other, within a renewal's time, and none is taken before it is seen that it is most. */
import { describe, expect, test } from 'vitest'
import type { Member } from '../../../placement/membership.ts'
import { Members } from '../../../placement/members.ts'
import { defaultLeaderTimes } from '../../../placement/placement-server.ts'

const memberOf = (id: string): Member => ({ id, incarnation: `${id}1`, address: `${id}:1`, http: '', types: ['A'], weight: 1, leaving: false })
const RENEW_MS = 500

/** The cluster's leases at `nowMs`, when those of `silent` were renewed last before 0, each some ms apart, and the others as they should be. */
function cluster(ids: readonly string[], silent: readonly string[]) {
  const members = new Members(defaultLeaderTimes)
  for (const id of ids) members.put(memberOf(id), 0)
  const leftMs = (id: string, nowMs: number): number => {
    const at = silent.indexOf(id)
    return at < 0 ? 2_000 - (nowMs + ids.indexOf(id) * 90) % RENEW_MS : 2_000 - at * (RENEW_MS / silent.length) - nowMs
  }
  return (nowMs: number) => {
    for (const id of ids) if (!silent.includes(id)) members.heard(id, nowMs)
    return members.judge(ids.map(id => ({ id: `${id}1`, leftMs: leftMs(id, nowMs) })), nowMs).map(({ id }) => id)
  }
}

function taken(ids: readonly string[], silent: readonly string[], untilMs: number): string[] {
  const look = cluster(ids, silent)
  const dead: string[] = []
  for (let nowMs = 100; nowMs <= untilMs; nowMs += 100) dead.push(...look(nowMs))
  return [...new Set(dead)]
}

describe('hosts that fall silent within half a second', () => {
  test.each([[['a', 'b', 'c', 'd', 'e'], ['b', 'c', 'd']], [['a', 'b', 'c'], ['b', 'c']]])('are kept when they are most of %j: %j', (ids, silent) => {
    expect(taken(ids, silent, 20_000)).toEqual([])
  })

  test.each([[['a', 'b', 'c', 'd', 'e'], ['b', 'c']], [['a', 'b', 'c'], ['c']], [['a', 'b'], ['b']]])('lose their shards when they are few of %j: %j', (ids, silent) => {
    expect(taken(ids, silent, 2_200).toSorted()).toEqual(silent)
  })

  test('are believed to be gone when it lasts', () => {
    expect(taken(['a', 'b', 'c'], ['b', 'c'], 40_000)).toEqual(['c', 'b'])
  })
})
