/** Who is dead, and who takes whose place: leases, probes, and leaders that were just elected. On a clock moved by hand. */
import { expect, test } from 'vitest'
import { emptyTable } from '../../../placement/table.ts'
import { FakeHost, LEASE_MS, SHARDS, World } from './leader-world.ts'

const three = async (w: World): Promise<[FakeHost, FakeHost, FakeHost]> => {
  const hosts = ['a', 'b', 'c'].map(id => w.join(id)) as [FakeHost, FakeHost, FakeHost]
  await w.pass(250, hosts)
  expect(hosts[0].table.members.size).toBe(3)
  return hosts
}

test('a host that stops renewing is dead when its lease is over and was revoked, not before', async () => {
  const w = new World()
  const [a, b, c] = await three(w)
  await w.pass(1_500, [a, b])
  expect(a.owned('c')).toBeGreaterThan(0)
  const before = a.table.version
  await w.pass(750, [a, b])
  expect(a.owned('c')).toBe(0)
  expect(c.ended).toBe(true)
  expect(a.table.version).toBe(before + 1)
  expect((await w.store.renewLease({ id: 'c1', ttlMs: LEASE_MS })).held).toBe(false)
})

test('a host with a longer lease than usual has that long to renew it when the store comes back', async () => {
  const w = new World()
  const [a, b, c] = await three(w)
  // It asks for 10 s, so it looks every 2.5 s whether the store is there again.
  await w.store.renewLease({ id: 'c1', ttlMs: 10_000 })
  await w.pass(1_250, [a, b])
  const back = w.storeFails()
  await w.pass(12_000, [a, b])
  back()
  await w.pass(4_000, [a, b])
  expect((await w.store.renewLease({ id: 'c1', ttlMs: 10_000 })).held).toBe(true)
  await w.pass(8_000, [a, b])
  expect(a.owned('c')).toBeGreaterThan(0)
  expect(c.ended).toBe(false)
  // Without an outage nobody waits longer than the lease itself.
  await w.pass(3_000, [a, b])
  expect(a.owned('c')).toBe(0)
})

test('cut off from the leader, but renewing: it stays an owner for ever', async () => {
  const w = new World()
  const [a, b, c] = await three(w)
  w.leader.closed(c)
  const { version } = a.table
  await w.pass(20_000, [a, b], [c])
  expect(a.table.version).toBe(version)
  expect(w.leader.status().members.find(m => m.id === 'c')).toMatchObject({ phase: 'doubted', shards: c.owned('c') })
})

test('silent on an open stream, but renewing: it stays an owner', async () => {
  const w = new World()
  const [a, b, c] = await three(w)
  const { version } = a.table
  await w.pass(10_000, [a, b], [c])
  expect(a.table.version).toBe(version)
  expect(c.ended).toBe(false)
})

test('heard here, but without its lease renewed (it has lost the store): given away as soon as the lease is over', async () => {
  for (const offset of [0, 200, 400, 600, 800]) {
    const w = new World()
    const [a, b, c] = await three(w)
    await w.pass(1_000 + offset, [a, b, c])
    await w.store.renewLease({ id: 'c1', ttlMs: LEASE_MS })
    const start = w.clock.monotonicMs()
    while (!c.ended && w.clock.monotonicMs() < start + 5_000) {
      w.say(c, { kind: 'heartbeat', heartbeat: {} })
      await w.pass(50, [a, b])
    }
    expect(a.owned('c')).toBe(0)
    expect(w.clock.monotonicMs() - start).toBeLessThan(LEASE_MS + 300)
  }
})

test('a lease that is renewed in the moment of its revocation is held, and its holder stays', async () => {
  const w = new World()
  const [a, b] = await three(w)
  const { revokeLease } = w.store
  let revocations = 0
  w.store.revokeLease = async id => {
    revocations++
    await w.store.renewLease({ id: 'c1', ttlMs: LEASE_MS })
    return revokeLease.call(w.store, id)
  }
  await w.pass(5_000, [a, b])
  expect(revocations).toBeGreaterThan(0)
  expect(a.owned('c')).toBeGreaterThan(0)
})

test('a refused address ends the lease first and then the member', async () => {
  const w = new World()
  const [a, b, c] = await three(w)
  const order: string[] = []
  const { endLease, saveTable } = w.store
  w.store.endLease = async id => {
    order.push(`end ${id}`)
    return endLease.call(w.store, id)
  }
  w.store.saveTable = async table => {
    order.push('save')
    return saveTable.call(w.store, table)
  }
  w.refused.add('c1:1')
  w.leader.closed(c)
  await w.pass(250, [a, b])
  expect(order).toEqual(['end c1', 'save'])
  expect(a.owned('c')).toBe(0)
  expect((await w.store.renewLease({ id: 'c1', ttlMs: LEASE_MS })).held).toBe(false)
})

test('most leases over at once: nothing moves, until it has lasted half a minute; a refused port counts even then', async () => {
  const w = new World()
  const [a, , , d] = ['a', 'b', 'c', 'd'].map(id => w.join(id))
  await w.pass(10_000, [a!])
  expect(a!.table.members.size).toBe(4)
  w.refused.add('d1:1')
  w.leader.closed(d!)
  await w.pass(500, [a!])
  expect([...a!.table.members.keys()]).toEqual(['a', 'b', 'c'])
  await w.pass(30_000, [a!])
  expect([...a!.table.members.keys()]).toEqual(['a'])
})

test('after the store was away everybody has the time of one lease to renew; who does not is dead then', async () => {
  const w = new World()
  const [a, b, c] = await three(w)
  const back = w.storeFails()
  await w.pass(10_000, [a, b, c])
  back()
  await w.pass(1_000)
  expect(a.table.members.size).toBe(3)
  await w.pass(1_000, [a, b])
  expect(a.table.members.size).toBe(3)
  await w.pass(1_000, [a, b])
  expect([...a.table.members.keys()]).toEqual(['a', 'b'])
  expect(c.ended).toBe(true)
})

test('the store was away before this leader was elected: the same', async () => {
  const w = new World()
  const [a, b] = ['a', 'b'].map(id => w.join(id))
  await w.pass(250, [a!, b!])
  w.leader.stop('test')
  await w.pass(LEASE_MS + 100)
  w.lead(2, a!.table, { troubleMs: w.clock.monotonicMs() })
  await w.pass(1_500)
  await w.pass(1_000, [], [a!])
  expect(w.leader.status().members.map(m => m.id)).toEqual(['a'])
})

test('when the leader itself stood still, so may all others have: nobody loses his lease at once', async () => {
  const w = new World()
  const [a, b] = ['a', 'b'].map(id => w.join(id))
  await w.pass(1_000, [a!, b!])
  // The machine stood still: time went on, no timer ran, nobody renewed.
  const { after } = w.clock
  w.clock.after = (ms, run) => after.call(w.clock, ms === 1_000 || ms === 200 ? 6_000 : ms, run)
  await w.pass(1_000, [a!, b!])
  w.clock.after = after
  await w.clock.advance(6_500)
  await w.pass(1_000, [a!])
  expect(a!.table.members.size).toBe(2)
  await w.pass(1_500, [a!])
  expect([...a!.table.members.keys()]).toEqual(['a'])
})

test('a leader whose row may be another\'s takes nobody\'s lease', async () => {
  const w = new World()
  const [a, b] = await three(w)
  w.leads = false
  await w.pass(5_000, [a, b])
  expect((await w.store.leases()).map(l => l.id).sort()).toEqual(['a1', 'b1', 'c1'])
  w.leads = true
  await w.pass(500, [a, b])
  expect((await w.store.leases()).map(l => l.id).sort()).toEqual(['a1', 'b1'])
})

test('leases of nobody\'s that have long been over are cleaned up, and only those', async () => {
  const w = new World()
  await w.store.openLease({ id: 'orphan', ttlMs: 1_000 })
  const a = w.join('a')
  await w.store.openLease({ id: 'waiting', ttlMs: 600_000 })
  await w.pass(50_000, [a])
  expect((await w.store.leases()).map(l => l.id).sort()).toEqual(['a1', 'orphan', 'waiting'])
  await w.pass(13_000, [a])
  expect((await w.store.leases()).map(l => l.id).sort()).toEqual(['a1', 'waiting'])
})

// ---- an id that is taken -------------------------------------------------------------------------------------------------

test('a newcomer with a known id waits for the verdict on the old one', async () => {
  const w = new World()
  const old = w.join('a', 'a1')
  await w.pass(250, [old])
  const refused = w.join('a', 'a2')
  expect(refused.heard).toEqual([])
  await w.pass(250, [old])
  expect(refused.last()).toMatchObject({ kind: 'refused', refused: { code: 'DUPLICATE_HOST', retry: false } })
  expect(refused.ended).toBe(true)
  // The old one freezes: the next newcomer gets its place and its shards with new epochs.
  const taken = w.join('a', 'a3')
  const third = w.join('a', 'a4')
  expect(third.last()).toMatchObject({ kind: 'refused', refused: { code: 'DUPLICATE_HOST' } })
  await w.pass(2_500, [], [taken])
  expect(taken.table.owner('A', 0)).toMatchObject({ member: { incarnation: 'a3' }, from: undefined })
  expect(taken.table.owner('A', 0)!.epoch).toBeGreaterThan(old.table.owner('A', 0)!.epoch)
  // It thaws and comes back: its lease was revoked.
  const thawed = w.join('a', 'a1', { lease: false })
  expect(thawed.last()).toMatchObject({ kind: 'refused', refused: { code: 'FENCED', retry: false } })
})

test('a newcomer that waits and comes again, over a new stream, is not taken for its own rival', async () => {
  const w = new World()
  const old = w.join('a', 'a1')
  await w.pass(250, [old])
  const first = w.join('a', 'a2')
  const again = w.join('a', 'a2')
  expect(again.heard).toEqual([])
  expect(first.ended).toBe(true)
  // What comes late of the first stream is nobody's.
  w.leader.closed(first)
  // A host that gave up and begins another life at its address is none either.
  const life = w.join('a', 'a3', { address: 'a2:1' })
  expect(life.heard).toEqual([])
  w.leader.closed(again)
  await w.pass(2_500, [], [life])
  expect(life.table.owner('A', 0)).toMatchObject({ member: { incarnation: 'a3' } })
})

test('the old one is not heard here, but renews its lease: the newcomer is a duplicate', async () => {
  const w = new World()
  const old = w.join('a', 'a1')
  await w.pass(250, [old])
  w.leader.closed(old)
  const newcomer = w.join('a', 'a2')
  await w.pass(1_000, [], [old, newcomer])
  expect(newcomer.last()).toMatchObject({ kind: 'refused', refused: { code: 'DUPLICATE_HOST' } })
  expect(w.leader.status().members).toMatchObject([{ incarnation: 'a1' }])
})

test('at the old one\'s address a broken stream is verdict enough: the old lease is ended, the newcomer takes over at once', async () => {
  const w = new World()
  const old = w.join('a', 'a1', { address: 'a:1' })
  await w.pass(250, [old])
  const newcomer = w.join('a', 'a2', { address: 'a:1' })
  expect(newcomer.heard).toEqual([])
  w.leader.closed(old)
  await w.pass(100)
  expect(newcomer.owned('a')).toBe(SHARDS)
  expect((await w.store.leases()).map(l => l.id)).toEqual(['a2'])
})

test('a host restarted at its old address, whose old stream broke before or was never here: the same', async () => {
  const w = new World()
  const old = w.join('a', 'a1', { address: 'a:1' })
  await w.pass(250, [old])
  w.leader.closed(old)
  const second = w.join('a', 'a2', { address: 'a:1' })
  await w.pass(100)
  expect(second.owned('a')).toBe(SHARDS)
  w.leader.stop('test')
  w.lead(2, second.table)
  const third = w.join('a', 'a3', { address: 'a:1', version: second.table.version })
  await w.pass(100)
  expect(third.owned('a')).toBe(SHARDS)
  expect((await w.store.leases()).map(l => l.id)).toEqual(['a3'])
})

test('a host that was given up comes back as a new incarnation, with new epochs', async () => {
  const w = new World()
  const [a, b] = ['a', 'b'].map(id => w.join(id))
  await w.pass(3_000, [a!])
  expect(a!.owned('b')).toBe(0)
  expect(w.join('b', 'b1', { version: b!.table.version, lease: false }).last()).toMatchObject({ kind: 'refused', refused: { code: 'FENCED' } })
  const again = w.join('b', 'b2', { version: b!.table.version })
  await w.pass(250, [a!, again])
  expect(again.owned('b')).toBe(8)
  expect(again.shardsWhere(o => o!.member.id === 'b').every(s => again.table.owner('A', s)!.epoch > b!.table.version)).toBe(true)
})

test('a host that joins with a lease that is not there is given nothing', async () => {
  const w = new World()
  const a = w.join('a')
  await w.pass(250, [a])
  const revoked = w.join('b', 'b1', { lease: false })
  await w.pass(250, [a])
  expect(revoked.ended).toBe(true)
  expect([...a.table.members.keys()]).toEqual(['a'])
})

// ---- a new leader ----------------------------------------------------------------------------------------------------------

test('a new leader knows who lives by their leases, and publishes at once what is to be changed', async () => {
  const w = new World()
  const old = ['a', 'b', 'c', 'd', 'e'].map(id => w.join(id))
  await w.pass(250, old)
  const { table } = old[0]!
  w.leader.stop('test')
  expect(old.every(h => h.last()!.kind === 'notice' && h.ended)).toBe(true)
  // d froze long ago, e was stopped and its port refuses: nobody else's stream is here yet.
  await w.pass(2_500, [], old.slice(0, 3).concat(old[4]!))
  w.refused.add('e1:1')
  w.lead(2, table)
  await w.pass(300, [], old.slice(0, 3))
  const saved = (await w.store.loadTable())!
  expect(saved.version).toBeGreaterThan(table.version)
  expect(w.leader.status().members.map(m => [m.id, m.phase])).toEqual([['a', 'expected'], ['b', 'expected'], ['c', 'expected']])
  const a = w.join('a', 'a1', { version: table.version, lease: false })
  expect(a.owned('d') + a.owned('e')).toBe(0)
  for (let s = 0; s < SHARDS; s++) {
    const [was, now] = [table.owner('A', s)!, a.table.owner('A', s)!]
    if (was.member.id === now.member.id) expect(now.epoch).toBe(was.epoch)
    // d and e are dead: nobody waits for them.
    expect(now.from).toBe(undefined)
  }
})

test('a new leader publishes nothing before it knows who lives', async () => {
  const w = new World()
  const [a, b] = await three(w)
  w.leader.stop('test')
  await w.pass(2_500, [], [a, b])
  const { leases } = w.store
  let answer = (): void => {}
  w.store.leases = async () => {
    await new Promise<void>(resolve => { answer = resolve })
    return leases.call(w.store)
  }
  w.lead(2, a.table)
  const d = w.join('d')
  await w.pass(400, [d], [a, b])
  expect(d.heard.filter(m => m.kind !== 'heartbeat')).toEqual([])
  w.store.leases = leases
  answer()
  await w.pass(100, [d], [a, b])
  // One table, without the dead one, and not one before it that waits for him.
  expect(d.heard.filter(m => m.kind === 'full' || m.kind === 'delta')).toHaveLength(1)
  expect([...d.table.members.keys()]).toEqual(['a', 'b', 'd'])
})

test('a new leader publishes above what this process has heard of, though the store has lost it', async () => {
  const w = new World()
  w.leader.stop('test')
  w.lead(2, emptyTable(SHARDS), { aboveVersion: 70 })
  const a = w.join('a')
  await w.pass(100, [a])
  expect(a.table.version).toBeGreaterThan(70)
})

test('a new leader moves nothing when all live, and lets a newcomer in at once', async () => {
  const w = new World()
  const old = ['a', 'b', 'c'].map(id => w.join(id))
  await w.pass(250, old)
  const { table } = old[0]!
  w.leader.stop('test')
  w.lead(2, table)
  await w.pass(500, [], old)
  expect((await w.store.loadTable())!.version).toBe(table.version)
  const d = w.join('d')
  await w.pass(250, [d], old)
  expect(d.table.members.size).toBe(4)
  expect(d.shardsWhere(o => o?.member.id === 'd').every(s => d.table.owner('A', s)!.from !== undefined)).toBe(true)
})

test('a cluster that died altogether, long ago: its hosts are given up by a new leader after the time of one lease', async () => {
  const w = new World()
  const [a] = await three(w)
  w.leader.stop('test')
  await w.pass(40_000)
  w.lead(2, a.table)
  const d = w.join('d')
  await w.pass(1_500, [d])
  expect(w.leader.status().members).toHaveLength(4)
  await w.pass(1_500, [d])
  expect(d.owned('d')).toBe(SHARDS)
})
