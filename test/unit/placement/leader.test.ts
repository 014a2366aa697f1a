/** The leader's decisions about joins, leaves and tables, on a clock moved by hand. Who is dead: leader-deaths.test.ts. */
import { expect, test } from 'vitest'
import { TroupeError } from '../../../core/errors.ts'
import { decodeCluster } from '../../../placement/cluster-record.ts'
import { FakeHost, SHARDS, World } from './leader-world.ts'

test('hosts that join within the window share one table', async () => {
  const w = new World()
  const hosts = ['a', 'b', 'c'].map(id => w.join(id))
  await w.pass(100)
  expect(hosts.map(h => h.table.version)).toEqual([1, 1, 1])
  expect(['a', 'b', 'c'].map(id => hosts[0]!.owned(id)).sort()).toEqual([5, 5, 6])
})

test('one that left and comes back still leaving is told so, and gets nothing', async () => {
  const w = new World()
  const a = w.join('a')
  const b = w.join('b')
  await w.pass(250, [a, b])
  w.say(b, { kind: 'leave', leave: {} })
  await w.pass(250, [a, b])
  const moving = b.shardsWhere(owner => owner!.from === 'b')
  w.leader.receive(b, { version: b.table.version, kind: 'released', released: { sets: [{ type: 'A', shards: moving }, { type: 'no such type', shards: [1, 99] }] } })
  await w.pass(250, [a])
  expect(b.last()).toMatchObject({ kind: 'left' })
  expect([...a.table.members.keys()]).toEqual(['a'])
  const back = w.join('b', 'b1', { leaving: true })
  expect(back.last()).toMatchObject({ kind: 'left' })
  await w.pass(250, [a])
  expect([...a.table.members.keys()]).toEqual(['a'])
})

test('a release of an earlier move does not end a later one', async () => {
  const w = new World()
  const a = w.join('a')
  await w.pass(250, [a])
  const b = w.join('b')
  await w.pass(250, [a, b])
  const shard = a.shardsWhere(owner => owner!.from === 'a')[0]!
  w.leader.receive(a, { version: a.table.version - 1, kind: 'released', released: { sets: [{ type: 'A', shards: [shard] }] } })
  await w.pass(250, [a, b])
  expect(a.table.owner('A', shard)!.from).toBe('a')
  w.leader.receive(a, { version: a.table.version, kind: 'released', released: { sets: [{ type: 'A', shards: [shard] }] } })
  await w.pass(250, [a, b])
  expect(a.table.owner('A', shard)!.from).toBe(undefined)
})

test('moves are bounded: a join and a leave take rounds, and what waits for its turn stays with its owner', async () => {
  const w = new World({ shards: 256, maxMoves: 20 })
  const a = w.join('a')
  await w.pass(250, [a])
  const b = w.join('b')
  await w.pass(100, [a])
  const rounds: number[] = []
  const moveAll = async (): Promise<void> => {
    for (;;) {
      const moving = w.release(a) + w.release(b)
      if (moving === 0) return
      rounds.push(moving)
      await w.pass(50, [a, b])
    }
  }
  await moveAll()
  expect(rounds).toEqual([20, 20, 20, 20, 20, 20, 8])
  expect(b.owned('b')).toBe(128)
  rounds.length = 0
  const left = w.leader
  w.say(b, { kind: 'leave', leave: {} })
  await w.pass(250, [a, b])
  // It is leaving, and serves what it still has.
  expect(a.shardsWhere(owner => owner!.from === 'b')).toHaveLength(20)
  expect(a.owned('b')).toBe(108)
  expect(a.table.members.get('b')!.leaving).toBe(true)
  await moveAll()
  expect(rounds).toEqual([20, 20, 20, 20, 20, 20, 8])
  expect(b.last()!.kind).toBe('left')
  expect(a.owned('a')).toBe(256)
  left.stop('test')
})

test('while the store fails no host sees a table that is not saved; then the facts of all that time come in one', async () => {
  const w = new World()
  const a = w.join('a')
  await w.pass(250, [a])
  const save = w.store.saveTable
  let tries = 0
  // Applied, but the answer is lost: the version is used up.
  w.store.saveTable = async table => {
    tries++
    await save.call(w.store, table)
    throw new TroupeError('STORE_UNAVAILABLE', 'down')
  }
  const b = w.join('b')
  const c = w.join('c')
  await w.pass(3_000, [a, b, c])
  expect(tries).toBeGreaterThan(2)
  expect(a.table.version).toBe(1)
  expect(b.table.version).toBe(0)
  w.store.saveTable = save
  await w.pass(3_000, [a, b, c])
  expect(a.table.version).toBeGreaterThan(1 + tries - 1)
  expect([...b.table.members.keys()]).toEqual(['a', 'b', 'c'])
  expect((await w.store.loadTable())!.version).toBe(a.table.version)
})

test('a release of a move that a host has read in the store counts, though this leader does not know that it was saved', async () => {
  const w = new World()
  const a = w.join('a')
  await w.pass(250, [a])
  const save = w.store.saveTable
  w.store.saveTable = async table => {
    await save.call(w.store, table)
    throw new TroupeError('STORE_UNAVAILABLE', 'down')
  }
  const b = w.join('b')
  await w.pass(100, [a, b])
  const saved = (await w.store.loadTable())!
  const { table } = decodeCluster(saved.bytes, SHARDS)
  const moving = Array.from({ length: SHARDS }, (_, shard) => shard).filter(shard => table.owner('A', shard)!.from === 'a')
  expect(moving.length).toBeGreaterThan(0)
  w.leader.receive(a, { version: saved.version, kind: 'released', released: { sets: [{ type: 'A', shards: moving }] } })
  w.store.saveTable = save
  await w.pass(2_000, [a, b])
  expect(b.owned('b')).toBe(SHARDS / 2)
  expect(b.shardsWhere(owner => owner!.from !== undefined)).toEqual([])
})

test('a store that knows a newer term ends this leader; a table saved by a host alone is jumped over', async () => {
  const w = new World()
  const a = w.join('a')
  await w.pass(250, [a])
  await w.store.saveTable({ term: 1, version: 40, bytes: new Uint8Array() })
  const b = w.join('b')
  await w.pass(1_000, [a, b])
  expect(a.table.version).toBeGreaterThan(40)
  expect(w.deposed).toBe(0)
  await w.store.campaign({ nonce: 'x', address: 'x:1', ttlMs: 1 })
  await w.clock.advance(5)
  await w.store.campaign({ nonce: 'y', address: 'y:1', ttlMs: 1 })
  const version = a.table.version
  w.join('c')
  await w.pass(1_000, [a, b])
  expect(w.deposed).toBe(1)
  expect(a.table.version).toBe(version)
})

test('a stream that does not keep up gets one full table when it drains', async () => {
  const w = new World()
  const a = w.join('a')
  await w.pass(100, [a])
  a.full = true
  await w.pass(250, [a])
  const heard = a.heard.length
  const others = [w.join('b')]
  await w.pass(500, [a, ...others])
  others.push(w.join('c'))
  await w.pass(500, [a, ...others])
  expect(a.heard.length).toBe(heard)
  a.full = false
  w.leader.drained(a)
  expect(a.last()!.kind).toBe('full')
  expect(a.table.version).toBe(others[0]!.table.version)
})

test('messages before a join, a second join, and sessions that ended have no say', async () => {
  const w = new World()
  const stranger = new FakeHost('s', 's1', SHARDS)
  w.say(stranger, { kind: 'heartbeat', heartbeat: {} })
  w.say(stranger, { kind: 'leave', leave: {} })
  expect(stranger.heard).toEqual([])
  const a = w.join('a')
  await w.pass(100)
  w.leader.receive(a, { version: 1, kind: 'join', join: { id: 'z', incarnation: 'z', address: 'z:1', http: '', types: [], weight: 1, fingerprint: {}, leaving: false } })
  expect(a.last()).toMatchObject({ kind: 'refused', refused: { code: 'PROTOCOL' } })
  w.leader.closed(stranger)
})

test('suspicion alone is looked into a few times and then forgotten', async () => {
  const w = new World()
  const [a, b] = ['a', 'b'].map(id => w.join(id))
  await w.pass(250, [a!, b!])
  w.leader.receive(a!, { version: 1, kind: 'suspect', suspect: { id: 'b' } })
  w.leader.receive(a!, { version: 1, kind: 'suspect', suspect: { id: 'nobody' } })
  await w.pass(3_000, [a!, b!])
  expect(w.probes).toBeLessThan(6)
  expect(a!.table.members.size).toBe(2)
})

test('versions go on above what a host knows; a wild one is refused', async () => {
  const w = new World()
  const a = w.join('a', 'a1', { version: 700 })
  await w.pass(250)
  expect(a.table.version).toBeGreaterThan(700)
  const wild = w.join('b', 'b1', { version: 2 ** 60 })
  expect(wild.last()).toMatchObject({ kind: 'refused', refused: { code: 'PROTOCOL' } })
})

test('a host that keeps dying gets its shards after a rest that grows; alone with its type it gets them at once', async () => {
  const w = new World()
  const a = w.join('a')
  await w.pass(100, [a])
  /** How long a new incarnation of b waits for its share. */
  const live = async (life: number): Promise<number> => {
    const b = w.join('b', `b${life}`)
    let waited = 0
    for (; b.owned('b') === 0 && waited < 20_000; waited += 50) await w.pass(50, [a, b])
    w.refused.add(`b${life}:1`)
    w.leader.closed(b)
    await w.pass(300, [a])
    expect(a.owned('a')).toBe(SHARDS)
    return waited
  }
  expect(await live(1)).toBeLessThan(200)
  expect(await live(2)).toBeLessThan(200)
  expect(await live(3)).toBeLessThan(200)
  const rests = [await live(4), await live(5), await live(6)]
  rests.forEach((rest, i) => expect(Math.abs(rest - 1_000 * 2 ** i)).toBeLessThan(200))
  const resting = w.join('b', 'b7')
  await w.pass(500, [a, resting])
  const status = w.leader.status().members.find(m => m.id === 'b')!
  expect(status).toMatchObject({ phase: 'resting', shards: 0 })
  expect(status.restMs).toBeGreaterThan(7_000)
  // The only other host of the type goes: nobody rests then.
  w.refused.add('a1:1')
  w.leader.closed(a)
  await w.pass(300, [resting])
  expect(resting.owned('b')).toBe(SHARDS)
  // And what it has it keeps when another comes, but for that one's share.
  const c = w.join('c')
  await w.pass(300, [resting, c])
  expect(resting.owned('b')).toBe(SHARDS / 2)
})
