/**
 * What one shard has in the due queue: its rows in memory, how far they reach, and the lanes that keep two rows of an
 * actor from being fired at once. Plain records, changed by due-queue.ts, held-rows.ts and read-plan.ts alone.
 */
import type { DuePlace, DueQuery, DueRow, ShardKey } from '../stores/actor-store.ts'
import type { HeapItem } from './due-heap.ts'

/**
 * armed: waits for its time. retrying: the same after a fire that asked for it. waiting: due, but its lane is taken.
 * firing. settled: ran, and its `changed` is still on the way. gone: moved, deleted, handed over or forgotten.
 */
export type HeldPhase = 'armed' | 'retrying' | 'waiting' | 'firing' | 'settled' | 'gone'

/** A row in memory. */
export interface Held extends HeapItem {
  readonly window: DueWindow
  readonly row: DueRow
  phase: HeldPhase
  /** Fires in a row that failed. */
  failures: number
}

/** One row of it is fired at a time. */
export interface Lane {
  /** It fires, or is the next to fire. */
  holder: Held
  readonly waiting: Set<Held>
}

/** A read of the store that is under way. */
export interface DueLoad {
  readonly window: DueWindow
  readonly query: DueQuery
  /** What commits changed meanwhile, by row key: newer than the page, whatever that says. Null: removed. */
  readonly changed: Map<string, DueRow | null>
}

/**
 * Every stored row that is due before `next` is in memory (or handed over), and so are those of `after.due` up to the
 * place `after`. As an item of a heap: when to read on.
 */
export interface DueWindow extends HeapItem {
  readonly key: ShardKey
  /** By `rowKey`. */
  readonly rows: Map<string, Held>
  /** By `laneKey`, while taken. */
  readonly lanes: Map<string, Lane>
  /** Due time of the first stored row that is not in memory, or a time before it; undefined: there is none. */
  next: number | undefined
  /** Where to read on among rows of the same due time. */
  after: DuePlace | undefined
  load: DueLoad | undefined
  /** Rows that are 'armed'. */
  armed: number
  /** Rows that are 'waiting'. */
  waiting: number
  dropped: boolean
}

export const newWindow = (key: ShardKey): DueWindow => ({
  key, rows: new Map(), lanes: new Map(), next: 0, after: undefined, load: undefined, armed: 0, waiting: 0, dropped: false,
  at: 0, order: 0, slot: -1,
})

/** An id holds no `/`. */
export const rowKey = (id: string, name: string): string => `${id}/${name}`

/** In memory, and nothing has been done with it. */
export const isIdle = (held: Held): boolean => held.phase === 'armed' || held.phase === 'waiting'

const isSend = (row: DueRow): boolean => row.name.startsWith('o:')

/** Sends of an actor do not wait for its reminders: a handler may hang, handing over does not. */
export const laneKey = (row: DueRow): string => isSend(row) ? `o/${row.id}` : row.id

/** Sends keep their order: one that must be handed over again later lets none behind it pass. */
export const keepsLane = isSend

/** Where to begin reading: what is due before `next` is known. No id is empty, so the place is before all of its time. */
export const readFrom = (window: DueWindow): DuePlace | undefined =>
  window.after ?? (window.next === undefined || window.next <= 0 ? undefined : { due: window.next, id: '', name: '' })

/** A row that is due at `due` is not in memory. */
export function lowerNext(window: DueWindow, due: number): void {
  if (window.next !== undefined && window.next < due) return
  window.next = due
  window.after = undefined
}
