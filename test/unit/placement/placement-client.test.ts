/** The client's decisions over links made by hand: what it refuses, when it gives a stream up, what it says again. */
import { beforeEach, expect, test } from 'vitest'
import { ManualClock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import { silentLogger } from '../../../core/logger.ts'
import { SeededRandom } from '../../../core/random.ts'
import type { JoinRequest, Member } from '../../../placement/membership.ts'
import type { HostMessage, PlacementMessage } from '../../../placement/messages.ts'
import type { LeaseHolder, LeaseNews } from '../../../placement/lease.ts'
import { encodeCluster } from '../../../placement/cluster-record.ts'
import { nextTable } from '../../../placement/next-table.ts'
import { PlacementClient } from '../../../placement/placement-client.ts'
import type { Dial, LinkListener } from '../../../placement/placement-link.ts'
import { encodeDelta, encodeTable } from '../../../placement/table-codec.ts'
import { emptyTable, type Table } from '../../../placement/table.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'

interface FakeLink {
  readonly address: string
  readonly listener: LinkListener
  readonly sent: HostMessage[]
  open: boolean
}

/** A lease held by hand: what it is asked, and what it tells when told to. */
class HandLease implements LeaseHolder {
  opened: string[] = []
  closed: boolean[] = []
  asked = 0
  holds = false
  opening: Promise<void> = Promise.resolve()
  news!: (news: LeaseNews) => void
  revoked!: () => void

  async open(id: string): Promise<void> {
    this.opened.push(id)
    await this.opening
    this.holds = this.closed.length === 0
  }
  valid(): boolean {
    return this.holds
  }
  leftMs(): number {
    return this.holds ? 1_000 : 0
  }
  onNews(listener: (news: LeaseNews) => void): void {
    this.news = listener
  }
  onRevoked(listener: () => void): void {
    this.revoked = () => { this.holds = false; listener() }
  }
  renewNow(): void {
    this.asked++
  }
  async close(release: boolean): Promise<void> {
    if (this.closed.length === 0) this.closed.push(release)
    this.holds = false
  }
}

let clock: ManualClock
let links: FakeLink[]
let client: PlacementClient
let lease: HandLease
let clusterStore: MemoryClusterStore

const dial: Dial = (address, listener) => {
  const link: FakeLink = { address, listener, sent: [], open: true }
  links.push(link)
  return {
    send: message => link.open && (link.sent.push(message), true),
    close: () => { link.open = false },
  }
}

const self: JoinRequest = { id: 'a', incarnation: 'a1', address: 'a:1', http: '', types: ['A'], weight: 1, fingerprint: {} }
const member = (id: string): Member => ({ id, incarnation: `${id}1`, address: `${id}:1`, http: '', types: ['A'], weight: 1, leaving: false })

const one = nextTable(emptyTable(16), [member('a')])
const two = nextTable(one, [member('a'), member('b')])
const three = nextTable(two, [member('b'), member('a')], 3, { isReleased: () => true })

const full = (table: Table, term = 1): PlacementMessage => ({ version: table.version, term, kind: 'full', full: encodeTable(table) })
const delta = (a: Table, b: Table, term = 1): PlacementMessage => ({ version: b.version, term, kind: 'delta', delta: encodeDelta(a, b) })
const link = (): FakeLink => links.at(-1)!
const hear = (message: PlacementMessage): void => link().listener.message(message)
const kinds = (): string[] => link().sent.map(message => message.kind)

async function joined(table = one): Promise<void> {
  const done = client.join(self, 5_000)
  await clock.advance(0)
  hear(full(table))
  await done
}

const create = (addresses: string | string[] = 'p:1, q:2'): PlacementClient =>
  new PlacementClient({ addresses, clock, random: new SeededRandom(1), log: silentLogger, shardBits: 4, dial, lease, clusterStore })

const store = async (table: Table, term: number): Promise<void> => {
  expect(await clusterStore.saveTable({ term, version: table.version, bytes: encodeCluster({ table, fingerprint: {} }) })).toBe('ok')
}
const led = (address: string, term: number, version = 0): void => lease.news({ version, leader: { nonce: 'n', address, term } })

beforeEach(() => {
  clock = new ManualClock()
  links = []
  lease = new HandLease()
  clusterStore = new MemoryClusterStore(clock)
  client = create()
})

test('joins with the first table, then follows deltas in order, each told once', async () => {
  const versions: number[] = []
  client.onChange(change => {
    expect(client.table.version).toBe(change.version)
    versions.push(change.version)
  })
  await joined()
  hear(delta(one, two))
  hear(delta(two, three))
  expect(versions).toEqual([1, 2, 3])
  expect(client.table.owner('A', 0)).toEqual(three.owner('A', 0))
})

test('a lower or equal table changes nothing; a delta that does not fit ends the stream for a full one', async () => {
  await joined(two)
  const { table } = client
  hear(full(one))
  hear(full(two))
  hear(delta(one, two))
  expect(client.table).toBe(table)
  expect(client.connected).toBe(true)
  hear(delta(three, three.renumbered(9)))
  expect(link().open).toBe(false)
  expect(client.connected).toBe(false)
  await clock.advance(2_000)
  expect(link().address).toBe('q:2')
  expect(link().sent[0]).toMatchObject({ version: 2, kind: 'join', join: { incarnation: 'a1', leaving: false } })
  hear(full(three))
  expect(client.connected).toBe(true)
  expect(client.table.version).toBe(3)
})

test('bytes that are no table end the stream, and the old table stays', async () => {
  await joined()
  hear({ version: 9, term: 1, kind: 'full', full: new Uint8Array([1, 2, 3]) })
  expect(client.connected).toBe(false)
  expect(client.table.version).toBe(1)
})

test('a leader of an earlier term is left for another address', async () => {
  await joined()
  hear(full(two, 5))
  hear(full(three, 4))
  expect(client.table.version).toBe(2)
  expect(client.connected).toBe(false)
})

test('a stream that goes silent is given up; heartbeats carry the version', async () => {
  await joined()
  await clock.advance(600)
  expect(link().sent.at(-1)).toMatchObject({ kind: 'heartbeat', version: 1 })
  await clock.advance(1_500)
  hear({ version: 1, term: 1, kind: 'heartbeat', heartbeat: {} })
  await clock.advance(1_500)
  expect(client.connected).toBe(true)
  await clock.advance(1_500)
  expect(links.length).toBeGreaterThan(1)
  expect(client.connected).toBe(false)
  expect(client.table.version).toBe(1)
})

test('tries the addresses in turn for ever, slower and slower, with chance in between', async () => {
  const failed = client.join(self, 60_000).catch((error: unknown) => error)
  await clock.advance(0)
  const fail = (): void => link().listener.closed(new Error('connect refused'))
  for (let i = 0; i < 20; i++) {
    fail()
    await clock.advance(1_001)
  }
  expect(links.slice(0, 4).map(l => l.address)).toEqual(['p:1', 'q:2', 'p:1', 'q:2'])
  expect(links.length).toBe(21)
  await clock.advance(60_000)
  expect(await failed).toMatchObject({ code: 'PLACEMENT_UNREACHABLE', message: expect.stringMatching(/p:1, q:2/), retryable: true })
  expect(links.at(-1)!.open).toBe(false)
})

test('a service that does not lead is passed over; other refusals are the answer', async () => {
  const refused = client.join(self, 5_000).catch((error: unknown) => error)
  await clock.advance(0)
  hear({ version: 0, term: 0, kind: 'refused', refused: { code: 'NOT_READY', message: 'does not lead', data: 'null', retry: true } })
  await clock.advance(100)
  expect(link().address).toBe('q:2')
  hear({ version: 0, term: 1, kind: 'refused', refused: { code: 'DUPLICATE_HOST', message: 'taken', data: '{"id":"a"}', retry: false } })
  expect(await refused).toMatchObject({ code: 'DUPLICATE_HOST', message: 'taken', data: { id: 'a' } })
  expect(link().open).toBe(false)
})

test('a refusal after joining expels, once, and ends everything', async () => {
  const expelled: unknown[] = []
  client.onExpelled(reason => expelled.push(reason))
  await joined()
  const waiting = client.waitFor(9, 60_000)
  const leaving = client.leave(60_000)
  hear({ version: 0, term: 1, kind: 'refused', refused: { code: 'DUPLICATE_HOST', message: 'taken', data: '', retry: false } })
  expect(expelled).toMatchObject([{ code: 'DUPLICATE_HOST' }])
  expect(await waiting).toBe(false)
  await leaving
  await clock.advance(10_000)
  expect(links).toHaveLength(1)
  expect(await client.waitFor(1, 0)).toBe(true)
})

test('a release is said at once, and again after a reconnection until a table shows it', async () => {
  const shard = Array.from({ length: 16 }, (_, s) => s).find(s => two.owner('A', s)!.from === 'a')!
  await joined()
  hear(delta(one, two))
  client.released([{ type: 'A', shard }])
  expect(link().sent.at(-1)).toEqual({ version: 2, kind: 'released', released: { sets: [{ type: 'A', shards: [shard] }] } })
  link().listener.closed(new Error('gone'))
  await clock.advance(2_000)
  hear(full(two))
  expect(kinds()).toEqual(['join', 'released'])
  hear(delta(two, three))
  link().listener.closed(new Error('gone'))
  await clock.advance(2_000)
  hear(full(three))
  expect(kinds()).toEqual(['join'])
})

test('a leave is said again after a reconnection, and ends with `left`', async () => {
  await joined()
  const left = client.leave(60_000)
  expect(kinds()).toContain('leave')
  link().listener.closed(new Error('gone'))
  await clock.advance(2_000)
  expect(link().sent[0]).toMatchObject({ kind: 'join', join: { leaving: true } })
  hear({ version: 1, term: 1, kind: 'left', left: {} })
  await left
  expect(client.connected).toBe(false)
  await clock.advance(10_000)
  expect(links).toHaveLength(2)
})

test('a suspicion goes out while connected, and is dropped while not', async () => {
  await joined()
  client.suspect('b')
  expect(link().sent.at(-1)).toMatchObject({ kind: 'suspect', suspect: { id: 'b' } })
  link().listener.closed(new Error('gone'))
  client.suspect('b')
})

test('closing while joining rejects the join; joining twice is refused', async () => {
  const failed = client.join(self, 5_000).catch((error: unknown) => error)
  await expect(client.join(self, 5_000)).rejects.toMatchObject({ code: 'INTERNAL' })
  await client.close()
  expect(await failed).toMatchObject({ code: 'PLACEMENT_UNREACHABLE' })
  await client.leave(5)
})

// ---- the lease ------------------------------------------------------------------------------------------------------

test('the lease is open under the incarnation before anybody is dialed; the host may serve as long as it is valid', async () => {
  let opened!: () => void
  lease.opening = new Promise(resolve => { opened = resolve })
  const done = client.join(self, 5_000)
  await clock.advance(100)
  expect(lease.opened).toEqual(['a1'])
  expect(links).toHaveLength(0)
  expect(client.mayServe()).toBe(false)
  opened()
  await clock.advance(0)
  hear(full(one))
  await done
  expect(client.mayServe()).toBe(true)
  lease.holds = false
  expect(client.mayServe()).toBe(false)
})

test('a lease that cannot be opened, or not in time, ends the join with the store named', async () => {
  lease.opening = Promise.reject(new TroupeError('STORE_UNAVAILABLE', 'no store there'))
  await expect(client.join(self, 5_000)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', message: 'no store there' })
  lease = new HandLease()
  lease.opening = new Promise(() => {})
  client = create()
  const failed = client.join(self, 5_000).catch((error: unknown) => error)
  await clock.advance(5_000)
  expect(await failed).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringMatching(/no lease.*memory:.*5000 ms/) })
  expect(lease.closed).toEqual([true])
  expect(links).toHaveLength(0)
})

test('a revoked lease expels once with FENCED and is not released; nothing is dialed or heard any more', async () => {
  const expelled: unknown[] = []
  client.onExpelled(reason => expelled.push(reason))
  await joined()
  lease.revoked()
  expect(expelled).toMatchObject([{ code: 'FENCED', message: expect.stringMatching(/revoked/) }])
  expect(client.mayServe()).toBe(false)
  expect(link().open).toBe(false)
  expect(lease.closed).toEqual([false])
  hear({ version: 0, term: 1, kind: 'refused', refused: { code: 'DUPLICATE_HOST', message: 'taken', data: '', retry: false } })
  led('r:3', 9)
  await clock.advance(10_000)
  await client.close()
  expect(expelled).toHaveLength(1)
  expect(links).toHaveLength(1)
})

test('a lease that is revoked while joining fails the join with FENCED', async () => {
  const failed = client.join(self, 5_000).catch((error: unknown) => error)
  await clock.advance(0)
  lease.revoked()
  expect(await failed).toMatchObject({ code: 'FENCED' })
})

test('after a planned leave the lease is released at the end; of a membership that just ends it runs out', async () => {
  await joined()
  const left = client.leave(60_000)
  hear({ version: 1, term: 1, kind: 'left', left: {} })
  await left
  expect(lease.closed).toEqual([])
  await client.close()
  expect(lease.closed).toEqual([true])
  lease = new HandLease()
  client = create()
  await joined()
  await client.close()
  expect(lease.closed).toEqual([false])
})

test('who leaves while nobody leads goes on alone, and releases its lease', async () => {
  await joined()
  link().listener.closed(new Error('gone'))
  const left = client.leave(60_000)
  await clock.advance(1_500)
  await left
  await client.close()
  expect(lease.closed).toEqual([true])
})

// ---- who leads ------------------------------------------------------------------------------------------------------

test('the leader row comes before the given addresses; without either the join waits, and says so', async () => {
  client = create([])
  const failed = client.join(self, 5_000).catch((error: unknown) => error)
  await clock.advance(2_000)
  expect(links).toHaveLength(0)
  expect(lease.asked).toBeGreaterThan(1)
  await clock.advance(3_000)
  expect(await failed).toMatchObject({ code: 'PLACEMENT_UNREACHABLE', message: expect.stringMatching(/no leader row.*5000 ms/) })

  lease = new HandLease()
  client = create()
  const done = client.join(self, 5_000)
  led('r:3', 4)
  await clock.advance(0)
  expect(link().address).toBe('r:3')
  link().listener.closed(new Error('gone'))
  await clock.advance(100)
  expect(link().address).toBe('p:1')
  hear(full(one))
  await done
})

test('a row that appears while nobody was known is dialed at once', async () => {
  client = create([])
  const done = client.join(self, 5_000)
  await clock.advance(1_000)
  led('r:3', 1)
  expect(link().address).toBe('r:3')
  hear(full(one))
  await done
})

test('a renewal that names a later term is followed at once; the same or an earlier one is not', async () => {
  const lost: number[] = []
  client.onLeaderLost(() => lost.push(links.length))
  await joined()
  hear(full(two, 5))
  led('p:1', 5)
  led('r:3', 4)
  expect(links).toHaveLength(1)
  led('r:3', 6)
  expect(links).toHaveLength(2)
  expect(links[0]!.open).toBe(false)
  expect(link()).toMatchObject({ address: 'r:3', open: true })
  expect(lost).toEqual([])
  hear(full(three, 6))
  expect(client.connected).toBe(true)
  led('r:3', 6)
  expect(links).toHaveLength(2)
})

test('while a silent address is waited for, a leader that turns up is dialed at once', async () => {
  const done = client.join(self, 60_000)
  await clock.advance(500)
  expect(link().address).toBe('p:1')
  led('r:3', 1)
  expect(links[0]!.open).toBe(false)
  expect(link().address).toBe('r:3')
  hear(full(one))
  await done
})

test('the candidate of this host is heard: dialed while not connected, else looked into', async () => {
  await joined()
  const asked = lease.asked
  client.leaderMayBe('p:1')
  client.leaderMayBe('s:4')
  client.leaderMayBe('s:4')
  expect(links).toHaveLength(1)
  expect(lease.asked).toBe(asked + 1)
  client.leaderMayBe(undefined)
  link().listener.closed(new Error('gone'))
  client.leaderMayBe('t:5')
  expect(link().address).toBe('t:5')
})

test('a stream that breaks is told, once each time, and asks who leads now', async () => {
  let lost = 0
  client.onLeaderLost(() => lost++)
  await joined()
  const asked = lease.asked
  link().listener.closed(new Error('gone'))
  expect(lost).toBe(1)
  expect(lease.asked).toBe(asked + 1)
  await clock.advance(100)
  link().listener.closed(new Error('refused'))
  expect(lost).toBe(1)
})

// ---- tables that the stream does not bring --------------------------------------------------------------------------

test('a renewal tells of a table that the stream does not bring: it is loaded, after a moment while connected', async () => {
  await joined()
  await store(two, 1)
  led('p:1', 1, 2)
  await clock.advance(200)
  expect(client.table.version).toBe(1)
  await clock.advance(100)
  expect(client.table.version).toBe(2)
  expect(client.connected).toBe(true)
  hear(delta(one, two))
  hear(delta(two, three))
  expect(client.table.version).toBe(3)
  expect(links).toHaveLength(1)
})

test('while the service is away a table comes with the next renewal, and who waits for one asks for it', async () => {
  await joined()
  link().listener.closed(new Error('gone'))
  await store(three, 1)
  const asked = lease.asked
  const waited = client.waitFor(3, 1_000)
  expect(lease.asked).toBe(asked + 1)
  led('p:1', 1, 3)
  expect(await waited).toBe(true)
  expect(client.table.owner('A', 0)).toEqual(three.owner('A', 0))
})

test('a stored table of an earlier leader than was seen is refused; bytes that are none change nothing', async () => {
  await joined()
  hear(full(two, 5))
  link().listener.closed(new Error('gone'))
  await store(three, 4)
  led('p:1', 5, 3)
  await clock.advance(10)
  expect(client.table.version).toBe(2)
  await clusterStore.saveTable({ term: 6, version: 7, bytes: new Uint8Array([1]) })
  led('p:1', 5, 7)
  await clock.advance(10)
  expect(client.table.version).toBe(2)
})

test('a load that hangs is given up, and one that fails is tried with the next renewal', async () => {
  await joined()
  await store(two, 1)
  link().listener.closed(new Error('gone'))
  const load = clusterStore.loadTable.bind(clusterStore)
  let loads = 0
  clusterStore.loadTable = () => {
    loads++
    if (loads === 1) return new Promise(() => {})
    return loads === 2 ? Promise.reject(new TroupeError('STORE_UNAVAILABLE', 'away')) : load()
  }
  for (const wait of [1_000, 6_000, 10]) {
    lease.news({ version: 2, leader: undefined })
    await clock.advance(wait)
  }
  expect(loads).toBe(2)
  lease.news({ version: 2, leader: undefined })
  await clock.advance(10)
  expect(client.table.version).toBe(2)
})

test('a service that does not lead sends on to who does; two that send to each other are asked slower and slower', async () => {
  const sendOn = (leader: unknown): void =>
    hear({ version: 0, term: 0, kind: 'refused', refused: { code: 'NOT_READY', message: 'does not lead', data: JSON.stringify({ leader }), retry: true } })
  const failed = client.join(self, 20_000).catch((error: unknown) => error)
  await clock.advance(0)
  sendOn('r:9')
  await clock.advance(25)
  expect(link().address).toBe('r:9')
  sendOn('no address')
  await clock.advance(25)
  expect(link().address).toBe('p:1')
  for (let i = 0; i < 1_000; i++) {
    if (link().open) sendOn(link().address === 's:1' ? 's:2' : 's:1')
    await clock.advance(10)
  }
  expect(links.slice(-4).map(l => l.address)).toEqual(expect.arrayContaining(['s:1', 's:2']))
  expect(links.length).toBeLessThan(60)
  await clock.advance(20_000)
  expect(await failed).toMatchObject({ code: 'PLACEMENT_UNREACHABLE', message: expect.stringMatching(/does not lead/) })
})
