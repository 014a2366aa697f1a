/**
 * Runs the due queue: reads shards, fires rows when their time has come, and sleeps until the next one.
 *
 * Due is what the wall clock says, never before (P10); waiting for anything else (slots, a store that fails) goes by the
 * monotonic clock. There is one timer for everything. It sleeps at most 10 s, since a wall clock may jump, and nothing is
 * read from the store but what the queue asks for. Firing is bounded by `FiringSlots`; a fire that fails is repeated with
 * backoff. What a fire does, and the commit that ends a row, is the owner's (runtime/delivery).
 */
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { mechanisms } from '../core/mechanisms.ts'
import type { ActorAddress, DuePage, DueQuery, DueRow, ShardKey } from '../stores/actor-store.ts'
import { DueQueue } from './due-queue.ts'
import type { DueLoad, Held } from './due-window.ts'
import { FiringSlots, type Ticket } from './firing-slots.ts'

/**
 * handed: the scheduler forgets the row at once. done: a commit changed or removed it, and `changed` was or will be called
 * for it, as it has been for the commits before. A time: try again then (wall ms).
 */
export type FireResult = 'handed' | 'done' | { readonly retryAt: number }

export interface DuePorts {
  readonly clock: Clock
  readonly log: Logger
  /** One page a query, in order. A rejection is repeated with backoff. */
  load(queries: readonly DueQuery[]): Promise<readonly DuePage[]>
  /** A rejection is repeated with backoff. A plain result, given at once, takes no slot. */
  fire(shard: ShardKey, row: DueRow): FireResult | Promise<FireResult>
}

export interface DueLimits {
  /** How far ahead due rows are kept in memory; 20 s by default. A shard with due rows is read about twice in this time. */
  readonly windowMs?: number
  /** Rows that one query asks of one shard; 512 by default. */
  readonly pageRows?: number
  /** Rows in memory, of all shards; 100,000 by default (some 50 MB with small values). At worst twice as many. */
  readonly maxRows?: number
  /** Shards in one call of `load`; 256 by default. */
  readonly queriesPerLoad?: number
  /** Calls of `load` under way; 4 by default. */
  readonly maxLoads?: number
  /** Fires under way at the start; 32 by default. */
  readonly firstFiring?: number
  /** Fires under way that are not slow; 1,024 by default. */
  readonly maxFiring?: number
  /** A fire that takes longer leaves its slot; 50 ms by default. */
  readonly slowMs?: number
  /** Slow fires under way; 10,000 by default. Beyond, slow ones keep their slots. */
  readonly maxSlow?: number
  /** With all slots taken and nothing ending for so long, their number doubles; 5 ms by default. */
  readonly rampMs?: number
}

/** The longest sleep: what a jump of the wall clock can delay or a frozen process miss. */
const MAX_SLEEP_MS = 10_000
/** A wall clock that falls behind by more than this has been set back. */
const JUMP_MS = 1_000
/** Rows fired in one go before others get the thread. */
const BURST = 512

const backoffMs = (failures: number, firstMs: number, mostMs: number): number => Math.min(mostMs, firstMs * 2 ** Math.min(failures, 30))

export class DueScheduler {
  readonly #ports: DuePorts
  readonly #limits: Required<DueLimits>
  readonly #queue: DueQueue
  readonly #slots: FiringSlots
  #loads = 0
  #loadFailures = 0
  /** Monotonic; no load before. */
  #loadsFromMs = -Infinity
  #timer: Timer | undefined
  /** Monotonic; when the timer, or what was asked of `soon`, runs. */
  #wakeMs = Infinity
  /** Wall minus monotonic time, at its highest since the clock was last set back. */
  #offsetMs: number
  #pumping = false
  #closed = false

  constructor(ports: DuePorts, limits: DueLimits = {}) {
    this.#ports = ports
    this.#limits = {
      windowMs: 20_000, pageRows: 512, maxRows: 100_000, queriesPerLoad: 256, maxLoads: 4,
      firstFiring: 32, maxFiring: 1_024, slowMs: 50, maxSlow: 10_000, rampMs: 5, ...limits,
    }
    const { firstFiring, maxFiring, slowMs, maxSlow, rampMs } = this.#limits
    this.#queue = new DueQueue(this.#limits)
    this.#slots = new FiringSlots({ first: Math.min(firstFiring, maxFiring), most: maxFiring, slowMs, slowMost: maxSlow, rampMs })
    this.#offsetMs = ports.clock.wallMs() - ports.clock.monotonicMs()
  }

  /** This host owns the shard and has claimed it: reads it from its start. One that was taken before is forgotten first. */
  take(shard: ShardKey): void {
    if (this.#closed) return
    this.#queue.take(shard)
    this.#nudge()
  }

  /** The shard is no longer this host's: forgets its rows; results of their fires change nothing. */
  drop(shard: ShardKey): void {
    this.#queue.drop(shard)
  }

  /**
   * An owner's commit became durable: the row is new, moved (due), or gone (due null). `value` as stored. To be called in
   * the order of the commits, for every row with a due time, and for no shard that is not taken.
   */
  changed(actor: ActorAddress, name: string, due: number | null, value: Uint8Array | null): void {
    if (this.#closed) return
    this.#queue.changed(actor, name, due, value, this.#ports.clock.wallMs())
    this.#nudge()
  }

  /**
   * True while `row` (the object given to `fire`) is still what the store holds, as far as this owner knows. Asked at the
   * start of the turn that runs it. Commits of the actor that are not durable yet are the asker's to know.
   */
  current(shard: ShardKey, row: DueRow): boolean {
    return this.#queue.current(shard, row)
  }

  /** `rows` are in memory; `nextDue` (wall ms) looks at every shard. */
  stats(): { shards: number; rows: number; firing: number; nextDue: number | undefined } {
    return { ...this.#queue.size, nextDue: this.#queue.nextDue() }
  }

  /** Stops everything; fires and loads under way end without effect. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Does all that can be done now, then sleeps until there is more. */
  #pump(): void {
    if (this.#closed || this.#pumping) return
    this.#pumping = true
    let more = false
    try {
      this.#watchClock()
      this.#read()
      more = this.#fireDue()
    } finally {
      this.#pumping = false
    }
    if (more) this.#soon()
    else this.#nudge()
  }

  #watchClock(): void {
    const { clock } = this.#ports
    const wallMs = clock.wallMs()
    const offsetMs = wallMs - clock.monotonicMs()
    if (offsetMs < this.#offsetMs - JUMP_MS) {
      this.#ports.log.warn({ byMs: Math.round(this.#offsetMs - offsetMs) }, 'the wall clock was set back: reminders that are not due by it wait')
      this.#queue.wentBack(wallMs)
    }
    // The highest offset is what later ones are held against: many small steps back are a large one.
    if (offsetMs > this.#offsetMs || offsetMs < this.#offsetMs - JUMP_MS) this.#offsetMs = offsetMs
  }

  #read(): void {
    const { clock } = this.#ports
    while (this.#loads < this.#limits.maxLoads && clock.monotonicMs() >= this.#loadsFromMs) {
      const loads = this.#queue.reads(clock.wallMs(), this.#limits.queriesPerLoad)
      if (loads.length === 0) return
      void this.#load(loads)
    }
  }

  async #load(loads: readonly DueLoad[]): Promise<void> {
    this.#loads++
    let problem: string | undefined
    let pages: readonly DuePage[] = []
    try {
      pages = await this.#ports.load(loads.map(load => load.query))
    } catch (raised) {
      problem = messageOf(raised)
    }
    this.#loads--
    const nowMs = this.#ports.clock.wallMs()
    for (const [i, load] of loads.entries()) {
      const page = pages[i]
      if (page === undefined) this.#queue.loadFailed(load, nowMs)
      else if (!this.#queue.loaded(load, page, nowMs)) problem = 'a page without rows says that rows follow'
    }
    if (this.#closed) return
    if (problem === undefined) {
      this.#loadFailures = 0
    } else {
      const waitMs = backoffMs(this.#loadFailures++, 50, 5_000)
      this.#loadsFromMs = this.#ports.clock.monotonicMs() + waitMs
      this.#ports.log.warn({ problem, shards: loads.length, retryInMs: waitMs }, 'due reminders and sends could not be read; they are late until they can')
    }
    this.#pump()
  }

  /** True when it stopped only to let others run. */
  #fireDue(): boolean {
    const { clock } = this.#ports
    this.#slots.sweep(clock.monotonicMs())
    for (let i = 0; i < BURST; i++) {
      if (this.#closed || !this.#slots.free) return false
      const held = this.#queue.start(mechanisms.off?.has('never-early') ? clock.wallMs() + 50 : clock.wallMs())
      if (held === undefined) return false
      this.#fire(held)
    }
    return true
  }

  #fire(held: Held): void {
    let result: FireResult | Promise<FireResult>
    try {
      result = this.#ports.fire(held.window.key, held.row)
    } catch (raised) {
      this.#failed(held, raised)
      return
    }
    if (result instanceof Promise) void this.#ended(held, result, this.#slots.start(this.#ports.clock.monotonicMs()))
    else this.#settle(held, result)
  }

  async #ended(held: Held, result: Promise<FireResult>, ticket: Ticket): Promise<void> {
    try {
      this.#settle(held, await result)
    } catch (raised) {
      this.#failed(held, raised)
    }
    this.#slots.end(ticket, this.#ports.clock.monotonicMs())
    this.#pump()
  }

  #settle(held: Held, result: FireResult): void {
    if (typeof result === 'string') this.#queue.finish(held, result)
    // Not in this very millisecond: a row that is always refused must not take the thread.
    else this.#queue.retry(held, Math.max(result.retryAt, this.#ports.clock.wallMs() + 1))
  }

  #failed(held: Held, raised: unknown): void {
    const waitMs = backoffMs(held.failures++, 100, 30_000)
    const { key } = held.window
    this.#ports.log.warn({ type: key.type, id: held.row.id, name: held.row.name, error: messageOf(raised), retryInMs: waitMs }, 'a due entry could not be run')
    this.#queue.retry(held, this.#ports.clock.wallMs() + waitMs)
  }

  /** How long there is nothing to do. */
  #idleMs(): number {
    const { clock } = this.#ports
    const wallMs = clock.wallMs()
    const monotonicMs = clock.monotonicMs()
    const { nextFireMs, nextReadMs } = this.#queue
    let idleMs = Infinity
    if (nextReadMs !== undefined && this.#loads < this.#limits.maxLoads) {
      idleMs = Math.max(nextReadMs - wallMs, this.#loadsFromMs - monotonicMs)
    }
    if (nextFireMs !== undefined) {
      const slotInMs = this.#slots.free ? -Infinity : (this.#slots.sweepMs ?? Infinity) - monotonicMs
      idleMs = Math.min(idleMs, Math.max(nextFireMs - wallMs, slotInMs))
    }
    return idleMs
  }

  /** Sees to it that the pump runs when there is something to do. A timer that is too early is left as it is. */
  #nudge(): void {
    if (this.#closed || this.#pumping) return
    const idleMs = this.#idleMs()
    if (idleMs === Infinity) return
    if (idleMs <= 0) this.#soon()
    else this.#sleep(Math.min(MAX_SLEEP_MS, Math.ceil(idleMs)))
  }

  #soon(): void {
    if (this.#wakeMs === -Infinity) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#wakeMs = -Infinity
    this.#ports.clock.soon(() => this.#wake())
  }

  #sleep(delayMs: number): void {
    const wakeMs = this.#ports.clock.monotonicMs() + delayMs
    if (this.#wakeMs <= wakeMs) return
    this.#timer?.cancel()
    this.#wakeMs = wakeMs
    this.#timer = this.#ports.clock.after(delayMs, () => this.#wake())
  }

  #wake(): void {
    this.#timer = undefined
    this.#wakeMs = Infinity
    this.#pump()
  }
}
