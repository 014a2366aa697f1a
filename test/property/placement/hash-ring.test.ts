/** Bounds and moves of the ring, over random histories of joins and leaves. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { capOf, ShardRing, type Assignment, type RingHost } from '../../../placement/hash-ring.ts'

const none = (shards: number): Assignment => new Array<undefined>(shards).fill(undefined)

function loads(assignment: Assignment): Map<string, number> {
  const counts = new Map<string, number>()
  for (const id of assignment) counts.set(id!, (counts.get(id!) ?? 0) + 1)
  return counts
}

function checkBounds(assignment: Assignment, hosts: readonly RingHost[]): void {
  const total = hosts.reduce((sum, host) => sum + host.weight, 0)
  const counts = loads(assignment)
  for (const { id, weight } of hosts) {
    const fair = (assignment.length * weight) / total
    expect(counts.get(id) ?? 0).toBeLessThanOrEqual(capOf(fair))
    expect(counts.get(id) ?? 0).toBeGreaterThanOrEqual(Math.floor(fair))
  }
  expect([...counts.keys()].every(id => hosts.some(host => host.id === id))).toBe(true)
}

const moved = (a: Assignment, b: Assignment): number => a.filter((id, shard) => id !== b[shard]).length

/** Ids that would hurt a careless implementation, and ordinary ones. */
const id = fc.oneof(fc.constantFrom('__proto__', 'constructor', '1', '2', '10', 'a:1', 'a:2', 'h-1', 'h-11'), fc.integer({ min: 0, max: 400 }).map(n => `host-${n}`))

test('after every join and leave: bounds, few moves, the same for everybody, nothing left to do', () => {
  fc.assert(fc.property(
    fc.constantFrom(1, 16, 64, 1024), fc.array(fc.tuple(fc.boolean(), id), { minLength: 1, maxLength: 40 }),
    (shards, steps) => {
      let hosts: RingHost[] = []
      let assignment = none(shards)
      for (const [joins, name] of steps) {
        const known = hosts.some(host => host.id === name)
        if (joins === known) continue
        const before = loads(assignment)
        hosts = joins ? [...hosts, { id: name, weight: 1 }] : hosts.filter(host => host.id !== name)
        const next = new ShardRing(hosts).assign(assignment)
        expect(new ShardRing([...hosts].reverse()).assign(assignment)).toEqual(next)
        expect(new ShardRing(hosts).assign(next)).toEqual(next)
        if (hosts.length === 0) {
          expect(next).toEqual(none(shards))
        } else {
          checkBounds(next, hosts)
          if (joins) expect(moved(assignment, next)).toBeLessThanOrEqual(Math.ceil((1.3 * shards) / hosts.length))
          else expect(moved(assignment, next)).toBe(before.get(name) ?? 0)
        }
        assignment = next
      }
    },
  ), { numRuns: 150 })
}, 60_000)

test('with weights: bounds by weight, and a join moves at most 1.3 times its share', () => {
  const weight = fc.constantFrom(0.5, 1, 2, 4)
  fc.assert(fc.property(fc.uniqueArray(fc.tuple(id, weight), { selector: ([name]) => name, minLength: 1, maxLength: 40 }), entries => {
    const shards = 1024
    const hosts: RingHost[] = []
    let assignment = none(shards)
    for (const [name, w] of entries) {
      hosts.push({ id: name, weight: w })
      const next = new ShardRing(hosts).assign(assignment)
      checkBounds(next, hosts)
      const fair = (shards * w) / hosts.reduce((sum, host) => sum + host.weight, 0)
      expect(moved(assignment, next)).toBeLessThanOrEqual(Math.ceil(1.3 * fair))
      assignment = next
    }
    for (const gone of entries.slice(1)) {
      const before = loads(assignment).get(gone[0]) ?? 0
      hosts.splice(hosts.findIndex(host => host.id === gone[0]), 1)
      const next = new ShardRing(hosts).assign(assignment)
      checkBounds(next, hosts)
      expect(moved(assignment, next)).toBeLessThanOrEqual(Math.ceil(1.3 * before))
      assignment = next
    }
  }), { numRuns: 60 })
}, 60_000)

test('many that join or leave at once: the same bounds', () => {
  const group = fc.uniqueArray(id, { minLength: 1, maxLength: 60 })
  fc.assert(fc.property(fc.constantFrom(64, 1024), fc.array(group, { minLength: 1, maxLength: 6 }), (shards, groups) => {
    let assignment = none(shards)
    for (const names of groups) {
      const hosts = names.map(name => ({ id: name, weight: 1 }))
      assignment = new ShardRing(hosts).assign(assignment)
      checkBounds(assignment, hosts)
    }
  }), { numRuns: 100 })
})

test('a host that comes back gets mostly the shards it had', () => {
  const hosts = Array.from({ length: 10 }, (_, i) => ({ id: `host-${i}`, weight: 1 }))
  const first = new ShardRing(hosts).assign(none(1024))
  const without = new ShardRing(hosts.slice(1)).assign(first)
  const again = new ShardRing(hosts).assign(without)
  const mine = first.flatMap((name, shard) => (name === 'host-0' ? [shard] : []))
  expect(mine.filter(shard => again[shard] === 'host-0').length).toBeGreaterThan(mine.length * 0.6)
})

test('more hosts than shards: one each at most', () => {
  const hosts = Array.from({ length: 50 }, (_, i) => ({ id: `host-${i}`, weight: 1 }))
  expect(Math.max(...loads(new ShardRing(hosts).assign(none(16))).values())).toBe(1)
})

test('weights of any scale cost the same ring', () => {
  const hosts = Array.from({ length: 100 }, (_, i) => ({ id: `host-${i}`, weight: 1000 }))
  const heavy = new ShardRing(hosts).assign(none(1024))
  expect(new ShardRing(hosts.map(host => ({ ...host, weight: 0.01 }))).assign(none(1024))).toEqual(heavy)
})

test('1,000 hosts and 16,384 shards within a second', () => {
  const hosts = Array.from({ length: 1000 }, (_, i) => ({ id: `host-${i}`, weight: 1 }))
  const start = performance.now()
  new ShardRing(hosts).assign(none(16_384))
  expect(performance.now() - start).toBeLessThan(1_000)
})
