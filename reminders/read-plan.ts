/**
 * Which shard to read next, when, and how much: the part of the due queue that keeps memory within its bounds.
 *
 * A window is read on when time comes near its `next`, while fewer than half a page of its rows are armed, and while there
 * is room: in all, or within the window's own share, so that one crowded shard shuts out no other.
 */
import { DueHeap } from './due-heap.ts'
import { type DueLoad, type DueWindow, readFrom } from './due-window.ts'

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

export class ReadPlan {
  readonly #limits: QueueLimits
  readonly #toRead = new DueHeap<DueWindow>()
  /** Windows that would read on but for `maxRows`. */
  readonly #starved = new Set<DueWindow>()
  /** Rows that pages under way may bring. */
  #expected = 0

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  /** When the first window is to be read; undefined when none is. */
  get nextMs(): number | undefined {
    return this.#toRead.peek()?.at
  }

  share(shards: number): number {
    return Math.max(LEAST_ROWS, Math.floor(this.#limits.maxRows / shards))
  }

  /** The window has changed: decides anew. `rows` are in memory, of `shards`. */
  update(window: DueWindow, rows: number, shards: number): void {
    const { next } = window
    if (next === undefined || window.load !== undefined) {
      this.forget(window)
      return
    }
    const { windowMs, pageRows, maxRows } = this.#limits
    const wants = window.armed < pageRows / 2
    const room = rows < maxRows || window.rows.size < this.share(shards)
    if (wants && room) this.#toRead.put(window, next - windowMs / 2)
    else this.#toRead.remove(window)
    if (wants && !room) this.#starved.add(window)
    else this.#starved.delete(window)
  }

  forget(window: DueWindow): void {
    this.#toRead.remove(window)
    this.#starved.delete(window)
  }

  /** Rows have gone: windows that lacked room may have it now. */
  freed(rows: number, shards: number): void {
    // Well below the limit, so that they do not try in vain for each single row.
    if (this.#starved.size === 0 || rows > this.#limits.maxRows * 0.875) return
    for (const window of [...this.#starved]) this.update(window, rows, shards)
  }

  /** Begins the reads that are to be made now, at most `most`, of what is due until `untilMs`. Each must be ended. */
  begin(nowMs: number, untilMs: number, rows: number, most: number): DueLoad[] {
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
    const room = Math.floor((maxRows - rows - this.#expected) / windows.length)
    const limit = Math.min(pageRows, Math.max(LEAST_ROWS, room))
    this.#expected += limit * windows.length
    return windows.map(window => window.load = {
      window, changed: new Map(), query: { ...window.key, after: readFrom(window), until: untilMs, limit },
    })
  }

  end(load: DueLoad): void {
    this.#expected -= load.query.limit
  }
}
