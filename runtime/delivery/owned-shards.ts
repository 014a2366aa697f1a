/**
 * The shards that this host owns, as the scheduler and the outbox see them: claimed first (P4), then read once by both, then
 * followed commit by commit.
 *
 * A shard is read anew when the host gets it, under each new epoch of it, and whenever what the store holds is in doubt (a
 * commit that failed, one that landed after its activation had ended). Nothing is polled.
 */
import type { Clock } from '../../core/clock.ts'
import { messageOf } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import { mechanisms } from '../../core/mechanisms.ts'
import type { DueScheduler } from '../../reminders/due-scheduler.ts'
import type { ActorAddress, ShardKey } from '../../stores/actor-store.ts'
import type { Flushed } from '../activation/entry-buffer.ts'
import type { ShardClaims } from '../dispatch/shard-claims.ts'
import type { Outbox } from './outbox.ts'
import type { Suspects } from './suspects.ts'
import { SEND_DUE, SEND_PREFIX, sendEntry } from './send-row.ts'

interface OwnedShardsOptions {
  readonly claims: ShardClaims
  readonly scheduler: DueScheduler
  readonly outbox: Outbox
  readonly suspects: Suspects
  readonly clock: Clock
  readonly log: Logger
}

interface Owned extends ShardKey {
  readonly epoch: number
  readonly planned: boolean
  phase: 'waiting' | 'taken'
}

/** Shards that are claimed together. */
const BATCH = 256
const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 5_000

export class OwnedShards {
  readonly #options: OwnedShardsOptions
  readonly #owned = new Map<string, (Owned | undefined)[]>()
  #waiting: Owned[] = []
  #reading = false
  #failures = 0
  #phase: 'open' | 'closed' = 'open'

  constructor(options: OwnedShardsOptions) {
    this.#options = options
  }

  /** This host serves the shard under this epoch from now on. `planned`: nobody died who had it. */
  serve(type: string, shard: number, epoch: number, planned: boolean): void {
    if (this.#phase === 'closed') return
    this.#forget({ type, shard })
    let ofType = this.#owned.get(type)
    if (ofType === undefined) this.#owned.set(type, (ofType = []))
    const owned: Owned = { type, shard, epoch, planned, phase: 'waiting' }
    ofType[shard] = owned
    this.#options.suspects.take(owned, planned)
    this.#waiting.push(owned)
    this.#pump()
  }

  /** The shard is another's, or not served for now. */
  lose(type: string, shard: number): void {
    this.#forget({ type, shard })
    this.#options.claims.forget(type, shard)
    const ofType = this.#owned.get(type)
    if (ofType !== undefined) ofType[shard] = undefined
  }

  /** What the store holds of the shard is in doubt. */
  readAgain(type: string, shard: number): void {
    const owned = this.#owned.get(type)?.[shard]
    if (owned !== undefined && !mechanisms.off?.has('read-again')) this.serve(type, shard, owned.epoch, owned.planned || owned.phase === 'taken')
  }

  /** A commit of an actor of this host became durable. */
  stored(address: ActorAddress, { entries, sends }: Flushed): void {
    const { scheduler, outbox, suspects } = this.#options
    const isTaken = this.#owned.get(address.type)?.[address.shard]?.phase === 'taken'
    if (sends !== undefined) {
      outbox.committed(address, sends)
      // The reading that is to come will find them: they are none that a former owner left.
      if (!isTaken) for (const send of sends) suspects.wrote(address, sendEntry(send.number), SEND_DUE)
    }
    for (const [name, value, due] of entries.values()) {
      if (due === undefined || name.startsWith(SEND_PREFIX)) continue
      suspects.wrote(address, name, due)
      if (isTaken) scheduler.changed(address, name, due, value)
    }
  }

  close(): void {
    this.#phase = 'closed'
    this.#waiting = []
  }

  #forget(shard: ShardKey): void {
    this.#options.scheduler.drop(shard)
    this.#options.outbox.drop(shard)
  }

  #isWanted(owned: Owned): boolean {
    return this.#phase === 'open' && this.#owned.get(owned.type)?.[owned.shard] === owned
  }

  #pump(): void {
    if (this.#reading || this.#waiting.length === 0) return
    this.#reading = true
    // What comes in this tick (a table gives hundreds of shards) is claimed together.
    this.#options.clock.soon(() => void this.#work())
  }

  async #work(): Promise<void> {
    const batch = this.#waiting.splice(0, BATCH).filter(owned => this.#isWanted(owned))
    let retryInMs = 0
    try {
      const refused = await this.#take(batch)
      this.#failures = 0
      // A newer table will say whose they are; until then they are asked for again, now and then.
      if (refused.length > 0) this.#options.clock.after(LAST_RETRY_MS, () => this.#requeue(refused))
    } catch (error) {
      this.#options.log.warn({ shards: batch.length, reason: messageOf(error) }, 'some shards could not be claimed: their reminders and sends wait')
      this.#waiting.unshift(...batch)
      retryInMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(10, this.#failures++))
    }
    const next = (): void => {
      this.#reading = false
      this.#pump()
    }
    if (retryInMs === 0) next()
    else this.#options.clock.after(retryInMs, next)
  }

  #requeue(shards: readonly Owned[]): void {
    this.#waiting.push(...shards.filter(owned => this.#isWanted(owned)))
    this.#pump()
  }

  /** @returns those whose claim was refused */
  async #take(batch: readonly Owned[]): Promise<Owned[]> {
    const { claims, outbox, scheduler } = this.#options
    const results = await Promise.all(batch.map(({ type, shard, epoch }) => claims.claim(type, shard, epoch)))
    const refused = batch.filter((_, i) => results[i]!.outcome === 'refused')
    const mine = batch.filter((owned, i) => results[i]!.outcome === 'ok' && this.#isWanted(owned))
    for (const owned of mine) {
      owned.phase = 'taken'
      outbox.take(owned)
      scheduler.take(owned)
    }
    return refused
  }
}
