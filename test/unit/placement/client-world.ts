/** A membership of one test: its links, its lease and its store made by hand, on a clock moved by hand. Made anew by `begin`. */
import { expect } from 'vitest'
import { ManualClock } from '../../../core/clock.ts'
import { silentLogger } from '../../../core/logger.ts'
import { SeededRandom } from '../../../core/random.ts'
import { encodeCluster } from '../../../placement/cluster-record.ts'
import type { LeaseHolder, LeaseNews } from '../../../placement/lease.ts'
import type { JoinRequest, Member } from '../../../placement/membership.ts'
import type { HostMessage, PlacementMessage } from '../../../placement/messages.ts'
import { nextTable } from '../../../placement/next-table.ts'
import { PlacementClient } from '../../../placement/placement-client.ts'
import type { Dial, LinkListener } from '../../../placement/placement-link.ts'
import { encodeDelta, encodeTable } from '../../../placement/table-codec.ts'
import { emptyTable, type Table } from '../../../placement/table.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'

export interface FakeLink {
  readonly address: string
  readonly listener: LinkListener
  readonly sent: HostMessage[]
  open: boolean
  /** Undefined: the link cannot tell. */
  reached?: boolean
}

/** A lease held by hand: what it is asked, and what it tells when told to. */
export class HandLease implements LeaseHolder {
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

export let clock: ManualClock
export let links: FakeLink[]
export let client: PlacementClient
export let lease: HandLease
export let clusterStore: MemoryClusterStore

const dial: Dial = (address, listener) => {
  const link: FakeLink = { address, listener, sent: [], open: true }
  links.push(link)
  return {
    send: message => link.open && (link.sent.push(message), true),
    close: () => { link.open = false },
    reached: () => link.reached ?? true,
  }
}

export const self: JoinRequest = { id: 'a', incarnation: 'a1', address: 'a:1', http: '', types: ['A'], weight: 1, fingerprint: {} }
export const member = (id: string): Member => ({ id, incarnation: `${id}1`, address: `${id}:1`, http: '', types: ['A'], weight: 1, leaving: false })

export const one = nextTable(emptyTable(16), [member('a')])
export const two = nextTable(one, [member('a'), member('b')])
export const three = nextTable(two, [member('b'), member('a')], 3, { isReleased: () => true })

export const full = (table: Table, term = 1): PlacementMessage => ({ version: table.version, term, kind: 'full', full: encodeTable(table) })
export const delta = (a: Table, b: Table, term = 1): PlacementMessage => ({ version: b.version, term, kind: 'delta', delta: encodeDelta(a, b) })
export const link = (): FakeLink => links.at(-1)!
export const hear = (message: PlacementMessage): void => link().listener.message(message)
export const kinds = (): string[] => link().sent.map(message => message.kind)

export async function joined(table = one): Promise<void> {
  const done = client.join(self, 5_000)
  await clock.advance(0)
  hear(full(table))
  await done
}

/** Another membership on the same links and store, with a lease of its own. */
export function create(addresses: string | string[] = 'p:1, q:2'): PlacementClient {
  lease = new HandLease()
  return (client = new PlacementClient({ addresses, clock, random: new SeededRandom(1), log: silentLogger, shardBits: 4, dial, lease, clusterStore }))
}

export const store = async (table: Table, term: number): Promise<void> => {
  expect(await clusterStore.saveTable({ term, version: table.version, bytes: encodeCluster({ table, fingerprint: {} }) })).toBe('ok')
}
export const led = (address: string, term: number, version = 0): void => lease.news({ version, leader: { nonce: 'n', address, term } })

export function begin(): void {
  clock = new ManualClock()
  links = []
  clusterStore = new MemoryClusterStore(clock)
  create()
}
