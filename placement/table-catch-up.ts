/**
 * How a host learns of tables when its stream does not bring them: a renewal of its lease names a version that it does not have,
 * and the cluster store has the table itself.
 *
 * A stream that works is faster, so it gets a moment. One load at a time, each with a deadline; what fails is tried with the next renewal.
 */
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { ClusterStore } from '../stores/cluster-store.ts'
import { decodeCluster } from './cluster-record.ts'
import type { Table } from './table.ts'

/** What a stream is given to bring a table of which a renewal told. */
const STREAM_MS = 250
/** A load without an answer is forgotten, and another one may start; adapters give up before. */
const LOAD_MS = 6_000

export interface TableCatchUpParts {
  readonly clusterStore: ClusterStore
  readonly clock: Clock
  readonly log: Logger
  /** Version that the host has. */
  readonly version: () => number
  readonly shards: number
  /** A table was found, with the term of the leader that stored it. */
  readonly found: (table: Table, term: number) => void
}

export class TableCatchUp {
  readonly #parts: TableCatchUpParts
  #waiting: Timer | undefined
  #loading: Timer | undefined
  #closed = false

  constructor(parts: TableCatchUpParts) {
    this.#parts = parts
  }

  /** A renewal told of `version`; `streams`: the stream may bring it. */
  heard(version: number, streams: boolean): void {
    if (this.#closed || this.#loading !== undefined || version <= this.#parts.version()) return
    if (!streams) return this.#load()
    this.#waiting ??= this.#parts.clock.after(STREAM_MS, () => {
      this.#waiting = undefined
      if (!this.#closed && this.#loading === undefined && version > this.#parts.version()) this.#load()
    })
  }

  close(): void {
    this.#closed = true
    this.#waiting?.cancel()
    this.#loading?.cancel()
  }

  #load(): void {
    const { clusterStore, clock, log, shards } = this.#parts
    this.#waiting?.cancel()
    this.#waiting = undefined
    const mine = clock.after(LOAD_MS, () => this.#settle(mine))
    this.#loading = mine
    const load = async (): Promise<void> => {
      try {
        const saved = await clusterStore.loadTable()
        if (this.#closed || saved === undefined || saved.version <= this.#parts.version()) return
        this.#parts.found(decodeCluster(saved.bytes, shards).table, saved.term)
      } catch (error) {
        log.warn({ reason: messageOf(error) }, 'the stored placement table could not be taken')
      } finally {
        this.#settle(mine)
      }
    }
    void load()
  }

  #settle(load: Timer): void {
    load.cancel()
    if (this.#loading === load) this.#loading = undefined
  }
}
