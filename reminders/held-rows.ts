/**
 * The rows that the due queue has in memory: a heap by time, and lanes, which let one row of an actor be fired at a time.
 *
 * A row that is due while its lane is taken waits in the lane and costs nothing until it is its turn. The lane of a row
 * that is being fired stays taken until that fire has ended, whatever becomes of the row meanwhile.
 */
import type { DueRow } from '../stores/actor-store.ts'
import { DueHeap } from './due-heap.ts'
import { type DueWindow, type Held, isIdle, keepsLane, laneKey, rowKey } from './due-window.ts'

export class HeldRows {
  readonly #armed = new DueHeap<Held>()
  /** Called when a window has fewer rows, or fewer that are armed. */
  readonly #freed: (window: DueWindow) => void
  #size = 0
  #firing = 0

  constructor(freed: (window: DueWindow) => void) {
    this.#freed = freed
  }

  get size(): number {
    return this.#size
  }
  get firing(): number {
    return this.#firing
  }
  /** When the first row is to be fired; undefined when none is here. */
  get nextMs(): number | undefined {
    return this.#armed.peek()?.at
  }

  /** The row must not be there. */
  insert(window: DueWindow, key: string, row: DueRow): void {
    const held: Held = { window, row, phase: 'armed', failures: 0, at: row.due, order: 0, slot: -1 }
    window.rows.set(key, held)
    window.armed++
    this.#size++
    this.#armed.put(held, row.due)
  }

  remove(held: Held, key = rowKey(held.row.id, held.row.name)): void {
    const { window, phase } = held
    this.#armed.remove(held)
    held.phase = 'gone'
    window.rows.delete(key)
    this.#size--
    if (phase === 'armed') window.armed--
    if (phase === 'waiting') {
      window.waiting--
      window.lanes.get(laneKey(held.row))!.waiting.delete(held)
    }
    if (phase !== 'firing') this.#leaveLane(held)
    this.#freed(window)
  }

  /** Forgets the idle rows that are due at `fromMs` or later. @returns the earliest of them; Infinity: none was forgotten */
  giveUp(window: DueWindow, fromMs: number): number {
    let least = Infinity
    for (const [key, held] of window.rows) {
      if (held.row.due < fromMs || !isIdle(held)) continue
      least = Math.min(least, held.row.due)
      this.remove(held, key)
    }
    return least
  }

  /** Forgets all rows of a window that is no more. */
  drop(window: DueWindow): void {
    for (const held of window.rows.values()) {
      this.#armed.remove(held)
      held.phase = 'gone'
    }
    this.#size -= window.rows.size
    window.dropped = true
  }

  /** The next row that is due and whose lane is free; it is being fired now. */
  start(nowMs: number): Held | undefined {
    for (let held = this.#armed.peek(); held !== undefined && held.at <= nowMs; held = this.#armed.peek()) {
      this.#armed.remove(held)
      const { window, phase } = held
      if (phase === 'armed') window.armed--
      held.phase = this.#enterLane(held) ? 'firing' : 'waiting'
      this.#freed(window)
      if (held.phase === 'waiting') continue
      this.#firing++
      return held
    }
    return undefined
  }

  /** The fire has ended for good: the row goes, or is kept as settled. False when it was not the newest of its row any more. */
  end(held: Held, keep: boolean): boolean {
    this.#firing--
    if (held.window.dropped) return false
    const newest = held.phase === 'firing'
    if (newest && keep) held.phase = 'settled'
    else if (newest) this.remove(held)
    this.#leaveLane(held)
    return newest
  }

  /** The fire has ended and is repeated at `atMs`, if the row is still the newest. */
  retry(held: Held, atMs: number): void {
    this.#firing--
    if (held.window.dropped) return
    const newest = held.phase === 'firing'
    if (newest) {
      held.phase = 'retrying'
      // The wall clock may have gone back to before its time.
      this.#armed.put(held, Math.max(atMs, held.row.due))
    }
    if (!newest || !keepsLane(held.row)) this.#leaveLane(held)
  }

  /** Repeats of the window wait no longer. */
  retryNow(window: DueWindow, nowMs: number): void {
    for (const held of window.rows.values()) {
      if (held.phase === 'retrying') this.#armed.put(held, Math.max(nowMs, held.row.due))
    }
  }

  /** False when another has the lane: then `held` waits in it. */
  #enterLane(held: Held): boolean {
    const { window, row } = held
    const key = laneKey(row)
    const lane = window.lanes.get(key)
    if (lane === undefined) window.lanes.set(key, { holder: held, waiting: new Set() })
    if (lane === undefined || lane.holder === held) return true
    lane.waiting.add(held)
    window.waiting++
    return false
  }

  /** When `held` has its lane, the next one that waits gets it. */
  #leaveLane(held: Held): void {
    const { window } = held
    const key = laneKey(held.row)
    const lane = window.lanes.get(key)
    if (lane?.holder !== held) return
    const [next] = lane.waiting
    if (next === undefined) {
      window.lanes.delete(key)
      return
    }
    lane.waiting.delete(next)
    lane.holder = next
    next.phase = 'armed'
    window.waiting--
    window.armed++
    this.#armed.put(next, next.row.due)
  }
}
