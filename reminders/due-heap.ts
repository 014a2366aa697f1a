/**
 * A binary heap whose items know their slot, so that any of them can be moved or taken out in log n: no dead items stay
 * behind, and its memory is that of what is in it. Items of the same time come out in the order they went in.
 */
export interface HeapItem {
  /** When the item is wanted. Changed only through `put`. */
  at: number
  /** Given by the heap. */
  order: number
  /** Given by the heap; -1 while the item is in none. An item is in one heap at a time. */
  slot: number
}

export class DueHeap<Item extends HeapItem> {
  readonly #items: Item[] = []
  #orders = 0

  get size(): number {
    return this.#items.length
  }
  peek(): Item | undefined {
    return this.#items[0]
  }

  /** Adds the item, or moves it when it is in the heap. */
  put(item: Item, at: number): void {
    if (item.slot >= 0) {
      if (item.at === at) return
      this.remove(item)
    }
    item.at = at
    item.order = this.#orders++
    item.slot = this.#items.length
    this.#items.push(item)
    this.#rise(item)
  }

  /** Nothing happens when the item is not in the heap. */
  remove(item: Item): void {
    const slot = item.slot
    if (slot < 0) return
    item.slot = -1
    const last = this.#items.pop()!
    if (last === item) return
    last.slot = slot
    this.#items[slot] = last
    this.#rise(last)
    this.#sink(last)
  }

  #rise(item: Item): void {
    const items = this.#items
    while (item.slot > 0) {
      const parent = items[(item.slot - 1) >> 1]!
      if (!before(item, parent)) return
      swap(items, item, parent)
    }
  }

  #sink(item: Item): void {
    const items = this.#items
    for (;;) {
      const left = items[2 * item.slot + 1]
      if (left === undefined) return
      const right = items[2 * item.slot + 2]
      const child = right !== undefined && before(right, left) ? right : left
      if (!before(child, item)) return
      swap(items, item, child)
    }
  }
}

const before = (a: HeapItem, b: HeapItem): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

function swap<Item extends HeapItem>(items: Item[], a: Item, b: Item): void {
  const slot = a.slot
  a.slot = b.slot
  b.slot = slot
  items[a.slot] = a
  items[b.slot] = b
}
