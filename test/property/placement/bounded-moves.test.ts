/** Planned moves in rounds: never too many at once, living owners until then, and in the end the same balance for as few moves. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Flapping } from '../../../placement/flapping.ts'
import { capOf } from '../../../placement/hash-ring.ts'
import type { Member } from '../../../placement/membership.ts'
import { nextTable, type MoveRules } from '../../../placement/next-table.ts'
import { emptyTable, type Table } from '../../../placement/table.ts'

const TYPES = ['A', 'B', 'C']

const member = (id: string, more: Partial<Member> = {}): Member =>
  ({ id, incarnation: `${id}-1`, address: `${id}:1`, http: '', types: TYPES, weight: 1, leaving: false, ...more })

const moving = (table: Table, type: string): number => table.ownersOf(type)!.filter(owner => owner?.from !== undefined).length

interface Run {
  readonly table: Table
  readonly rounds: number
  /** How often each shard of type A changed its owner, added up. */
  readonly moves: number
}

/** Publishes and releases until nothing is left to do; `released` says which shards answer in which round. */
function settle(start: Table, members: readonly Member[], rules: Partial<MoveRules> & { maxMoves: number }, released: (round: number, shard: number) => boolean): Run {
  let table = start
  let moves = 0
  let rounds = 0
  for (; rounds < 3_000; rounds++) {
    const isReleased: MoveRules['isReleased'] = (_type, shard) => rounds > 0 && released(rounds, shard)
    const next = nextTable(table, members, table.version + 1, { ...rules, isReleased })
    for (const type of next.types) {
      // Those that were moving before do not count as begun now; nothing more may begin than there is room for.
      expect(moving(next, type)).toBeLessThanOrEqual(Math.max(rules.maxMoves, table.types.has(type) ? moving(table, type) : 0))
    }
    for (let shard = 0; shard < table.shards; shard++) {
      const [was, now] = [table.owner('A', shard), next.owner('A', shard)]
      if (was !== undefined && was.member.id !== now?.member.id) moves++
      // Whoever is to hold a shard lives, a shard in no planned move stays with its living owner.
      if (now !== undefined) expect(next.members.get(now.member.id)).toBe(now.member)
    }
    if (next === table && moving(table, 'A') === 0) return { table, rounds, moves }
    table = next
  }
  throw new Error('does not settle')
}

const always = (): boolean => true

function checkBalance(table: Table, members: readonly Member[]): void {
  const able = members.filter(m => !m.leaving)
  const weight = able.reduce((sum, m) => sum + m.weight, 0)
  for (const type of TYPES) {
    const owned = (id: string): number => table.ownersOf(type)!.filter(owner => owner?.member.id === id).length
    for (const m of members) {
      if (m.leaving) expect(owned(m.id)).toBe(0)
      else expect(owned(m.id)).toBeLessThanOrEqual(capOf((table.shards * m.weight) / weight))
    }
  }
}

test('a join in rounds: bounded at every step, balanced in the end, with at most 1.3 times the moves that it needs', () => {
  fc.assert(fc.property(
    fc.constantFrom(64, 256, 1_024), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 5 }),
    (shards, count, maxMoves, lateness) => {
      const old = Array.from({ length: count }, (_, i) => member(`h${i}`))
      const start = settle(emptyTable(shards), old, { maxMoves }, always).table
      const members = [...old, member('new')]
      const { table, moves } = settle(start, members, { maxMoves: Math.max(maxMoves, shards / 64) }, (round, shard) => (round + shard) % lateness === 0)
      checkBalance(table, members)
      expect(moves).toBeLessThanOrEqual(Math.ceil((1.3 * shards) / members.length))
    },
  ), { numRuns: 30 })
}, 60_000)

test('a leave in rounds: only what the leaver had moves, and it has nothing in the end', () => {
  fc.assert(fc.property(fc.constantFrom(64, 1_024), fc.integer({ min: 2, max: 10 }), fc.integer({ min: 8, max: 200 }), (shards, count, maxMoves) => {
    const old = Array.from({ length: count }, (_, i) => member(`h${i}`))
    const start = settle(emptyTable(shards), old, { maxMoves }, always).table
    const had = start.ownersOf('A')!.filter(owner => owner!.member.id === 'h0').length
    const members = [member('h0', { leaving: true }), ...old.slice(1)]
    const { table, moves, rounds } = settle(start, members, { maxMoves }, always)
    checkBalance(table, members)
    expect(moves).toBe(had)
    expect(rounds).toBeGreaterThanOrEqual(Math.floor(had / maxMoves))
  }), { numRuns: 20 })
}, 60_000)

test('joins, leaves and deaths in the middle of rounds: all settle, balanced', () => {
  const step = fc.record({ kind: fc.constantFrom('join' as const, 'leave' as const, 'die' as const), id: fc.integer({ min: 0, max: 7 }), rounds: fc.integer({ min: 0, max: 3 }) })
  fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.integer({ min: 4, max: 60 }), (steps, maxMoves) => {
    const members = new Map<string, Member>([['h0', member('h0')]])
    let table = nextTable(emptyTable(128), members.values())
    let life = 0
    for (const { kind, id, rounds } of steps) {
      const name = `h${id}`
      const known = members.get(name)
      if (kind === 'join' && known === undefined) members.set(name, member(name, { incarnation: `${name}-${life++}` }))
      else if (kind === 'leave' && known !== undefined) members.set(name, { ...known, leaving: true })
      else if (kind === 'die') members.delete(name)
      for (let round = 0; round <= rounds; round++) {
        table = nextTable(table, members.values(), table.version + 1, { maxMoves, isReleased: (_type, shard) => round > 0 && shard % 2 === 0 })
        const able = [...members.values()].some(m => !m.leaving)
        // Nothing is ownerless while somebody could own it, and no dead host owns anything.
        if (able) expect(table.ownersOf('A')!.every(owner => owner !== undefined && members.has(owner.member.id))).toBe(true)
      }
    }
    const settled = settle(table, [...members.values()], { maxMoves }, always).table
    if ([...members.values()].some(m => !m.leaving)) checkBalance(settled, [...members.values()])
  }), { numRuns: 100 })
}, 60_000)

test('types with the same hosts go through the rounds in step, however their releases come, and share their owners in the end', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 40 }), fc.array(fc.subarray(TYPES), { minLength: 1, maxLength: 10 }), (maxMoves, releasing) => {
    const members = [member('a'), member('b'), member('c')]
    let table = settle(emptyTable(64), members.slice(0, 2), { maxMoves }, always).table
    let round = 0
    for (; round < 1_000; round++) {
      const released = releasing[round % releasing.length]!
      const next = nextTable(table, members, table.version + 1, { maxMoves, isReleased: type => round % 7 === 6 || released.includes(type) })
      const numbers = new Set(TYPES.flatMap(type => next.ownersOf(type)!.flatMap((owner, shard) => (owner?.from === undefined ? [] : [shard]))))
      expect(numbers.size).toBeLessThanOrEqual(maxMoves)
      for (const type of TYPES) {
        next.ownersOf(type)!.forEach((owner, shard) => {
          expect([owner!.member.id, owner!.epoch]).toEqual([next.owner('A', shard)!.member.id, next.owner('A', shard)!.epoch])
        })
      }
      if (next === table && TYPES.every(type => moving(table, type) === 0)) break
      table = next
    }
    expect(round).toBeLessThan(1_000)
    for (const type of TYPES) expect(table.ownersOf(type)).toBe(table.ownersOf('A'))
    checkBalance(table, members)
  }), { numRuns: 30 })
}, 60_000)

test('a resting member gets nothing while another runs the type; all shards have owners all the time', () => {
  const resting = { isResting: (m: Member) => m.id === 'b' }
  const a = member('a', { types: ['A'] })
  const b = member('b', { types: ['A', 'B'] })
  const table = nextTable(emptyTable(16), [a, b], 1, resting)
  expect(new Set(table.ownersOf('A')!.map(owner => owner!.member.id))).toEqual(new Set(['a']))
  expect(new Set(table.ownersOf('B')!.map(owner => owner!.member.id))).toEqual(new Set(['b']))
  const fresh = member('b', { incarnation: 'b-2', types: ['A'] })
  const restarted = nextTable(nextTable(emptyTable(16), [a, member('b', { types: ['A'] })]), [a, fresh], 2, resting)
  expect(new Set(restarted.ownersOf('A')!.map(owner => owner!.member.id))).toEqual(new Set(['a']))
  expect(restarted.ownersOf('A')!.every(owner => owner!.from === undefined)).toBe(true)
})

test('rests grow with deaths, end, are forgotten with time, and never exceed a minute', () => {
  const event = fc.record({ afterMs: fc.integer({ min: 0, max: 90_000 }), kind: fc.constantFrom('died' as const, 'left' as const) })
  fc.assert(fc.property(fc.array(event, { maxLength: 200 }), events => {
    const flapping = new Flapping()
    let nowMs = 0
    const deaths: number[] = []
    for (const { afterMs, kind } of events) {
      nowMs += afterMs
      flapping[kind]('h', nowMs)
      if (kind === 'died') deaths.push(nowMs)
      const rest = flapping.joined('h', nowMs)
      const recent = deaths.filter(at => at > nowMs - 300_000).length
      expect(rest).toBeLessThanOrEqual(60_000)
      if (recent > 2) expect(rest).toBeGreaterThanOrEqual(Math.min(60_000, 1_000 * 2 ** (recent - 3)))
      expect(flapping.restMs('h', nowMs)).toBe(rest)
      expect(flapping.restMs('h', nowMs + rest)).toBe(0)
      expect(flapping.restMs('other', nowMs)).toBe(0)
    }
    expect(flapping.joined('h', nowMs + 300_001)).toBe(0)
  }), { numRuns: 100 })
  // A rolling restart or two in five minutes is nothing; one every few seconds is.
  const planned = new Flapping()
  const rests = Array.from({ length: 20 }, (_, i) => {
    planned.left('h', i * 5_000)
    return planned.joined('h', i * 5_000)
  })
  expect(rests.slice(0, 11)).toEqual(new Array(11).fill(0))
  expect(rests[19]!).toBeGreaterThan(1_000)
})
