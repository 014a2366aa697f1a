/**
 * The table as one host sees it: the newest one, those who wait for a version, and those who hear of changes. Never goes back.
 */
import type { Clock } from '../core/clock.ts'
import { mechanisms } from '../core/mechanisms.ts'
import type { TableChange } from './membership.ts'
import { changeBetween } from './table-delta.ts'
import type { Table } from './table.ts'

/** Calls that may wait for a newer table at once; more are told at once that it did not come. */
const MAX_WAITERS = 100_000

export class TableView {
  readonly #clock: Clock
  readonly #listeners: ((change: TableChange) => void)[] = []
  readonly #waiters = new Set<{ version: number; settle(reached: boolean): void }>()
  #table: Table

  constructor(clock: Clock, table: Table) {
    this.#clock = clock
    this.#table = table
  }

  get table(): Table {
    return this.#table
  }

  onChange(listener: (change: TableChange) => void): void {
    this.#listeners.push(listener)
  }

  /** Takes `next` if it is newer: listeners first, in order of versions, then those who waited. */
  advance(next: Table): void {
    if (next.version <= this.#table.version && !mechanisms.off?.has('table-order')) return
    const change = changeBetween(this.#table, next)
    this.#table = next
    for (const listener of this.#listeners) listener(change)
    for (const waiter of [...this.#waiters]) if (waiter.version <= next.version) waiter.settle(true)
  }

  waitFor(version: number, timeoutMs: number): Promise<boolean> {
    if (this.#table.version >= version) return Promise.resolve(true)
    if (timeoutMs <= 0 || this.#waiters.size >= MAX_WAITERS) return Promise.resolve(false)
    return new Promise(resolve => {
      const waiter = {
        version,
        settle: (reached: boolean): void => {
          timer.cancel()
          this.#waiters.delete(waiter)
          resolve(reached)
        },
      }
      const timer = this.#clock.after(timeoutMs, () => waiter.settle(false))
      this.#waiters.add(waiter)
    })
  }

  /** No newer table will come. */
  close(): void {
    for (const waiter of [...this.#waiters]) waiter.settle(false)
  }
}
