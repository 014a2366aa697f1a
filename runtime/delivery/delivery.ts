/**
 * Durable time and delivery of one host, put together: the scheduler of due rows, the outbox of sends, and the reading of the
 * shards that the host owns. What activations commit comes in by `stored`; what falls due goes out as turns and calls.
 */
import type { ActorType } from '../../actors/actor-type.ts'
import type { Invocation } from '../../actors/invocation.ts'
import type { Clock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import type { Random } from '../../core/random.ts'
import { DueScheduler } from '../../reminders/due-scheduler.ts'
import type { ActorStore, ShardKey } from '../../stores/actor-store.ts'
import type { GroupCommit } from '../../stores/group-commit.ts'
import type { Activation } from '../activation/activation.ts'
import type { Flushed } from '../activation/entry-buffer.ts'
import type { HostLives } from '../dispatch/host-lives.ts'
import type { ShardClaims } from '../dispatch/shard-claims.ts'
import { Culprits } from './culprits.ts'
import { DueRows } from './due-rows.ts'
import { GuardedSends } from './guarded-sends.ts'
import { Outbox } from './outbox.ts'
import { OwnedShards } from './owned-shards.ts'
import { deliverSend } from './send-delivery.ts'
import { sendNumber } from './send-row.ts'
import { Suspects } from './suspects.ts'

interface DeliveryOptions {
  readonly types: ReadonlyMap<string, ActorType>
  readonly store: ActorStore
  readonly commits: GroupCommit
  readonly claims: ShardClaims
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly route: (call: Invocation) => void
  readonly lives: HostLives
  /** The activation of the actor here, if there is one. */
  readonly activation: (type: string, id: string) => Activation | undefined
  /** See `DueRows`. */
  readonly refusal?: ((type: string, id: string, method: string) => Promise<unknown>) | undefined
}

/** Undelivered sends of one actor, and of all actors of a host. */
const MAX_SENDS_ACTOR = 10_000
const MAX_SENDS_HOST = 200_000
/** What the undelivered sends of a host may take: they are kept in memory as well. */
const MAX_SEND_BYTES_HOST = 256 * 1024 * 1024
/** Longer than any turn should take: the target says that its turn was abandoned, before the sender has given up hearing of it. */
const DELIVERY_TIMEOUT_MS = 15 * 60_000

export class Delivery {
  readonly #scheduler: DueScheduler
  readonly #outbox: Outbox
  readonly #owned: OwnedShards
  readonly #suspects: Suspects

  constructor({ types, store, commits, claims, clock, random, log, route, lives, activation, refusal }: DeliveryOptions) {
    const claim = (shard: ShardKey): ReturnType<ShardClaims['of']> => claims.of(shard)
    const suspects = new Suspects({
      commits, claim, random, wallMs: () => clock.wallMs(),
      isStored: async (actor, name) => (await store.loadEntries([{ actor, names: [name], dated: true }])[0]!)[0] !== undefined,
    })
    this.#suspects = suspects
    const sends = new GuardedSends(suspects, lives, (sender, send, previous) => deliverSend(route, DELIVERY_TIMEOUT_MS, sender, send, previous))
    const changed = (...row: Parameters<DueScheduler['changed']>): void => this.#scheduler.changed(...row)
    const culprits = new Culprits({ commits, claim, suspects, isActive: (type, id) => activation(type, id) !== undefined, changed, clock, log })
    const rows = new DueRows({ types, clock, log, route, refusal, suspects, culprits, current: (shard, row) => this.#scheduler.current(shard, row) })
    this.#scheduler = new DueScheduler({ clock, log, load: queries => store.due(queries), fire: (shard, row) => rows.fire(shard, row) })
    this.#outbox = new Outbox({
      clock, random, log, commits, claim, load: queries => store.due(queries),
      deliver: (sender, send, previous) => sends.deliver(sender, send, previous), lost: (send, error) => sends.lost(send, error),
      mark: (shard, row) => suspects.foundMark(shard, row),
      foundSend: (shard, id, name) => { if (!isOwnSend(activation(shard.type, id), name)) suspects.foundSend(shard, id, name) },
    })
    this.#owned = new OwnedShards({ claims, scheduler: this.#scheduler, outbox: this.#outbox, suspects, clock, log })
  }

  /** `planned`: nobody died who had the shard. */
  serve(type: string, shard: number, epoch: number, planned: boolean): void {
    this.#owned.serve(type, shard, epoch, planned)
  }

  lose(type: string, shard: number): void {
    this.#owned.lose(type, shard)
  }

  readAgain(type: string, shard: number): void {
    this.#owned.readAgain(type, shard)
  }

  stored(activation: Activation, flushed: Flushed): void {
    this.#owned.stored(activation.address, flushed)
  }

  /** @throws QUOTA_EXCEEDED */
  checkRoomForSend(activation: Activation): void {
    const ofActor = this.#outbox.pendingOf(activation.address) + activation.entries.unsent
    if (ofActor >= MAX_SENDS_ACTOR) {
      throw new TroupeError('QUOTA_EXCEEDED', `${activation.name}: ${ofActor} of its sends are not delivered yet, it may have ${MAX_SENDS_ACTOR}; see troupe sends ${activation.name}`, { retryAfterMs: 1000 })
    }
    if (this.#outbox.size >= MAX_SENDS_HOST) {
      throw new TroupeError('QUOTA_EXCEEDED', `${activation.name}: ${this.#outbox.size} sends of this host are not delivered yet, more are not taken; send later`, { retryAfterMs: 1000 })
    }
    const bytes = this.#outbox.bytes + activation.entries.turnSendBytes
    if (bytes >= MAX_SEND_BYTES_HOST) {
      throw new TroupeError('QUOTA_EXCEEDED', `${activation.name}: undelivered sends of this host take ${bytes} bytes, ${MAX_SEND_BYTES_HOST} are allowed; send later, or less`, { retryAfterMs: 1000 })
    }
  }

  progressOf(activation: Activation, number: number): ReturnType<Outbox['progressOf']> {
    return this.#outbox.progressOf(activation.address, number)
  }

  stats(): { reminders: ReturnType<DueScheduler['stats']>; sends: ReturnType<Outbox['stats']> } {
    return { reminders: this.#scheduler.stats(), sends: this.#outbox.stats() }
  }

  /** Nothing new begins; what is under way ends by itself. */
  close(): void {
    this.#owned.close()
    this.#suspects.close()
    this.#scheduler.close()
    this.#outbox.close()
  }
}

/** Of a commit that its activation does not know to be durable yet: the store showed it first. */
const isOwnSend = (sender: Activation | undefined, name: string): boolean =>
  sender !== undefined && sender.entries.unsent > 0 && sendNumber(name)! > sender.entries.tally.sent - sender.entries.unsent
