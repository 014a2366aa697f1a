// The due queue against a store that answers late, owners that tell of commits late, and fires that end late, in any
// interleaving: every due row is fired, never early, never after its end was told, and never two of a lane at once.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DueQueue } from '../../../reminders/due-queue.ts'
import { type DueLoad, type Held, laneKey } from '../../../reminders/due-window.ts'
import { type DuePage, type DuePlace, type DueQuery, type DueRow, NEVER_DUE } from '../../../stores/actor-store.ts'

const TYPE = 'T'
const WINDOW_MS = 100
/** Order of UTF-8 is not that of code units for the last two. */
const ids = ['a', 'b', 'ab', 'é', '\uffee', '\u{1f600}']
const names = ['r:x', 'r:y', 'r:x\u0001dead', 'o:00000000001', 'o:00000000002', 's:k']

const compare = (a: DuePlace, b: DuePlace): number =>
  a.due - b.due || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)) || Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))

/** A shard as the store has it, and what its owner has not been told yet. */
class Shard {
  readonly rows = new Map<string, DueRow>()
  readonly untold: { id: string; name: string; row: DueRow | null; commit: number }[] = []
  /** The newest commit of a row that was told since the shard was taken. */
  readonly told = new Map<string, number>()
  /** Commits whose rows were run to their end since then. */
  readonly ran = new Set<number>()
  owned = false

  page({ after, until, limit }: DueQuery): DuePage {
    const rest = [...this.rows.values()].sort(compare).filter(row => after === undefined || compare(row, after) > 0)
    const rows = rest.filter(row => row.due <= until).slice(0, limit)
    return { rows: rows.map(row => ({ ...row })), next: rest[rows.length]?.due }
  }
}

const commitOf = (row: DueRow): number => Number(Buffer.from(row.value).toString())

interface Limits {
  readonly pageRows: number
  readonly maxRows: number
}

class World {
  now = 1_000_000
  readonly shards = [new Shard(), new Shard(), new Shard()]
  readonly queue: DueQueue
  readonly #limits: Limits
  readonly #loads: { load: DueLoad; page: DuePage | undefined }[] = []
  readonly #fires: Held[] = []
  #commits = 0

  constructor(limits: Limits) {
    this.#limits = limits
    this.queue = new DueQueue({ windowMs: WINDOW_MS, ...limits })
  }

  take(at: number): void {
    const shard = this.shards[at]!
    // A new owner begins with what is stored: commits before it are nobody's news.
    shard.untold.length = 0
    shard.told.clear()
    shard.ran.clear()
    shard.owned = true
    this.queue.take({ type: TYPE, shard: at })
  }

  drop(at: number): void {
    this.shards[at]!.owned = false
    this.queue.drop({ type: TYPE, shard: at })
  }

  /** `due` null removes. */
  commit(at: number, id: string, name: string, due: number | null): void {
    const shard = this.shards[at]!
    const commit = ++this.#commits
    const row = due === null ? null : { due, id, name, value: Buffer.from(String(commit)) }
    if (row === null) shard.rows.delete(`${id}/${name}`)
    else shard.rows.set(`${id}/${name}`, row)
    if (shard.owned) shard.untold.push({ id, name, row, commit })
  }

  tell(at: number, most = Infinity): void {
    const shard = this.shards[at]!
    for (let i = 0; i < most && shard.untold.length > 0; i++) {
      const { id, name, row, commit } = shard.untold.shift()!
      shard.told.set(`${id}/${name}`, commit)
      this.queue.changed({ type: TYPE, shard: at, id }, name, row?.due ?? null, row?.value ?? null, this.now)
      this.checkMemory()
    }
  }

  beginLoads(most: number): boolean {
    const loads = this.queue.reads(this.now, most)
    for (const load of loads) {
      expect(load.query.limit).toBeLessThanOrEqual(this.#limits.pageRows)
      this.#loads.push({ load, page: undefined })
    }
    return loads.length > 0
  }

  /** The store reads now; the page arrives when it is delivered. */
  answer(pick: number): void {
    const entry = this.#loads[pick % this.#loads.length]
    if (entry !== undefined) entry.page ??= this.shards[entry.load.query.shard]!.page(entry.load.query)
  }

  deliver(pick: number, fails = false): void {
    if (this.#loads.length === 0) return
    const [entry] = this.#loads.splice(pick % this.#loads.length, 1)
    const { load, page = this.shards[load.query.shard]!.page(load.query) } = entry!
    if (fails) this.queue.loadFailed(load, this.now)
    else this.queue.loaded(load, page, this.now)
    this.checkMemory()
  }

  fire(most: number): boolean {
    for (let i = 0; i < most; i++) {
      const held = this.queue.start(this.now)
      if (held === undefined) return i > 0
      const { row, window } = held
      const shard = this.shards[window.key.shard]!
      expect(row.due, 'fired early').toBeLessThanOrEqual(this.now)
      expect(shard.owned, 'fired for a shard of another').toBe(true)
      expect(commitOf(row), 'fired though its change was told').toBeGreaterThanOrEqual(shard.told.get(`${row.id}/${row.name}`) ?? 0)
      expect(shard.ran, 'run twice').not.toContain(commitOf(row))
      const rival = this.#fires.find(other => other.window === window && laneKey(other.row) === laneKey(row))
      expect(rival, 'two fires of one lane').toBeUndefined()
      expect(this.queue.current(window.key, row)).toBe(true)
      this.#fires.push(held)
    }
    return true
  }

  /** Ends a fire; sends are handed over, and their receiver removes them. `delayMs` asks for a repeat instead. */
  end(pick: number, delayMs?: number, movedMs?: number): void {
    if (this.#fires.length === 0) return
    const [held] = this.#fires.splice(pick % this.#fires.length, 1)
    const { row, window } = held!
    const at = window.key.shard
    // Commits are flushed one after the other: those before the turn's own have been told when it ends.
    if (!window.dropped) this.tell(at)
    const current = this.queue.current(window.key, row)
    if (commitOf(row) < (this.shards[at]!.told.get(`${row.id}/${row.name}`) ?? 0)) expect(current).toBe(false)
    if (delayMs !== undefined) {
      this.queue.retry(held!, this.now + delayMs)
      return
    }
    // As a turn does: what is no longer current is left alone, by the owner's knowledge and then by the fence.
    const stored = this.shards[at]!.rows.get(`${row.id}/${row.name}`)
    if (current && stored !== undefined && commitOf(stored) === commitOf(row)) {
      this.commit(at, row.id, row.name, movedMs === undefined || row.name.startsWith('o:') ? null : this.now + movedMs)
      if (!window.dropped) this.shards[at]!.ran.add(commitOf(row))
    }
    this.queue.finish(held!, row.name.startsWith('o:') ? 'handed' : 'done')
  }

  checkMemory(): void {
    const floor = 16 * this.shards.length
    expect(this.queue.size.rows).toBeLessThanOrEqual(2 * Math.max(this.#limits.maxRows, floor) + floor)
  }

  /** Everything under way ends; then all that is due has been fired, and as time goes on, all that becomes due. */
  heal(): void {
    this.shards.forEach((shard, at) => { if (!shard.owned) this.take(at) })
    this.#settle()
    for (;;) {
      const dues = this.shards.flatMap(shard => [...shard.rows.values()].map(row => row.due)).filter(due => due < NEVER_DUE)
      if (dues.length === 0) break
      const next = Math.min(...dues)
      // A repeat may have been asked for up to 50 ms later.
      expect(this.queue.nextDue()).toBeLessThanOrEqual(next + 50)
      this.now = Math.max(this.now, next)
      this.#settle()
    }
    // Times of rows that were moved or removed may still be waited for, once.
    this.now += 10_000
    this.#settle()
    expect(this.queue.size).toEqual({ shards: 3, rows: 0, firing: 0 })
    expect([this.queue.nextFireMs, this.queue.nextReadMs, this.queue.nextDue()]).toEqual([undefined, undefined, undefined])
  }

  #settle(): void {
    for (let round = 0; ; round++) {
      if (round > 10_000) throw new Error('the queue does not come to rest')
      this.shards.forEach((_, at) => this.tell(at))
      while (this.#loads.length > 0) this.deliver(0)
      const loading = this.beginLoads(2)
      const firing = this.fire(3)
      while (this.#fires.length > 0) this.end(0)
      if (loading || firing || this.shards.some(shard => shard.untold.length > 0)) continue
      // At rest: nothing that is due is left, but what waits for its repeat.
      const left = this.shards.flatMap(shard => [...shard.rows.values()].filter(row => row.due <= this.now))
      if (left.length === 0) return
      const repeatMs = this.queue.nextFireMs
      expect(repeatMs, `not fired at ${this.now}: ${JSON.stringify(left)}`).toBeDefined()
      expect(repeatMs).toBeLessThanOrEqual(this.now + 60)
      this.now = repeatMs!
    }
  }
}

const shardAt = fc.nat(2)
const pick = fc.nat(20)
const step = fc.oneof(
  {
    weight: 12, arbitrary: fc.record({
      kind: fc.constant('commit' as const), at: shardAt, id: fc.constantFrom(...ids), name: fc.constantFrom(...names),
      // Mostly few different times, so that many rows have the same one; some far away; some dead.
      inMs: fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(-50, 0, 0, 10, 10, 90) }, { weight: 2, arbitrary: fc.nat(1_000) },
        { weight: 2, arbitrary: fc.constantFrom(null, null, Infinity) },
      ),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('tell' as const), at: shardAt, most: fc.integer({ min: 1, max: 10 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('load' as const), most: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('answer' as const), pick }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('deliver' as const), pick, fails: fc.nat(4).map(n => n === 0) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('fire' as const), most: fc.integer({ min: 1, max: 5 }) }) },
  {
    weight: 5, arbitrary: fc.record({
      kind: fc.constant('end' as const), pick,
      delayMs: fc.option(fc.nat(50), { nil: undefined, freq: 3 }), movedMs: fc.option(fc.nat(300), { nil: undefined, freq: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('take' as const), at: shardAt }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), at: shardAt }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(120) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('back' as const), ms: fc.nat(400) }) },
)

function run(world: World, s: typeof step extends fc.Arbitrary<infer T> ? T : never): void {
  switch (s.kind) {
    case 'commit':
      // Sends are due at once, and only their sender's host removes them.
      if (!s.name.startsWith('o:')) world.commit(s.at, s.id, s.name, s.inMs === null ? null : s.inMs === Infinity ? NEVER_DUE : world.now + s.inMs)
      else if (s.inMs !== null) world.commit(s.at, s.id, s.name, s.inMs === Infinity ? NEVER_DUE : 0)
      return
    case 'tell': return world.tell(s.at, s.most)
    case 'load': return void world.beginLoads(s.most)
    case 'answer': return world.answer(s.pick)
    case 'deliver': return world.deliver(s.pick, s.fails)
    case 'fire': return void world.fire(s.most)
    case 'end': return world.end(s.pick, s.delayMs, s.movedMs)
    case 'take': return world.take(s.at)
    case 'drop': return world.drop(s.at)
    case 'wait': world.now += s.ms; return
    case 'back':
      world.now -= s.ms
      return world.queue.wentBack(world.now)
  }
}

describe('the due queue', () => {
  const limits = fc.constantFrom<Limits>({ pageRows: 1, maxRows: 1_000 }, { pageRows: 3, maxRows: 1_000 }, { pageRows: 40, maxRows: 20 }, { pageRows: 2, maxRows: 1 })

  it('fires every due row, in any interleaving of commits, pages, fires and moves of shards', () => {
    fc.assert(fc.property(limits, fc.array(step, { maxLength: 250, size: 'max' }), (given, steps) => {
      const world = new World(given)
      world.take(0)
      for (const s of steps) run(world, s)
      world.heal()
    }), { numRuns: 400 })
  })
})
