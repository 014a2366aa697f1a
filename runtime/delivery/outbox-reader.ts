/**
 * Reads the sends of shards that this host has just taken, in pages, many shards in one question to the store.
 *
 * Sends are due at once (due time 0), so they come before all other due rows of a shard, those of one actor in the order
 * of their numbers. Reading pauses while enough sends are pending: what takes memory is bounded, however much
 * was left undelivered. A failed load is repeated, with a growing wait.
 */
import type { Clock } from '../../core/clock.ts'
import { messageOf } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import type { DuePage, DuePlace, DueQuery, DueRow, ShardKey } from '../../stores/actor-store.ts'

export interface ReaderPorts {
  readonly clock: Clock
  readonly log: Logger
  /** One page a query, in order. A rejection is repeated. */
  load(queries: readonly DueQuery[]): Promise<readonly DuePage[]>
  found(shard: ShardKey, row: DueRow): void
  scanned(shard: ShardKey): void
  /** Rows of one shard in one load. */
  readonly pageRows: number
  /** False while no more should be read; `resume` when that is over. */
  hasRoom(): boolean
}

const SHARDS_A_LOAD = 64
const FIRST_WAIT_MS = 50
const MAX_WAIT_MS = 2_000

interface Reading {
  readonly shard: ShardKey
  after: DuePlace | undefined
  phase: 'reading' | 'over'
}

export class OutboxReader {
  readonly #ports: ReaderPorts
  #queue: Reading[] = []
  #phase: 'idle' | 'loading' | 'waiting' | 'closed' = 'idle'
  #failures = 0

  constructor(ports: ReaderPorts) {
    this.#ports = ports
  }

  /** Reads the shard from its start. The returned function gives it up. */
  read(shard: ShardKey): () => void {
    const reading: Reading = { shard, after: undefined, phase: 'reading' }
    this.#queue.push(reading)
    // Shards are taken by the thousand in one go: their reading begins together.
    if (this.#phase === 'idle') this.#wait(0)
    return () => { reading.phase = 'over' }
  }

  resume(): void {
    if (this.#phase === 'idle' && this.#queue.length > 0) this.#load()
  }

  close(): void {
    this.#phase = 'closed'
    this.#queue = []
  }

  #wait(ms: number): void {
    this.#phase = 'waiting'
    const go = (): void => {
      if (this.#phase === 'closed') return
      this.#phase = 'idle'
      this.resume()
    }
    if (ms === 0) this.#ports.clock.soon(go)
    else this.#ports.clock.after(ms, go)
  }

  #load(): void {
    this.#queue = this.#queue.filter(reading => reading.phase === 'reading')
    if (this.#queue.length === 0 || !this.#ports.hasRoom()) return
    this.#phase = 'loading'
    const batch = this.#queue.splice(0, SHARDS_A_LOAD)
    const queries = batch.map(({ shard, after }): DueQuery => ({ type: shard.type, shard: shard.shard, after, until: 0, limit: this.#ports.pageRows }))
    this.#ports.load(queries).then(pages => this.#loaded(batch, pages), (error: unknown) => this.#failed(batch, error))
  }

  #loaded(batch: readonly Reading[], pages: readonly DuePage[]): void {
    if (this.#phase === 'closed') return
    this.#failures = 0
    this.#phase = 'idle'
    batch.forEach((reading, i) => this.#hand(reading, pages[i]?.rows ?? []))
    this.resume()
  }

  #hand(reading: Reading, rows: readonly DueRow[]): void {
    // `found` may lead anywhere, to the loss of the shard as well.
    for (const row of rows) if (reading.phase === 'reading') this.#ports.found(reading.shard, row)
    if (reading.phase !== 'reading') return
    const last = rows.at(-1)
    if (rows.length < this.#ports.pageRows || last === undefined) this.#ports.scanned(reading.shard)
    else {
      reading.after = { due: last.due, id: last.id, name: last.name }
      this.#queue.push(reading)
    }
  }

  #failed(batch: readonly Reading[], error: unknown): void {
    if (this.#phase === 'closed') return
    this.#queue.unshift(...batch)
    this.#failures++
    this.#ports.log.warn({ failures: this.#failures, shards: batch.length }, `undelivered sends could not be read, trying again: ${messageOf(error)}`)
    this.#wait(Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(this.#failures - 1, 20)))
  }
}
