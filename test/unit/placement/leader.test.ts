/** The leader's decisions on a clock moved by hand: no sockets, no gRPC. */
import { expect, test } from 'vitest'
import { ManualClock } from '../../../core/clock.ts'
import { silentLogger } from '../../../core/logger.ts'
import { SeededRandom } from '../../../core/random.ts'
import type { HostSession } from '../../../placement/host-sessions.ts'
import { Leader } from '../../../placement/leader.ts'
import type { HostMessage, PlacementMessage } from '../../../placement/messages.ts'
import { defaultLeaderTimes } from '../../../placement/placement-server.ts'
import type { Probe } from '../../../placement/prober.ts'
import { applyDelta, decodeTable } from '../../../placement/table-codec.ts'
import { emptyTable, type Table } from '../../../placement/table.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'
import { TroupeError } from '../../../core/errors.ts'

const SHARDS = 16

/** A host's end of the stream: keeps the table as a client would. */
class FakeHost implements HostSession {
  table: Table = emptyTable(SHARDS)
  readonly heard: PlacementMessage[] = []
  ended = false
  full = false

  send(message: PlacementMessage): boolean {
    this.heard.push(message)
    if (message.kind === 'full') this.table = decodeTable(message.full, SHARDS)
    if (message.kind === 'delta') this.table = applyDelta(this.table, message.delta)
    return !this.full
  }
  end(): void {
    this.ended = true
  }
  last(): PlacementMessage | undefined {
    return this.heard.at(-1)
  }
  owned(id: string): number {
    return Array.from({ length: SHARDS }, (_, s) => this.table.owner('A', s)).filter(o => o?.member.id === id).length
  }
}

class World {
  readonly clock = new ManualClock()
  readonly store = new MemoryClusterStore(this.clock)
  readonly refused = new Set<string>()
  probes = 0
  deposed = 0
  readonly probe: Probe = async address => {
    this.probes++
    return this.refused.has(address) ? 'refused' : 'reached'
  }
  leader: Leader = this.lead(1, emptyTable(SHARDS))

  lead(term: number, table: Table): Leader {
    this.leader = new Leader({
      clock: this.clock, random: new SeededRandom(1), log: silentLogger, store: this.store, probe: this.probe,
      times: defaultLeaderTimes, term, table, fingerprint: {}, deposed: () => { this.deposed++ },
    })
    this.leader.start()
    return this.leader
  }
  join(id: string, incarnation = `${id}1`, more: { address?: string; leaving?: boolean; version?: number } = {}): FakeHost {
    const host = new FakeHost()
    this.leader.receive(host, { version: more.version ?? 0, kind: 'join', join: {
      id, incarnation, address: more.address ?? `${incarnation}:1`, http: '', types: ['A'], weight: 1, fingerprint: {}, leaving: more.leaving ?? false,
    } })
    return host
  }
  say(host: FakeHost, message: Omit<Extract<HostMessage, { kind: 'heartbeat' }>, 'version'> | { kind: 'leave'; leave: object }): void {
    this.leader.receive(host, { version: host.table.version, ...message })
  }
  /** Time passes, and these hosts send their heartbeats. */
  async pass(ms: number, beating: readonly FakeHost[] = []): Promise<void> {
    for (let left = ms; left > 0; left -= 250) {
      for (const host of beating) this.say(host, { kind: 'heartbeat', heartbeat: {} })
      await this.clock.advance(Math.min(250, left))
    }
  }
}

test('hosts that join within the window share one table', async () => {
  const w = new World()
  const hosts = ['a', 'b', 'c'].map(id => w.join(id))
  await w.pass(100)
  expect(hosts.map(h => h.table.version)).toEqual([1, 1, 1])
  expect(['a', 'b', 'c'].map(id => hosts[0]!.owned(id)).sort()).toEqual([5, 5, 6])
})

test('a silent host is dead after two seconds, not before', async () => {
  const w = new World()
  const [a, b, c] = ['a', 'b', 'c'].map(id => w.join(id))
  await w.pass(1_500, [a!, b!])
  expect(a!.owned('c')).toBeGreaterThan(0)
  await w.pass(1_000, [a!, b!])
  expect(a!.owned('c')).toBe(0)
  expect(c!.ended).toBe(true)
})

test('most hosts silent at once: nothing moves, until it has lasted half a minute; a refused port counts even then', async () => {
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

test('when the leader itself stood still nobody\'s silence counts', async () => {
  const w = new World()
  const [a, b] = ['a', 'b'].map(id => w.join(id))
  await w.pass(500, [a!, b!])
  // The process was frozen: time went on, no timer ran, heartbeats wait unread.
  const frozen = w.clock.after
  w.clock.after = (ms, run) => frozen.call(w.clock, ms === 250 ? 6_000 : ms, run)
  await w.pass(500, [a!, b!])
  w.clock.after = frozen
  await w.clock.advance(6_500)
  expect(a!.table.members.size).toBe(2)
  await w.pass(3_000, [a!])
  expect([...a!.table.members.keys()]).toEqual(['a'])
})

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
  await w.pass(2_500)
  expect(taken.table.owner('A', 0)).toMatchObject({ member: { incarnation: 'a3' }, from: undefined })
  expect(taken.table.owner('A', 0)!.epoch).toBeGreaterThan(old.table.owner('A', 0)!.epoch)
  // It thaws and comes back: now it is the one that is refused.
  const thawed = w.join('a', 'a1')
  await w.pass(250, [taken])
  expect(thawed.last()).toMatchObject({ kind: 'refused', refused: { code: 'DUPLICATE_HOST' } })
})

test('a frozen host that was given up comes back as a new member with its old name', async () => {
  const w = new World()
  const [a, b] = ['a', 'b'].map(id => w.join(id))
  await w.pass(3_000, [a!])
  expect(a!.owned('b')).toBe(0)
  const again = w.join('b', 'b1', { version: b!.table.version })
  await w.pass(250, [a!, again])
  expect(again.owned('b')).toBe(8)
  expect(Array.from({ length: SHARDS }, (_, s) => again.table.owner('A', s)!).filter(o => o.member.id === 'b').every(o => o.epoch > b!.table.version)).toBe(true)
})

test('one that left and comes back still leaving is told so, and gets nothing', async () => {
  const w = new World()
  const a = w.join('a')
  const b = w.join('b')
  await w.pass(250, [a, b])
  w.say(b, { kind: 'leave', leave: {} })
  await w.pass(250, [a, b])
  const moving = Array.from({ length: SHARDS }, (_, s) => s).filter(s => b.table.owner('A', s)!.from === 'b')
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
  const shard = Array.from({ length: SHARDS }, (_, s) => s).find(s => a.table.owner('A', s)!.from === 'a')!
  w.leader.receive(a, { version: a.table.version - 1, kind: 'released', released: { sets: [{ type: 'A', shards: [shard] }] } })
  await w.pass(250, [a, b])
  expect(a.table.owner('A', shard)!.from).toBe('a')
  w.leader.receive(a, { version: a.table.version, kind: 'released', released: { sets: [{ type: 'A', shards: [shard] }] } })
  await w.pass(250, [a, b])
  expect(a.table.owner('A', shard)!.from).toBe(undefined)
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

test('a new leader moves nothing while stored hosts come back, and what is missing only after the grace time', async () => {
  const w = new World()
  const old = ['a', 'b', 'c', 'd'].map(id => w.join(id))
  await w.pass(250, old)
  const { table } = old[0]!
  w.leader.stop('test')
  expect(old.every(h => h.last()!.kind === 'notice' && h.ended)).toBe(true)
  w.lead(2, table)
  const a = w.join('a', 'a1', { version: table.version })
  const b = w.join('b', 'b1', { version: table.version })
  const e = w.join('e')
  await w.pass(2_500, [a, b, e])
  expect(a.table.version).toBe(table.version)
  expect(e.heard.every(m => m.kind !== 'full')).toBe(true)
  await w.pass(1_000, [a, b, e])
  expect([...a.table.members.keys()]).toEqual(['a', 'b', 'e'])
  for (let s = 0; s < SHARDS; s++) {
    const [was, now] = [table.owner('A', s)!, a.table.owner('A', s)!]
    if (was.member.id === now.member.id) expect(now.epoch).toBe(was.epoch)
    // c and d are dead: nobody waits for them.
    expect(['c', 'd']).not.toContain(now.from)
  }
})

test('a stored host whose port refuses is not waited for', async () => {
  const w = new World()
  const [a] = ['a', 'b'].map(id => w.join(id))
  await w.pass(250, [a!])
  w.leader.stop('test')
  w.refused.add('b1:1')
  w.lead(2, a!.table)
  const back = w.join('a', 'a1', { version: a!.table.version })
  await w.pass(500, [back])
  expect(back.owned('a')).toBe(SHARDS)
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
  const stranger = new FakeHost()
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
