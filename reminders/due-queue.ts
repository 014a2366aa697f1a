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
import { type DueLoad, type DueWindow, type Held, isIdle, lowerNext, newWindow, rowKey } from './due-window.ts'
import { HeldRows } from './held-rows.ts'
import { type QueueLimits, ReadPlan } from './read-plan.ts'

export class DueQueue {
  readonly #limits: QueueLimits
  readonly #windows = new Map<string, Map<number, DueWindow>>()
  readonly #rows: HeldRows
  readonly #reads: ReadPlan
  #shards = 0
  #reachMs = -Infinity

  constructor(limits: QueueLimits) {
    this.#limits = limits
    this.#reads = new ReadPlan(limits)
    this.#rows = new HeldRows(window => {
      this.#plan(window)
      this.#reads.freed(this.#rows.size, this.#shards)
    })
  }

  get size(): { readonly shards: number; readonly rows: number; readonly firing: number } {
    return { shards: this.#shards, rows: this.#rows.size, firing: this.#rows.firing }
  }
  /** When a row is to be fired; undefined when none is in memory. */
  get nextFireMs(): number | undefined {
    return this.#rows.nextMs
  }
  /** When a shard is to be read; undefined when none is. */
  get nextReadMs(): number | undefined {
    return this.#reads.nextMs
  }
  /** When the first row is due (or repeated) that is not being fired, in memory or not. Looks at every shard. */
  nextDue(): number | undefined {
    let least = this.#rows.nextMs ?? Infinity
    for (const window of this.#all()) least = Math.min(least, window.next ?? Infinity)
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
    this.#shards--
    this.#reads.forget(window)
    this.#rows.drop(window)
    this.#reads.freed(this.#rows.size, this.#shards)
  }

  /** A commit made the row new, moved it, or removed it (`due` null). */
  changed(actor: ActorAddress, name: string, due: number | null, value: Uint8Array | null, nowMs: number): void {
    const window = this.#find(actor)
    if (window === undefined) return
    const key = rowKey(actor.id, name)
    const held = window.rows.get(key)
    if (held !== undefined) this.#rows.remove(held, key)
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
    return this.#rows.start(nowMs)
  }

  /**
   * The fire has ended. 'handed': another has the row now, it is forgotten. 'done': a commit changed it; when it has not
   * been told yet, the row is kept as settled until then, so that no page can bring its old form back.
   */
  finish(held: Held, result: 'handed' | 'done'): void {
    const newest = this.#rows.end(held, result === 'done')
    if (newest && result === 'handed') held.window.load?.changed.set(rowKey(held.row.id, held.row.name), null)
  }

  /** The fire has ended and is to be repeated at `atMs`, unless the row was changed meanwhile. */
  retry(held: Held, atMs: number): void {
    this.#rows.retry(held, atMs)
  }

  /** The wall clock has jumped back: repeats, timed by it, wait no longer, and what is beyond the new window is given up. */
  wentBack(nowMs: number): void {
    this.#reachMs = nowMs + this.#limits.windowMs
    for (const window of this.#all()) {
      if (window.load !== undefined) this.#abandon(window.load, nowMs)
      this.#giveUp(window, this.#reachMs + 1)
      this.#rows.retryNow(window, nowMs)
      this.#plan(window)
    }
  }

  /** Reads to make now, at most `most`: each must be ended by `loaded` or `loadFailed`. */
  reads(nowMs: number, most: number): DueLoad[] {
    return this.#reads.begin(nowMs, this.#reachAt(nowMs), this.#rows.size, most)
  }

  /** False when the page says neither rows nor that there are none: read again, but not at once. */
  loaded(load: DueLoad, page: DuePage, nowMs: number): boolean {
    const { window, query, changed } = load
    this.#reads.end(load)
    if (window.load !== load || window.dropped) return true
    window.load = undefined
    for (const row of page.rows) {
      const key = rowKey(row.id, row.name)
      if (!changed.has(key) && !window.rows.has(key)) this.#rows.insert(window, key, row)
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
    this.#reads.end(load)
    if (load.window.load === load && !load.window.dropped) this.#abandon(load, nowMs)
  }

  /** Whatever the load brings, it is ignored. */
  #abandon(load: DueLoad, nowMs: number): void {
    load.window.load = undefined
    this.#replay(load, nowMs)
    this.#plan(load.window)
  }

  /** What was not kept while the page was under way finds its place now. */
  #replay({ window, changed }: DueLoad, nowMs: number): void {
    for (const [key, row] of changed) {
      if (row !== null && !window.rows.has(key)) this.#admit(window, key, row, nowMs)
    }
  }

  /** Into memory when it belongs there; else `next` knows of it. */
  #admit(window: DueWindow, key: string, row: DueRow, nowMs: number): void {
    if (row.due >= NEVER_DUE) return
    const { maxRows } = this.#limits
    if (this.#rows.size >= maxRows) this.#relieve(window)
    if (this.#rows.size >= 2 * maxRows) {
      this.#turnAway(window, row, nowMs)
      return
    }
    const known = window.next === undefined || row.due < window.next || row.due === window.after?.due
    if (known && row.due <= this.#reachAt(nowMs)) this.#rows.insert(window, key, row)
    // While a page is under way the row is in its log, and comes here again with it.
    else if (window.load === undefined) lowerNext(window, row.due)
  }

  /** Gives up the later half of a window's idle rows, when these are more than its share. */
  #relieve(window: DueWindow): void {
    // A page under way begins where the window ends now.
    if (window.load !== undefined || window.armed + window.waiting <= this.#reads.share(this.#shards)) return
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

  /** Idle rows due at `fromMs` or later are read again when their time comes. */
  #giveUp(window: DueWindow, fromMs: number): void {
    const least = this.#rows.giveUp(window, fromMs)
    if (least < Infinity) lowerNext(window, least)
    this.#plan(window)
  }

  /** Up to which due time rows are kept in memory. It never goes back, so that no row in memory is beyond one that is not. */
  #reachAt(nowMs: number): number {
    return this.#reachMs = Math.max(this.#reachMs, nowMs + this.#limits.windowMs)
  }

  #plan(window: DueWindow): void {
    if (!window.dropped) this.#reads.update(window, this.#rows.size, this.#shards)
  }

  #find(key: ShardKey): DueWindow | undefined {
    return this.#windows.get(key.type)?.get(key.shard)
  }

  *#all(): Iterable<DueWindow> {
    for (const byShard of this.#windows.values()) yield* byShard.values()
  }
}
