/**
 * The outbox against a model of everything around it: targets that keep the last number they applied, a network that loses,
 * delays, doubles and overtakes, a store whose answers may be 'unknown' (applied or not), owners that crash, are replaced
 * without knowing it, or read their shard again at any moment. After each removal of a row its send was applied; in the
 * end, all healed, each send was applied exactly once and in order, or is a dead letter that failed often enough.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import { silentLogger } from '../../core/logger.ts'
import { SeededRandom } from '../../core/random.ts'
import { NEVER_DUE, type ActorAddress, type ActorWrite, type CommitResult, type DuePlace, type EntryChange } from '../../stores/actor-store.ts'
import { GroupCommit } from '../../stores/group-commit.ts'
import { MemoryActorStore } from '../../stores/memory/actor-store.ts'
import { Outbox } from '../../runtime/delivery/outbox.ts'
import { decodeSend, encodeSend, sendEntry, sendNumber, type Send } from '../../runtime/delivery/send-row.ts'

const SHARD = { type: 'Sender', shard: 0 }
const WINDOW = 4
const UNDER_WAY = 9
const ATTEMPTS = 3
const PAGE = 3

interface Odds {
  /** In percent. */
  lost: number
  replyLost: number
  doubled: number
  refused: number
  threw: number
  storeUnknown: number
}
const CALM: Odds = { lost: 0, replyLost: 0, doubled: 0, refused: 0, threw: 0, storeUnknown: 0 }

interface Fate {
  readonly send: Send
  applied: number
  failed: number
  removed: boolean
}

class World {
  readonly clock = new ManualClock()
  readonly random: SeededRandom
  odds: Odds = CALM
  /** What must not be, noticed where no test would hear of a throw. */
  readonly wrong: string[] = []
  readonly fates = new Map<string, Fate>()
  /** Pair → numbers in the order in which they were applied. */
  readonly inbox = new Map<string, number[]>()
  readonly store: FaultyStore
  readonly #numbers = new Map<string, number>()
  owner: Owner
  readonly old: Owner[] = []

  /** The outbox reads the shard by itself. */
  readonly reads: boolean

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.reads = seed % 2 === 0
    this.store = new FaultyStore(this)
    this.owner = new Owner(this, 1)
  }

  chance(percent: number): boolean {
    return this.random.float() * 100 < percent
  }
  wait(maxMs: number): Promise<void> {
    return new Promise(resolve => { this.clock.after(Math.floor(this.random.float() * maxMs), resolve) })
  }
  fate(sender: string, number: number): Fate {
    return this.fates.get(`${sender}:${number}`)!
  }
  /** A turn of `sender` that sends to `targets` becomes durable, if its owner is still the owner. */
  async turn(owner: Owner, id: string, targets: readonly { target: string; poison: boolean }[]): Promise<readonly Send[]> {
    let number = this.#numbers.get(id) ?? 0
    const sends = targets.map(({ target, poison }): Send => ({
      number: ++number, typeName: 'Target', id: target, method: poison ? 'poison' : 'do', args: [number], attempts: ATTEMPTS, backoffMs: 20,
    }))
    const entries = sends.map((send): EntryChange => [sendEntry(send.number), encodeSend(send), 0])
    const [result] = await this.store.really([{ ...owner.addressOf(id), ...owner.claim, previous: 0, head: null, entries }])
    if (result !== 'ok') return []
    this.#numbers.set(id, number)
    for (const send of sends) this.fates.set(`${id}:${send.number}`, { send, applied: 0, failed: 0, removed: false })
    return sends
  }

  /** The network and the target. */
  async deliver(sender: string, send: Send, previous: number | undefined): Promise<void> {
    const { odds } = this
    if (this.chance(odds.doubled)) void this.wait(400).then(() => this.#arrive(sender, send, previous)).catch(() => undefined)
    await this.wait(this.chance(10) ? 300 : 20)
    if (this.chance(odds.lost)) throw new TroupeError('PEER_LOST', 'lost')
    if (this.chance(odds.refused)) throw new TroupeError('MAILBOX_FULL', 'full')
    await this.#arrive(sender, send, previous)
    await this.wait(this.chance(10) ? 300 : 20)
    if (this.chance(odds.replyLost)) throw new TroupeError('CALL_TIMEOUT', 'no answer')
  }

  async #arrive(sender: string, send: Send, previous: number | undefined): Promise<void> {
    const pair = `${sender}→${send.id}`
    const applied = this.inbox.get(pair) ?? []
    this.inbox.set(pair, applied)
    const last = applied.at(-1) ?? 0
    if (send.number <= last) return
    if (previous !== undefined && last < previous) throw new TroupeError('SEND_OUT_OF_ORDER', `after ${previous}, not ${last}`)
    const fate = this.fate(sender, send.number)
    if (send.method === 'poison' || this.chance(this.odds.threw)) {
      fate.failed++
      throw send.method === 'poison' ? new Error('poison') : new TroupeError('METHOD_FAILED', 'threw')
    }
    fate.applied++
    applied.push(send.number)
  }

  /** Another host owns the shard: the old one is gone, or does not know. */
  async replace(crash: boolean): Promise<void> {
    if (crash) this.owner.outbox.close()
    this.old.push(this.owner)
    this.owner = new Owner(this, this.owner.claim.epoch + 1)
    await this.owner.start()
  }
}

class FaultyStore extends MemoryActorStore {
  readonly #world: World

  constructor(world: World) {
    super()
    this.#world = world
  }

  /** The store without its faults; watches what is removed. */
  async really(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    const results = await super.commit(writes)
    results.forEach((result, i) => {
      if (result !== 'ok') return
      const { id, entries = [] } = writes[i]!
      for (const [name, value, due] of entries) {
        const fate = this.#world.fate(id, sendNumber(name)!)
        if (value === null) {
          if (due !== null) this.#world.wrong.push(`the due time of row ${id} ${name} stayed`)
          if (fate.applied !== 1) this.#world.wrong.push(`row ${id} ${name} was removed, its send was applied ${fate.applied} times`)
          fate.removed = true
        } else if (due === NEVER_DUE) {
          const dead = decodeSend(name, value, id)
          if (!/^METHOD_FAILED: threw$|^poison$/.test(dead.dead!.error)) this.#world.wrong.push(`${id} ${name} is dead of '${dead.dead!.error}'`)
          if (fate.failed < ATTEMPTS) this.#world.wrong.push(`${id} ${name} is dead after ${fate.failed} failures`)
        }
      }
    })
    return results
  }

  override async commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    const world = this.#world
    await world.wait(15)
    const results: CommitResult[] = []
    for (const write of writes) {
      const doubt = world.chance(world.odds.storeUnknown)
      if (doubt && world.chance(50)) results.push('unknown')
      else {
        const [result] = await this.really([write])
        results.push(doubt ? 'unknown' : result!)
      }
    }
    await world.wait(15)
    return results
  }
}

class Owner {
  readonly claim: { readonly epoch: number; readonly nonce: string }
  readonly outbox: Outbox
  readonly #world: World
  readonly #underWay = new Map<string, number>()
  #reading = 0

  constructor(world: World, epoch: number) {
    this.#world = world
    this.claim = { epoch, nonce: `host${epoch}` }
    const commits = new GroupCommit(world.store, world.clock, { onFault: error => world.wrong.push(String(error)) })
    this.outbox = new Outbox({
      clock: world.clock, random: world.random, log: silentLogger, commits, claim: () => world.chance(90) ? this.claim : undefined,
      ...(world.reads ? { load: async queries => {
        await world.wait(30)
        if (world.chance(world.odds.lost)) throw new TroupeError('STORE_UNAVAILABLE', 'away')
        const pages = await world.store.due(queries)
        await world.wait(30)
        return pages
      } } : {}),
      deliver: async (sender, send, previous) => {
        const pair = `${sender.id}→${send.id}`
        const now = (this.#underWay.get(pair) ?? 0) + 1
        // A shard that was read again forgets what is under way; an owner that was replaced finds rows vanish from under it.
        if (this.#reading === 1 && world.owner === this && now > WINDOW) world.wrong.push(`${now} under way for ${pair}`)
        this.#underWay.set(pair, now)
        try {
          await world.deliver(sender.id, send, previous)
        } finally {
          this.#underWay.set(pair, this.#underWay.get(pair)! - 1)
        }
      },
    }, { window: WINDOW, maxUnderWay: UNDER_WAY, slowMs: 100, maxBackoffMs: 200, maxRefusedMs: 200, maxRead: 5, pageRows: PAGE })
  }
  addressOf(id: string): ActorAddress {
    return { ...SHARD, id }
  }
  async start(): Promise<void> {
    await this.#world.store.claim([{ ...SHARD, ...this.claim }])
    this.read()
  }
  /** Reads the shard in small pages, with time in between. */
  read(): void {
    const reading = ++this.#reading
    this.outbox.take(SHARD)
    if (this.#world.reads) return
    const next = async (after: DuePlace | undefined): Promise<void> => {
      await this.#world.wait(30)
      const [page] = await this.#world.store.due([{ ...SHARD, after, until: 0, limit: PAGE }])
      await this.#world.wait(30)
      if (reading !== this.#reading) return
      for (const row of page!.rows) this.outbox.found(this.addressOf(row.id), row)
      if (page!.rows.length < PAGE) this.outbox.scanned(SHARD)
      else await next(page!.rows.at(-1))
    }
    void next(undefined)
  }
  drop(): void {
    this.#reading++
    this.outbox.drop(SHARD)
  }
}

const percent = fc.integer({ min: 0, max: 40 })
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({
    kind: fc.constant('send' as const), sender: fc.constantFrom('a', 'b', 'c'), old: fc.integer({ min: 0, max: 9 }), told: fc.integer({ min: 0, max: 19 }),
    targets: fc.array(fc.record({ target: fc.constantFrom('x', 'y', 'z'), poison: fc.integer({ min: 0, max: 11 }).map(n => n === 0) }), { minLength: 1, maxLength: 9 }),
  }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 400 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('odds' as const),
    odds: fc.record({ lost: percent, replyLost: percent, doubled: percent, refused: percent, threw: percent, storeUnknown: percent }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('replace' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reread' as const) }) },
)

const undelivered = (world: World): Fate[] => [...world.fates.values()].filter(fate => !fate.removed)

test('each send is applied once and in order, or is a dead letter, whatever fails on the way', async () => {
  let deadSeen = 0
  await fc.assert(fc.asyncProperty(fc.integer(), fc.array(step, { minLength: 1, maxLength: 40 }), async (seed, steps) => {
    const world = new World(seed)
    await world.owner.start()
    for (const next of steps) {
      if (next.kind === 'send') {
        // An owner that was replaced may still try: the fence refuses it.
        const owner = next.old === 0 ? world.old.at(-1) ?? world.owner : world.owner
        const sends = await world.turn(owner, next.sender, next.targets)
        if (next.told === 0) await world.replace(true) // It crashes between its commit and its first delivery.
        else if (sends.length > 0) owner.outbox.committed(owner.addressOf(next.sender), sends)
      } else if (next.kind === 'pass') await world.clock.advance(next.ms)
      else if (next.kind === 'odds') world.odds = next.odds
      else if (next.kind === 'reread') {
        world.owner.drop()
        world.owner.read()
      } else await world.replace(next.kind === 'crash')
      expect(world.owner.outbox.size).toBeLessThanOrEqual(world.fates.size)
      expect(world.owner.outbox.stats().underWay).toBeLessThanOrEqual(UNDER_WAY)
    }
    // Heal: all must come to an end, though nobody tells the outbox that it is over.
    world.odds = CALM
    await world.clock.advance(30_000)
    expect(world.wrong).toEqual([])
    for (const owner of world.old) owner.drop()
    expect(world.owner.outbox.stats()).toMatchObject({ pending: 0, underWay: 0, slow: 0, starved: 0 })
    const [rows] = await world.store.due([{ ...SHARD, until: NEVER_DUE, limit: 10_000 }])
    const dead = new Set(rows!.rows.map(row => `${row.id}:${sendNumber(row.name)}`))
    expect(rows!.rows.every(row => row.due === NEVER_DUE)).toBe(true)
    for (const [key, fate] of world.fates) {
      expect(dead.has(key), `${key} is a dead letter or was removed`).toBe(!fate.removed)
      if (fate.removed) expect(fate.applied).toBe(1)
      if (fate.send.method === 'poison') expect(dead.has(key)).toBe(true)
    }
    expect(undelivered(world).length).toBe(dead.size)
    deadSeen += dead.size
    for (const applied of world.inbox.values()) expect(applied).toEqual(applied.toSorted((a, b) => a - b))
    for (const owner of [...world.old, world.owner]) owner.outbox.close()
  }), { numRuns: 600 })
  expect(deadSeen).toBeGreaterThan(0)
})
