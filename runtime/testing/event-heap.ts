/** Events in the order of their times, those of one time in the order they were made: a binary heap whose entries know their place. */
import type { SimProcess } from './sim-process.ts'

export interface SimEvent {
  readonly at: number
  readonly order: number
  readonly run: () => void
  readonly process: SimProcess | undefined
  cancelled: boolean
  /** Place in the heap, -1 outside. */
  index: number
}

const before = (a: SimEvent, b: SimEvent): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

export class EventHeap {
  readonly #events: SimEvent[] = []

  get first(): SimEvent | undefined {
    return this.#events[0]
  }

  push(event: SimEvent): void {
    this.#put(this.#events.length, event)
    this.#rise(event)
  }

  pop(): SimEvent | undefined {
    const first = this.#events[0]
    if (first !== undefined) this.remove(first)
    return first
  }

  /** Harmless for one that is not here. */
  remove(event: SimEvent): void {
    const at = event.index
    if (at < 0) return
    event.index = -1
    const last = this.#events.pop()!
    if (last === event) return
    this.#put(at, last)
    this.#rise(last)
    this.#sink(last)
  }

  #put(at: number, event: SimEvent): void {
    this.#events[at] = event
    event.index = at
  }

  #rise(event: SimEvent): void {
    for (let at = event.index; at > 0;) {
      const up = (at - 1) >> 1
      const parent = this.#events[up]!
      if (!before(event, parent)) return
      this.#put(at, parent)
      this.#put(up, event)
      at = up
    }
  }

  #sink(event: SimEvent): void {
    for (let at = event.index; ;) {
      let down = 2 * at + 1
      if (down >= this.#events.length) return
      if (down + 1 < this.#events.length && before(this.#events[down + 1]!, this.#events[down]!)) down++
      const child = this.#events[down]!
      if (!before(child, event)) return
      this.#put(at, child)
      this.#put(down, event)
      at = down
    }
  }
}
