/** Tables over random histories: owners, epochs, moves, deltas and bytes. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Member } from '../../../placement/membership.ts'
import { nextTable } from '../../../placement/next-table.ts'
import { applyDelta, decodeTable, encodeDelta, encodeTable } from '../../../placement/table-codec.ts'
import { apply, changeBetween, diff } from '../../../placement/table-delta.ts'
import { emptyTable, Table } from '../../../placement/table.ts'

const SHARDS = 32
const TYPES = ['A', 'B', '__proto__']

const facts = (table: Table): unknown => ({
  version: table.version,
  members: [...table.members.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
  owners: [...table.types].sort().map(type => [type, Array.from({ length: table.shards }, (_, s) => {
    const owner = table.owner(type, s)
    return owner === undefined ? null : [owner.member.id, owner.member.incarnation, owner.epoch, owner.from ?? null]
  })]),
})

type Step =
  | { kind: 'join'; id: string; types: string[]; weight: number }
  | { kind: 'restart' | 'die' | 'leave'; id: string }
  | { kind: 'release'; share: number }

const id = fc.constantFrom('h1', 'h2', 'h3', 'h4', 'h5', '__proto__')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('join' as const), id, types: fc.subarray(TYPES), weight: fc.constantFrom(1, 1, 2) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('restart' as const, 'die' as const, 'leave' as const), id }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), share: fc.integer({ min: 1, max: 3 }) }) },
)

let incarnations = 0

function live(members: Map<string, Member>, s: Exclude<Step, { kind: 'release' }>): void {
  const known = members.get(s.id)
  const incarnation = `i${incarnations++}`
  if (s.kind === 'join' && known === undefined) {
    members.set(s.id, { id: s.id, incarnation, address: `${s.id}:1`, http: '', types: s.types, weight: s.weight, leaving: false })
  } else if (known !== undefined && s.kind === 'restart') members.set(s.id, { ...known, incarnation, leaving: false })
  else if (known !== undefined && s.kind === 'leave') members.set(s.id, { ...known, leaving: true })
  else if (s.kind === 'die') members.delete(s.id)
}

function checkStep(before: Table, after: Table, members: Map<string, Member>, released: (shard: number) => boolean): void {
  if (after === before) return
  expect(after.version).toBe(before.version + 1)
  for (const type of after.types) {
    const able = [...members.values()].filter(m => !m.leaving && m.types.includes(type))
    for (let shard = 0; shard < SHARDS; shard++) {
      const [was, now] = [before.owner(type, shard), after.owner(type, shard)]
      expect(now === undefined).toBe(able.length === 0)
      if (now === undefined) continue
      expect(after.members.get(now.member.id)).toBe(now.member)
      expect(able).toContainEqual(now.member)
      const same = was !== undefined && was.member.id === now.member.id && was.member.incarnation === now.member.incarnation
      expect(now.epoch).toBe(same ? was.epoch : after.version)
      expect(now.from).not.toBe(now.member.id)
      if (now.from === undefined) continue
      // Only a process that lives since the table before may hold a shard, and only until it has released it.
      expect(members.get(now.from)?.incarnation).toBe(before.members.get(now.from)?.incarnation)
      expect([was?.from, was?.member.id]).toContain(now.from)
      if (same) expect(released(shard) && was.from !== undefined).toBe(false)
    }
  }
}

describe('over random histories', () => {
  test('owners run the type and are staying, epochs rise with the owner alone, deltas and bytes say the same', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 30 }), steps => {
      const members = new Map<string, Member>()
      let table = emptyTable(SHARDS)
      let replica = table
      let decoded = table
      for (const s of steps) {
        if (s.kind !== 'release') live(members, s)
        const released = (shard: number): boolean => s.kind === 'release' && shard % s.share === 0
        const rules = { isReleased: (_type: string, shard: number) => released(shard) }
        const after = nextTable(table, members.values(), table.version + 1, rules)
        checkStep(table, after, members, released)
        expect(nextTable(after, members.values())).toBe(after)
        if (after === table) continue
        replica = apply(replica, diff(table, after))
        decoded = applyDelta(decoded, encodeDelta(table, after))
        expect(facts(replica)).toEqual(facts(after))
        expect(facts(decoded)).toEqual(facts(after))
        expect(facts(decodeTable(encodeTable(after), SHARDS))).toEqual(facts(after))
        // A restarted leader starts from the bytes and goes on as the old one would have.
        const reborn = table.version === 0 ? table : decodeTable(encodeTable(table), SHARDS)
        expect(facts(nextTable(reborn, members.values(), after.version, rules))).toEqual(facts(after))
        const change = changeBetween(table, after)
        for (const { type, shard, before, after: owner } of change.shards) {
          expect(before).toBe(table.owner(type, shard))
          expect(owner).toBe(after.owner(type, shard))
        }
        table = after
      }
    }), { numRuns: 200 })
  }, 60_000)
})

const member = (i: number, types: string[]): Member =>
  ({ id: `host-${i}`, incarnation: `${i}`.padStart(16, '0'), address: `10.0.${i >> 8}.${i & 255}:50002`, http: `http://10.0.${i >> 8}.${i & 255}:3500`, types, weight: 1, leaving: false })

test('types that went the same way share their owners, and new ones start beside them', () => {
  const one = nextTable(emptyTable(64), [member(1, ['A', 'B'])])
  expect(one.ownersOf('A')).toBe(one.ownersOf('B'))
  const two = nextTable(one, [member(1, ['A', 'B', 'C']), member(2, ['A', 'B', 'C'])])
  for (let shard = 0; shard < 64; shard++) {
    expect(two.owner('C', shard)!.member).toBe(two.owner('A', shard)!.member)
    expect(two.owner('C', shard)!.epoch).toBe(2)
  }
  // Also after a past that no ring would lead to at once.
  let table = emptyTable(256)
  const joining = [1, 2, 3, 4, 5, 6, 7].map(i => member(i, ['A']))
  joining.forEach((_, i) => { table = nextTable(table, joining.slice(0, i + 1)) })
  table = nextTable(table, joining.slice(3))
  const later = nextTable(table, joining.slice(3).map(m => ({ ...m, types: ['A', 'D'] })))
  for (let shard = 0; shard < 256; shard++) expect(later.owner('D', shard)!.member).toBe(later.owner('A', shard)!.member)
  // Released one type after the other, they meet again.
  const half = nextTable(two, two.members.values(), 3, { isReleased: type => type === 'A' })
  expect(half.ownersOf('A')).not.toBe(half.ownersOf('B'))
  const whole = nextTable(half, half.members.values(), 4, { isReleased: type => type === 'B' })
  expect(whole.ownersOf('A')).toBe(whole.ownersOf('B'))
})

test('1,000 hosts with fifty types of 1,024 shards: well under 1 MB, and a small delta for a death', () => {
  const types = Array.from({ length: 50 }, (_, i) => `Type${i}`)
  const members = Array.from({ length: 1000 }, (_, i) => member(i, types))
  const table = nextTable(emptyTable(1024), members)
  const bytes = encodeTable(table)
  expect(bytes.length).toBeLessThan(200_000)
  const after = nextTable(table, members.slice(1))
  expect(encodeDelta(table, after).length).toBeLessThan(2_000)
})

test('fifty types that all differ in hosts stay under 1 MB', () => {
  const members = Array.from({ length: 1000 }, (_, i) => member(i, Array.from({ length: 50 }, (_x, t) => `Type${t}`).filter((_x, t) => (i + t) % 50 !== 0)))
  expect(encodeTable(nextTable(emptyTable(1024), members)).length).toBeLessThan(600_000)
})

test('an owner is looked up without allocating: the same object each time', () => {
  const table = nextTable(emptyTable(16), [member(1, ['A'])])
  expect(table.owner('A', 3)).toBe(table.owner('A', 3))
  expect(table.owner('nobody', 3)).toBe(undefined)
  expect(table.owner('A', 16)).toBe(undefined)
  expect(table.owner('toString', 0)).toBe(undefined)
})

test('bytes of anybody else are refused as PROTOCOL', () => {
  const bytes = encodeTable(nextTable(emptyTable(16), [member(1, ['A'])]))
  expect(() => decodeTable(bytes, 32)).toThrowError(expect.objectContaining({ code: 'PROTOCOL' }))
  fc.assert(fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 }), (at, value) => {
    const broken = Uint8Array.from(bytes)
    broken[at] = value
    try {
      decodeTable(broken, 16)
    } catch (error) {
      expect(error).toMatchObject({ code: 'PROTOCOL' })
    }
  }), { numRuns: 500 })
  expect(() => decodeTable(bytes.slice(0, 10), 16)).toThrowError(expect.objectContaining({ code: 'PROTOCOL' }))
})

test('a delta fits one table only', () => {
  const one = nextTable(emptyTable(16), [member(1, ['A'])])
  const two = nextTable(one, [member(1, ['A']), member(2, ['A'])])
  expect(() => applyDelta(emptyTable(16), encodeDelta(one, two))).toThrowError(expect.objectContaining({ code: 'PROTOCOL' }))
})
