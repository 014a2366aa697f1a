/**
 * One occurrence of a reminder as turns of its actor (P5).
 *
 * The turn that runs the target also writes the advanced row: what the occurrence changes and its advance are one commit.
 * A turn that failed has left nothing; a second turn then writes the failure: the next try, or the dead letter. Each turn
 * first asks whether the row is still the one that is due: it may have been moved, deleted or run by then.
 */
import type { Actor, ActorHooks } from '../../actors/actor.ts'
import type { Firing, Occurrence } from '../../actors/actor-reminders.ts'
import { targetOf } from '../../actors/actor-type.ts'
import { TroupeError } from '../../core/errors.ts'
import { mechanisms } from '../../core/mechanisms.ts'
import { seams } from '../../core/seams.ts'
import { advanced, failed, present } from '../../reminders/advance.ts'
import { deadName, decodeReminder, encodeReminder, originalName, reminderEntry, type Reminder } from '../../reminders/reminder.ts'
import { NEVER_DUE, type DueRow } from '../../stores/actor-store.ts'
import type { Activation } from '../activation/activation.ts'
import { removeReminder } from '../activation/activation-reminders.ts'
import { isThenable } from '../activation/turn.ts'

export const isReminder = (entry: string): boolean => entry.startsWith(reminderEntry(''))

export class ReminderRun {
  readonly row: DueRow
  readonly name: string
  /** Wall ms at which its turn began; undefined while it has not. */
  #ranMs: number | undefined
  #late: ((activation: Activation) => void) | undefined
  readonly #isCurrent: () => boolean

  constructor(row: DueRow, isCurrent: () => boolean) {
    this.row = row
    this.name = row.name.slice(reminderEntry('').length)
    this.#isCurrent = isCurrent
  }

  /** What it calls; `onReminder` when it names nothing. Also of a row that cannot be read: its turn says so. */
  get method(): string {
    try {
      return decodeReminder(this.row.value, this.name).method ?? 'onReminder'
    } catch {
      return 'onReminder'
    }
  }

  /** The turn of the occurrence. @returns a time when it is not due before that, by a clock that was set back meanwhile */
  run(activation: Activation, instance: Actor): unknown {
    if (this.#isOver(activation)) return undefined
    if (activation.services.wallMs() < this.row.due && !mechanisms.off?.has('never-early')) return this.row.due
    seams.at?.('reminder.run')
    // Decoded for each try: the target owns its arguments.
    const reminder = decodeReminder(this.row.value, `${activation.name}: reminder ${this.name}`)
    const now = this.#ranMs = activation.services.wallMs()
    const step = present(reminder, now, this.name)
    if (!step.run) {
      activation.services.log.info({ actor: activation.name, reminder: this.name, due: reminder.due }, 'a missed occurrence is passed over')
      return this.#write(activation, step.next)
    }
    const firing = new FiringOccurrence(step.occurrence)
    activation.entries.watch(this.row.name)
    const result = callTarget(activation, instance, originalName(this.name), reminder, firing)
    if (!isThenable(result)) return this.#advance(activation, reminder, firing, now)
    return Promise.resolve(result).then(() => this.#advance(activation, reminder, firing, now))
  }

  /** The turn after one that failed. @returns what has become of it, for the log */
  fail(activation: Activation, error: string): 'retried' | 'dead' | 'over' {
    if (this.#isOver(activation)) return 'over'
    const now = activation.services.wallMs()
    const { reminder, due, dead } = failed(decodeReminder(this.row.value, activation.name), error, now, this.#ranMs ?? now)
    activation.entries.write([this.row.name, encodeReminder(reminder), due, this.row.due])
    if (dead !== undefined) activation.entries.write([reminderEntry(deadName(this.name)), encodeReminder(dead), NEVER_DUE])
    return dead !== undefined || reminder.dead !== undefined ? 'dead' : 'retried'
  }

  /** Changed by a commit, or by a turn whose commit is on its way. */
  #isOver(activation: Activation): boolean {
    if (mechanisms.off?.has('reminder-current')) return false
    return activation.entries.find(this.row.name) !== undefined || !this.#isCurrent()
  }

  #advance(activation: Activation, reminder: Reminder, firing: FiringOccurrence, ranMs: number): void {
    seams.at?.('reminder.ran')
    const changed = activation.entries.takeWatched()
    if (firing.cancelled) {
      if (changed?.[1] !== null) this.#write(activation, undefined)
      // Its own turn, or one inside it, may have set it anew or deleted it: that is what it is from now on.
    } else if (changed === undefined) {
      if (mechanisms.off?.has('reminder-advance')) this.#late = of => this.#write(of, advanced(reminder, ranMs))
      else this.#write(activation, advanced(reminder, ranMs))
    }
  }

  /** Only where a test wants it so: the advance, as a turn of its own. */
  get late(): ((activation: Activation) => void) | undefined {
    return this.#late
  }

  #write(activation: Activation, next: Reminder | undefined): void {
    if (next !== undefined) activation.entries.write([this.row.name, encodeReminder(next), next.due, this.row.due])
    else if (originalName(this.name) === this.name) removeReminder(activation, this.name, this.row.due)
    else activation.entries.write([this.row.name, null, null, this.row.due])
  }
}

class FiringOccurrence implements Firing {
  readonly reminder: string
  readonly due: Date
  readonly count: number
  readonly attempt: number
  readonly missed: number
  #cancelled = false

  constructor({ reminder, due, count, attempt, missed }: Occurrence) {
    this.reminder = reminder
    this.due = due
    this.count = count
    this.attempt = attempt
    this.missed = missed
  }

  get cancelled(): boolean {
    return this.#cancelled
  }

  cancel(): void {
    this.#cancelled = true
  }
}

function callTarget(activation: Activation, instance: Actor, name: string, { method, args }: Reminder, firing: Firing): unknown {
  if (method !== undefined) return targetOf(activation.type, method).call(instance, ...args, firing)
  const hook = (instance as ActorHooks).onReminder
  if (hook === undefined) throw new TroupeError('UNKNOWN_METHOD', `${activation.type.name} has no onReminder(name, data, occurrence)`)
  return hook.call(instance, name, args[0], firing)
}
