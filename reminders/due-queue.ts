/**
 * The due queue: which row to fire next, and which shard to read next. Pure: no clock, no store; time is an argument.
 *
 * The problem: any number of rows with due times, of which only the near ones may take memory, and no polling. The
 * owner of a shard is told of every commit in it, so after one read the queue knows, for each shard, all rows due before
 * some time (in memory) and the due time of the first one after (`next`). A committed row that is due before `next`, or
 * before the end of the present window when there is no `next`, enters memory directly; any other only lowers `next`. A
 * shard is read again when time comes near its `next`, and never otherwise.
 *
 * Why nothing is lost: `next` is lowered by every row that is not kept, and raised only by a page that says what
 * follows it. While a page is under way, every commit is also written into the load's own log, and the log wins: the page
 * may be older than it. What is in memory wins over a page too, as it has followed every commit. So a page may return rows
 * that are known: pages may begin too early, never too late.
 *
 * Memory: a page a read, a read only while fewer than half a page is armed, and about `maxRows` in all: beyond that, a
 * shard with more than its share gives up the later half of its rows and reads them again when their time comes.
 */
import { type ActorAddress, type DuePage, type DueRow, NEVER_DUE, type ShardKey } from '../stores/actor-store.ts'
import { DueHeap } from './due-heap.ts'
import { type DueLoad, type DueWindow, type Held, keepsLane, laneKey, newWindow, readFrom, rowKey } from './due-window.ts'

export interface QueueLimits {
  /** How far ahead rows are read. */
  readonly windowMs: number
  /** Rows in one page of one shard. */
  readonly pageRows: number
  /** Rows in memory, of all shards; exceeded by at most as many again, and by a few pages under way. */
  readonly maxRows: number
}

/** What a shard may have in memory and read, whatever the others have. */
const LEAST_ROWS = 16

export class DueQueue {
  readonly #limits: QueueLimits
  readonly #windows = new Map<string, Map<number, DueWindow>>()
  readonly #armed = new DueHeap<Held>()
  readonly #toRead = new DueHeap<DueWindow>()
  /** Windows that would read on but for `maxRows`. */
  readonly #starved = new Set<DueWindow>()
  #shards = 0
  #rows = 0
  #firing = 0
  /** Rows that pages under way may bring. */
  #expected = 0
  #reachMs = -Infinity

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  get size(): { readonly shards: number; readonly rows: number; readonly firing: number } {
    return { shards: this.#shards, rows: this.#rows, firing: this.#firing }
  }
  /** When a row is to be fired; undefined when none is in memory. */
  get nextFireMs(): number | undefined {
    return this.#armed.peek()?.at
  }
  /** When a shard is to be read; undefined when none is. */
  get nextReadMs(): number | undefined {
    return this.#toRead.peek()?.at
  }
  /** Earliest due time of a row that is not being fired, in memory or not. Looks at every shard. */
  nextDue(): number | undefined {
    let least = this.#armed.peek()?.at ?? Infinity
    for (const byShard of this.#windows.values()) {
      for (const window of byShard.values()) least = Math.min(least, window.next ?? Infinity)
    }
    return least === Infinity ? undefined : least
  }

  /** A shard to read from its start; one that is here is forgotten first. */
  take(key: ShardKey): void {
    this.drop(key)
    const window = newWindow({ type: key.type, shard: key.shard })
    let byShard = this.#windows.get(key.type)
    if (byShard === undefined) this.#windows.set(key.type, byShard = new Map())
    byShard.set(key.shard, window)
    this.#shards++
    this.#plan(window)
  }

  /** Forgets the shard. Fires and loads under way still have to be ended, and change nothing. */
  drop(key: ShardKey): void {
    const window = this.#find(key)
    if (window === undefined) return
    this.#windows.get(key.type)!.delete(key.shard)
    window.dropped = true
    for (const held of window.rows.values()) {
      this.#armed.remove(held)
      held.phase = 'gone'
    }
    this.#shards--
    this.#toRead.remove(window)
    this.#starved.delete(window)
    this.#forgot(window.rows.size)
  }

  /** A commit made the row new, moved it, or removed it (`due` null). */
  changed(actor: ActorAddress, name: string, due: number | null, value: Uint8Array | null, nowMs: number): void {
    const window = this.#find(actor)
    if (window === undefined) return
    const key = rowKey(actor.id, name)
    const held = window.rows.get(key)
    if (held !== undefined) this.#remove(held, key)
    const row = due === null || value === null ? null : { due, id: actor.id, name, value }
    const load = window.load
    load?.changed.set(key, row)
    if (load !== undefined && load.changed.size > this.#limits.maxRows) this.#abandon(load, nowMs)
    else if (row !== null) this.#admit(window, key, row, nowMs)
    this.#plan(window)
  }

  /** True while `row`, as it came from `start`, is the newest that is known of it, and it has not been fired to its end. */
  current(key: ShardKey, row: DueRow): boolean {
    const held = this.#find(key)?.rows.get(rowKey(row.id, row.name))
    return held !== undefined && held.row === row && held.phase !== 'settled'
  }

  /** The next row that is due, now being fired: `finish` or `retry` must follow. Never two of one lane at once. */
  start(nowMs: number): Held | undefined {
    for (;;) {
      const held = this.#armed.peek()
      if (held === undefined || held.at > nowMs) return undefined
      this.#armed.remove(held)
      const { window } = held
      if (held.phase === 'armed') window.armed--
      const lanes = window.lanes
      const key = laneKey(held.row)
      const lane = lanes.get(key)
      if (lane === undefined) lanes.set(key, { holder: held, waiting: new Set() })
      const blocked = lane !== undefined && lane.holder !== held
      if (blocked) {
        held.phase = 'waiting'
        lane.waiting.add(held)
        window.waiting++
      }
      this.#plan(window)
      if (blocked) continue
      held.phase = 'firing'
      this.#firing++
      return held
    }
  }

  /**
   * The fire has ended. 'handed': another has the row now, it is forgotten. 'done': a commit changed it; when it has not
   * been told yet, the row is kept as settled until then, so that no page can bring its old form back.
   */
  finish(held: Held, result: 'handed' | 'done'): void {
    this.#firing--
    if (held.window.dropped) return
    if (held.phase === 'firing') {
      const key = rowKey(held.row.id, held.row.name)
      if (result === 'done') {
        held.phase = 'settled'
      } else {
        this.#remove(held, key)
        held.window.load?.changed.set(key, null)
      }
    }
    this.#leaveLane(held)
  }

  /** The fire has ended and is to be repeated at `atMs`, unless the row was changed meanwhile. */
  retry(held: Held, atMs: number): void {
    this.#firing--
    if (held.window.dropped) return
    const again = held.phase === 'firing'
    if (again) {
      held.phase = 'retrying'
      // The wall clock may have gone back to before its time.
      this.#armed.put(held, Math.max(atMs, held.row.due))
    }
    if (!again || !keepsLane(held.row)) this.#leaveLane(held)
  }

  /** The wall clock has jumped back: repeats, timed by it, wait no longer, and what is beyond the new window is given up. */
  wentBack(nowMs: number): void {
    this.#reachMs = nowMs + this.#limits.windowMs
    for (const byShard of this.#windows.values()) {
      for (const window of byShard.values()) {
        if (window.load !== undefined) this.#abandon(window.load, nowMs)
        this.#giveUp(window, this.#reachMs + 1)
        for (const held of window.rows.values()) if (held.phase === 'retrying') this.#armed.put(held, Math.max(nowMs, held.row.due))
        this.#plan(window)
      }
    }
  }

  /** Reads to make now, at most `most`: each must be ended by `loaded` or `loadFailed`. */
  reads(nowMs: number, most: number): DueLoad[] {
    const first = this.#toRead.peek()
    if (first === undefined || first.at > nowMs) return []
    const { windowMs, pageRows, maxRows } = this.#limits
    // Who wants to be read soon comes along: shards fall into step, and many share one call of the store.
    const soon = nowMs + windowMs / 8
    const windows: DueWindow[] = []
    for (let window = this.#toRead.peek(); window !== undefined && window.at <= soon && windows.length < most; window = this.#toRead.peek()) {
      this.#toRead.remove(window)
      windows.push(window)
    }
    const room = Math.floor((maxRows - this.#rows - this.#expected) / windows.length)
    const limit = Math.min(pageRows, Math.max(LEAST_ROWS, room))
    const until = this.#reachAt(nowMs)
    this.#expected += limit * windows.length
    return windows.map(window => window.load = {
      window, changed: new Map(),
      query: { ...window.key, after: readFrom(window), until, limit },
    })
  }

  /** False when the page says neither rows nor that there are none: read again, but not at once. */
  loaded(load: DueLoad, page: DuePage, nowMs: number): boolean {
    const { window, query, changed } = load
    this.#expected -= query.limit
    if (window.load !== load || window.dropped) return true
    window.load = undefined
    for (const row of page.rows) {
      const key = rowKey(row.id, row.name)
      if (!changed.has(key) && !window.rows.has(key)) this.#insert(window, key, row)
    }
    const last = page.rows.at(-1)
    const next = page.next === undefined || page.next >= NEVER_DUE ? undefined : page.next
    const stuck = last === undefined && next !== undefined && next <= query.until
    window.next = next
    if (!stuck) window.after = last !== undefined && last.due === next ? { due: last.due, id: last.id, name: last.name } : undefined
    this.#replay(load, nowMs)
    this.#plan(window)
    return !stuck
  }

  loadFailed(load: DueLoad, nowMs: number): void {
    this.#expected -= load.query.limit
    this.#abandon(load, nowMs)
  }

  #abandon(load: DueLoad, nowMs: number): void {
    const { window } = load
    if (window.load !== load || window.dropped) return
    window.load = undefined
    this.#replay(load, nowMs)
    this.#plan(window)
  }

  /** What was not kept while the page was under way finds its place now. */
  #replay({ window, changed }: DueLoad, nowMs: number): void {
    for (const [key, row] of changed) {
      if (row !== null && !window.rows.has(key)) this.#admit(window, key, row, nowMs)
    }
  }

  /** Up to which due time rows are kept in memory. It never goes back, so that no row in memory is beyond one that is not. */
  #reachAt(nowMs: number): number {
    return this.#reachMs = Math.max(this.#reachMs, nowMs + this.#limits.windowMs)
  }

  #find(key: ShardKey): DueWindow | undefined {
    return this.#windows.get(key.type)?.get(key.shard)
  }

  /** Into memory when it belongs there; else `next` knows of it. */
  #admit(window: DueWindow, key: string, row: DueRow, nowMs: number): void {
    if (row.due >= NEVER_DUE) return
    if (this.#rows >= this.#limits.maxRows) this.#relieve(window)
    if (this.#rows >= 2 * this.#limits.maxRows) {
      this.#turnAway(window, row, nowMs)
      return
    }
    const known = window.next === undefined || row.due < window.next || row.due === window.after?.due
    if (known && row.due <= this.#reachAt(nowMs)) this.#insert(window, key, row)
    // While a page is under way the row is in its log, and comes here again with it.
    else if (window.load === undefined) lowerNext(window, row.due)
  }

  #insert(window: DueWindow, key: string, row: DueRow): void {
    const held: Held = { window, row, phase: 'armed', failures: 0, at: row.due, order: 0, slot: -1 }
    window.rows.set(key, held)
    window.armed++
    this.#rows++
    this.#armed.put(held, row.due)
  }

  #remove(held: Held, key: string): void {
    const { window, phase } = held
    this.#armed.remove(held)
    held.phase = 'gone'
    window.rows.delete(key)
    if (phase === 'armed') window.armed--
    if (phase === 'waiting') {
      window.waiting--
      window.lanes.get(laneKey(held.row))!.waiting.delete(held)
    }
    // The lane of a row that is being fired stays taken until that has ended.
    if (phase !== 'firing') this.#leaveLane(held)
    this.#forgot(1)
  }

  /** When `held` had its lane, the next one that waits gets it. */
  #leaveLane(held: Held): void {
    const { lanes } = held.window
    const key = laneKey(held.row)
    const lane = lanes.get(key)
    if (lane?.holder !== held) return
    const [next] = lane.waiting
    if (next === undefined) {
      lanes.delete(key)
      return
    }
    lane.waiting.delete(next)
    lane.holder = next
    next.phase = 'armed'
    next.window.waiting--
    next.window.armed++
    this.#armed.put(next, next.row.due)
  }

  /** Gives up the later half of a window's idle rows, when these are more than its share. */
  #relieve(window: DueWindow): void {
    // A page under way begins where the window ends now.
    if (window.load !== undefined || window.armed + window.waiting <= this.#share) return
    const dues: number[] = []
    for (const held of window.rows.values()) if (isIdle(held)) dues.push(held.row.due)
    dues.sort((a, b) => a - b)
    this.#giveUp(window, dues[dues.length >> 1]!)
  }

  /** Memory is full of rows that cannot be given up (they fire, or are retried): this one stays in the store for now. */
  #turnAway(window: DueWindow, row: DueRow, nowMs: number): void {
    // In its log the row would come into memory with the page.
    if (window.load !== undefined) this.#abandon(window.load, nowMs)
    this.#giveUp(window, row.due)
    lowerNext(window, row.due)
  }

  /** Forgets the idle rows that are due at `fromMs` or later; they are read again when their time comes. */
  #giveUp(window: DueWindow, fromMs: number): void {
    let least = Infinity
    for (const [key, held] of window.rows) {
      if (held.row.due < fromMs || !isIdle(held)) continue
      least = Math.min(least, held.row.due)
      this.#remove(held, key)
    }
    if (least < Infinity) lowerNext(window, least)
  }

  get #share(): number {
    return Math.max(LEAST_ROWS, Math.floor(this.#limits.maxRows / this.#shards))
  }

  /** Decides when the window is read on. */
  #plan(window: DueWindow): void {
    if (window.next === undefined || window.load !== undefined) {
      this.#toRead.remove(window)
      this.#starved.delete(window)
      return
    }
    const { windowMs, pageRows, maxRows } = this.#limits
    const wants = window.armed < Math.max(LEAST_ROWS, pageRows) / 2
    const room = this.#rows < maxRows || window.rows.size < this.#share
    if (wants && room) this.#toRead.put(window, window.next - windowMs / 2)
    else this.#toRead.remove(window)
    if (wants && !room) this.#starved.add(window)
    else this.#starved.delete(window)
  }

  #forgot(rows: number): void {
    this.#rows -= rows
    // Well below the limit, so that windows do not try in vain for each single row.
    if (this.#starved.size === 0 || this.#rows > this.#limits.maxRows * 0.875) return
    for (const window of [...this.#starved]) this.#plan(window)
  }
}

const isIdle = (held: Held): boolean => held.phase === 'armed' || held.phase === 'waiting'

/** A row that is due at `due` is not in memory. */
function lowerNext(window: DueWindow, due: number): void {
  if (window.next !== undefined && window.next < due) return
  window.next = due
  window.after = undefined
}
