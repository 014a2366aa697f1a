/**
 * One wheel for all call and turn deadlines: no timer a call.
 *
 * An entry sits in the slot of its deadline, rounded up to `slotMs`; so it expires at most one slot late, never early.
 * The clock is asked for one timer, for the next slot that has entries. Adding and removing take constant time.
 */
import type { Clock, Timer } from '../../core/clock.ts'

export interface DeadlineEntry {
  wheelSlot: number
  wheelIndex: number
}

/** `wheelSlot` of an entry that is in no slot, and of one whose slot's time has come but not yet its own turn to expire. */
const NOWHERE = -1
const DUE = -2

export class Deadlines<Entry extends DeadlineEntry> {
  readonly #clock: Clock
  readonly #expire: (entry: Entry) => void
  readonly #slotMs: number
  readonly #slots = new Map<number, Entry[]>()
  #timer: Timer | undefined
  #timerSlot = Infinity

  constructor(clock: Clock, expire: (entry: Entry) => void, slotMs = 20) {
    this.#clock = clock
    this.#expire = expire
    this.#slotMs = slotMs
  }

  get size(): number {
    let size = 0
    for (const slot of this.#slots.values()) size += slot.length
    return size
  }

  /** `deadline` in monotonic ms. An entry is in one slot at most: adding it again moves it. */
  add(entry: Entry, deadline: number): void {
    if (entry.wheelSlot >= 0) this.remove(entry)
    const slot = Math.ceil(deadline / this.#slotMs)
    let entries = this.#slots.get(slot)
    if (entries === undefined) {
      this.#slots.set(slot, (entries = []))
      if (slot < this.#timerSlot) this.#arm(slot)
    }
    entry.wheelSlot = slot
    entry.wheelIndex = entries.length
    entries.push(entry)
  }

  remove(entry: Entry): void {
    if (entry.wheelSlot < 0) {
      entry.wheelSlot = NOWHERE
      return
    }
    const entries = this.#slots.get(entry.wheelSlot)
    if (entries !== undefined) {
      const last = entries.pop()!
      if (last !== entry) {
        entries[entry.wheelIndex] = last
        last.wheelIndex = entry.wheelIndex
      }
      // An empty slot stays until its time comes, unless it is past: calls of one tick share it.
    }
    entry.wheelSlot = NOWHERE
  }

  nowMs(): number {
    return this.#clock.monotonicMs()
  }

  close(): void {
    this.#timer?.cancel()
    this.#slots.clear()
    this.#timerSlot = Infinity
  }

  #arm(slot: number): void {
    this.#timer?.cancel()
    this.#timerSlot = slot
    const delay = Math.min(Math.max(0, Math.ceil(slot * this.#slotMs - this.#clock.monotonicMs())), 2 ** 31 - 1)
    this.#timer = this.#clock.after(delay, () => this.#tick())
  }

  #tick(): void {
    const now = this.#clock.monotonicMs()
    const due: Entry[] = []
    let next = Infinity
    for (const [slot, entries] of this.#slots) {
      if (slot * this.#slotMs <= now) {
        for (const entry of entries) {
          entry.wheelSlot = DUE
          due.push(entry)
        }
        this.#slots.delete(slot)
      } else if (slot < next) next = slot
    }
    this.#timerSlot = Infinity
    if (next !== Infinity) this.#arm(next)
    for (const entry of due) {
      // The expiry of an earlier one may have removed this one, or given it more time.
      if (entry.wheelSlot !== DUE) continue
      entry.wheelSlot = NOWHERE
      this.#expire(entry)
    }
  }
}
