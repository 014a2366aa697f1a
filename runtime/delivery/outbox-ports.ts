/** What an outbox needs of its host, and its bounds. */
import type { Clock } from '../../core/clock.ts'
import type { TroupeError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import type { Random } from '../../core/random.ts'
import type { ActorAddress, DuePage, DueQuery, DueRow, ShardKey } from '../../stores/actor-store.ts'
import type { GroupCommit } from '../../stores/group-commit.ts'
import type { RowClaim } from './outbox-sender.ts'
import type { Send } from './send-row.ts'

export interface OutboxPorts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /**
   * Resolves when the send is durable at its target, or was before (a repeat). `previous`: number of the send that must have
   * been applied before this one (pipelined), undefined for the head of its line. Rejects with TroupeError or the author's
   * error. Must settle in the end (a call's timeout). `send.args` stay the outbox's: who runs them is given a copy.
   */
  deliver(sender: ActorAddress, send: Send, previous: number | undefined): Promise<void>
  /** Its delivery failed because the link to its target's host broke. */
  lost?(send: Send, error: TroupeError): void
  /** A row that is no send was read with them; and a send, when its shard was read. */
  mark?(shard: ShardKey, row: DueRow): void
  foundSend?(shard: ShardKey, id: string, name: string): void
  /** Claim under which rows of this shard may be written; undefined when this host does not own it now. */
  claim(shard: ShardKey): RowClaim | undefined
  readonly commits: GroupCommit
  /**
   * Due rows of the store, one page a query: with it `take` reads a shard's sends and opens it. Without it that is for the
   * caller, by `found` and `scanned`.
   */
  load?(queries: readonly DueQuery[]): Promise<readonly DuePage[]>
}

export interface OutboxLimits {
  /** Sends of one pair under way at once, 64 by default. */
  readonly window?: number
  /** Deliveries under way at once, 16,384 by default; those slower than `slowMs` (250) do not count. */
  readonly maxUnderWay?: number
  readonly slowMs?: number
  /** Longest wait after failures that count (60 s by default), and after those that do not (5 s). */
  readonly maxBackoffMs?: number
  readonly maxRefusedMs?: number
  /** Pending sends beyond which no more are read from the store, 100,000 by default. What is committed here is not bounded by it. */
  readonly maxRead?: number
  /** The same for what they take, 128 MiB by default. */
  readonly maxReadBytes?: number
  /** Rows of one shard read at once, 256 by default. */
  readonly pageRows?: number
}
