/**
 * What is done with a row when it is due: the port of the scheduler (reminders/due-scheduler.ts) to the actors of this host.
 *
 * `r:` a reminder runs; `m:` what is known against a row (suspects.ts); `s:` a storage key has expired; `x:` old replies are swept; `o:` sends are the outbox's. An
 * occurrence that failed counts; one that could not begin (its actor could not be activated, its shard is on its way
 * elsewhere, its mailbox is full) is tried again and does not count.
 */
import type { ActorType } from '../../actors/actor-type.ts'
import { isActorError } from '../../actors/errors.ts'
import type { Invocation } from '../../actors/invocation.ts'
import type { Clock } from '../../core/clock.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import { showKey } from '../../core/ids.ts'
import type { Logger } from '../../core/logger.ts'
import { seams } from '../../core/seams.ts'
import type { FireResult } from '../../reminders/due-scheduler.ts'
import type { DueRow, ShardKey } from '../../stores/actor-store.ts'
import { isStorageEntry } from '../activation/activation-storage.ts'
import { SWEEP_ENTRY } from '../activation/once-entries.ts'
import type { Culprits } from './culprits.ts'
import { expireKey, sweep } from './expiry.ts'
import { internalCall, type InternalRun } from './internal-turn.ts'
import { isReminder, ReminderRun } from './run-reminder.ts'
import { SEND_PREFIX } from './send-row.ts'
import { describe, ofTheMoment } from './send-verdict.ts'
import { isCulprit, MARK_PREFIX, type Suspect, type Suspects } from './suspects.ts'

interface DueRowsOptions {
  readonly types: ReadonlyMap<string, ActorType>
  readonly clock: Clock
  readonly log: Logger
  readonly route: (call: Invocation) => void
  readonly current: (shard: ShardKey, row: DueRow) => boolean
  readonly suspects: Suspects
  readonly culprits: Culprits
  /** Why a reminder's method must not run, or undefined: the authorize hook, where there is one. */
  readonly refusal?: ((type: string, id: string, method: string) => Promise<unknown>) | undefined
}

const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 30_000
/** A row that this version cannot read: a newer one may. */
const UNREADABLE_RETRY_MS = 3_600_000

export class DueRows {
  readonly #options: DueRowsOptions
  /** Tries of a row that could not begin. */
  readonly #tries = new WeakMap<DueRow, number>()

  constructor(options: DueRowsOptions) {
    this.#options = options
  }

  fire(shard: ShardKey, row: DueRow): FireResult | Promise<FireResult> {
    const { types, log, clock } = this.#options
    if (row.name.startsWith(SEND_PREFIX)) return 'handed'
    const type = types.get(shard.type)
    if (type === undefined) return 'handed'
    if (isReminder(row.name)) {
      const suspect = this.#options.suspects.of(shard, row.id, row.name, row.due)
      return suspect === undefined ? this.#fireReminder(type, shard, row) : this.#fireSuspect(type, shard, row, suspect)
    }
    if (row.name.startsWith(MARK_PREFIX)) return this.#takeMark(shard, row)
    if (isStorageEntry(row.name)) return this.#clean(type, shard, row, activation => expireKey(activation, row.name))
    if (row.name === SWEEP_ENTRY) return this.#clean(type, shard, row, activation => sweep(activation, row.value))
    log.error({ actor: showKey({ type: shard.type, id: row.id }), row: row.name }, 'a due row of an unknown kind is left alone')
    return { retryAt: clock.wallMs() + UNREADABLE_RETRY_MS }
  }

  async #fireReminder(type: ActorType, shard: ShardKey, row: DueRow): Promise<FireResult> {
    seams.at?.('reminder.fire')
    const run = new ReminderRun(row, () => this.#options.current(shard, row))
    if (this.#options.refusal !== undefined) {
      const refusal = await this.#options.refusal(type.name, row.id, run.method)
      // It counts as a try: a reminder that may not run must not come again for ever, unseen.
      if (TroupeError.is(refusal, 'FORBIDDEN')) return this.#recordFailure(type, shard, run, refusal)
      if (refusal !== undefined) return this.#again(shard, row, refusal)
    }
    try {
      const result = await this.#turn(type, row.id, `reminder ${run.name}`, (activation, instance) => run.run(activation, instance))
      if (run.late !== undefined) await this.#turn(type, row.id, `reminder ${run.name}`, run.late)
      return ended(result)
    } catch (error) {
      if (!hasRun(error)) return this.#again(shard, row, error)
      return this.#recordFailure(type, shard, run, error)
    }
  }

  /** It may have ended its host: it runs under a mark, or not at all. */
  async #fireSuspect(type: ActorType, shard: ShardKey, row: DueRow, suspect: Suspect): Promise<FireResult> {
    const { suspects, culprits } = this.#options
    try {
      if (!isCulprit(suspect)) return await suspects.run(suspect, () => this.#fireReminder(type, shard, row), result => result === 'done')
      await culprits.quarantine(suspect, row, run => this.#turn(type, row.id, `reminder ${row.name}`, run))
      return 'done'
    } catch (error) {
      return this.#again(shard, row, error)
    }
  }

  async #takeMark(shard: ShardKey, row: DueRow): Promise<FireResult> {
    const { suspects } = this.#options
    suspects.foundMark(shard, row)
    try {
      await suspects.sweep(shard, row)
      return 'handed'
    } catch (error) {
      return this.#again(shard, row, error)
    }
  }

  async #recordFailure(type: ActorType, shard: ShardKey, run: ReminderRun, error: unknown): Promise<FireResult> {
    const { log } = this.#options
    const actor = showKey({ type: type.name, id: run.row.id })
    try {
      const reason = describe(error)
      const fate = await this.#turn(type, run.row.id, `reminder ${run.name}`, activation => run.fail(activation, reason))
      if (fate === 'dead') log.error({ actor, reminder: run.name }, `a reminder failed for good, see troupe reminders --dead: ${reason}`)
      else if (fate === 'retried') log.warn({ actor, reminder: run.name }, `a reminder failed; it is tried again: ${reason}`)
      return 'done'
    } catch (failure) {
      return this.#again(shard, run.row, failure)
    }
  }

  async #clean(type: ActorType, shard: ShardKey, row: DueRow, run: InternalRun): Promise<FireResult> {
    if (!this.#options.current(shard, row)) return 'done'
    try {
      return ended(await this.#turn(type, row.id, 'expiry', run))
    } catch (error) {
      return this.#again(shard, row, error)
    }
  }

  #turn(type: ActorType, id: string, name: string, run: InternalRun): Promise<unknown> {
    return new Promise((resolve, reject) => this.#options.route(internalCall(type, id, name, run, resolve, reject)))
  }

  #again(shard: ShardKey, row: DueRow, error: unknown): FireResult {
    const tries = (this.#tries.get(row) ?? 0) + 1
    this.#tries.set(row, tries)
    const { clock, log } = this.#options
    const actor = showKey({ type: shard.type, id: row.id })
    const inMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (tries - 1))
    const what = { actor, row: row.name, tries, inMs, reason: messageOf(error) }
    if (tries >= 5) log.warn(what, 'a due row cannot be worked on; it is tried again')
    else log.debug(what, 'a due row cannot be worked on now')
    return { retryAt: clock.wallMs() + inMs }
  }
}

/** A turn that found its row not due yet says until when: the wall clock was set back while it waited for its turn. */
const ended = (result: unknown): FireResult => typeof result === 'number' ? { retryAt: result } : 'done'

/**
 * Its turn ran, and nothing of it is stored: an abandoned turn's memory is gone with its activation. A turn that threw because
 * it could not read from the store, or could call nobody since a lease had run out, is like one that could not begin.
 */
const hasRun = (error: unknown): boolean => isActorError(error) || !TroupeError.is(error)
  || (error.executed === 'yes' && !ofTheMoment.has(error.code)) || error.code === 'TURN_TIMEOUT'
