/**
 * `ctx.reminders`: rows `r:NAME` of the actor's own commit, so a reminder exists if and only if the state of the turn that
 * set it does. Whoever runs them (runtime/delivery) is told when the commit is durable.
 */
import type { ActorReminders, ListOptions, ReminderInfo, ReminderSchedule, ReminderTarget } from '../../actors/actor-reminders.ts'
import { targetName } from '../../actors/actor-type.ts'
import { encode } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'
import { checkKnown } from '../../core/known-options.ts'
import { checkMember } from '../../core/ids.ts'
import { revived } from '../../reminders/advance.ts'
import { deadName, decodeReminder, encodeReminder, newReminder, originalName, reminderEntry, showReminder, type Written } from '../../reminders/reminder.ts'
import { readSchedule } from '../../reminders/schedule.ts'
import type { Activation } from './activation.ts'
import { listEntries, readEntry } from './entry-pages.ts'
import { presentTurn, writableTurn } from './present-turn.ts'

/** What a reminder may carry: it is rewritten with each advance. */
export const MAX_REMINDER_BYTES = 256 * 1024
const MAX_LIST = 1000
const PREFIX = reminderEntry('')

const deadEntry = (name: string): string => reminderEntry(deadName(name))
const readReminder = (activation: Activation, entry: string): Promise<Uint8Array | undefined> => readEntry(activation, entry, true)

export class ActivationReminders implements ActorReminders {
  readonly #activation: Activation

  constructor(activation: Activation) {
    this.#activation = activation
  }

  set(name: string, given: ReminderSchedule, target?: ReminderTarget, ...args: unknown[]): Promise<void> {
    return this.#set(name, given, target, args)
  }

  /** One that a door sets, for `onReminder`: `args` is what its data is to the type. @throws as `set` */
  setFor(name: string, given: ReminderSchedule, args: readonly unknown[], written: Written | undefined): Promise<void> {
    return this.#set(name, given, undefined, args, written)
  }

  async #set(name: string, given: ReminderSchedule, target: ReminderTarget | undefined, args: readonly unknown[], written?: Written): Promise<void> {
    const activation = this.#activation
    const { type, services, entries } = activation
    checkMember('reminder', name)
    writableTurn(activation, 'ctx.reminders.set')
    const now = services.wallMs()
    const { schedule, policy, overwrite } = readSchedule(given, now)
    const method = target === undefined ? undefined : targetName(type, target, `reminder ${name}`)
    if (method === undefined && !type.onReminder) {
      throw new TroupeError('UNKNOWN_METHOD', `${activation.name}: reminder ${name} names no method, and ${type.name} has no onReminder(name, data, occurrence)`)
    }
    const size = encode(args, 'args').length
    if (size > MAX_REMINDER_BYTES) {
      throw new TroupeError('PAYLOAD_TOO_LARGE', `reminder ${name}: its arguments take ${size} bytes, ${MAX_REMINDER_BYTES} may be kept; keep them in the actor's state`)
    }
    const reminder = newReminder(schedule, policy, method, args, now, written)
    const stored = await readReminder(activation, reminderEntry(name))
    writableTurn(activation, 'ctx.reminders.set')
    const existing = asOfNow(activation, reminderEntry(name), stored)
    const bytes = encodeReminder(reminder)
    if (existing !== undefined && !overwrite) throw new TroupeError('REMINDER_EXISTS', `actor reminder already exists: ${name}`)
    if (existing === undefined) {
      const { reminders } = entries.tally
      if (reminders >= type.maxReminders) {
        throw new TroupeError('QUOTA_EXCEEDED', `${activation.name} has ${reminders} reminders; options.maxReminders of ${type.name} allows ${type.maxReminders}`)
      }
      entries.retally({ reminders: reminders + 1 })
    }
    entries.write([reminderEntry(name), bytes, reminder.due, existing === undefined ? null : undefined])
  }

  async get(name: string): Promise<ReminderInfo | undefined> {
    checkMember('reminder', name)
    presentTurn(this.#activation, 'ctx.reminders.get')
    for (const entry of [reminderEntry(name), deadEntry(name)]) {
      const bytes = await readReminder(this.#activation, entry)
      if (bytes !== undefined) return this.#show(entry, bytes)
    }
    return undefined
  }

  async list(options: ListOptions = {}): Promise<ReminderInfo[]> {
    checkKnown('options of ctx.reminders.list', options, ['prefix', 'after', 'limit'])
    const { prefix = '', after, limit = MAX_LIST } = options
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIST) {
      throw new TroupeError('BAD_OPTION', `ctx.reminders.list: limit must be 1 to ${MAX_LIST}, not ${String(limit)}`)
    }
    presentTurn(this.#activation, 'ctx.reminders.list')
    const found = await listEntries(this.#activation, {
      prefix: PREFIX + prefix, after: after === undefined ? undefined : deadEntry(after), limit: limit + 1,
    })
    // The next page begins after a name: what is dead of the last one belongs to this page.
    if (found.length > limit && found[limit]![0] !== deadEntry(originalName(found[limit - 1]![0].slice(PREFIX.length)))) found.pop()
    return found.map(([entry, bytes]) => this.#show(entry, bytes))
  }

  async delete(name: string): Promise<boolean> {
    checkMember('reminder', name)
    const activation = this.#activation
    writableTurn(activation, 'ctx.reminders.delete')
    const [stored, dead] = await Promise.all([readReminder(activation, reminderEntry(name)), readReminder(activation, deadEntry(name))])
    writableTurn(activation, 'ctx.reminders.delete')
    const { entries } = activation
    const live = asOfNow(activation, reminderEntry(name), stored)
    if (live !== undefined) removeReminder(activation, name)
    if (dead !== undefined) entries.write([deadEntry(name), null, null])
    return live !== undefined || dead !== undefined
  }

  /** Makes a dead letter due at once. @throws REMINDER_NOT_FOUND */
  async retry(name: string): Promise<void> {
    checkMember('reminder', name)
    const activation = this.#activation
    writableTurn(activation, 'reminders.retry')
    for (const entry of [deadEntry(name), reminderEntry(name)]) {
      const bytes = await readReminder(activation, entry)
      const reminder = bytes && decodeReminder(bytes, activation.name)
      if (reminder?.dead === undefined) continue
      const again = revived(reminder, activation.services.wallMs())
      activation.entries.write([entry, encodeReminder(again), again.due])
      return
    }
    throw new TroupeError('REMINDER_NOT_FOUND', `${activation.name} has no dead reminder ${JSON.stringify(name)}; see troupe reminders ${activation.type.name} --dead`)
  }

  #show(entry: string, bytes: Uint8Array): ReminderInfo {
    return showReminder(originalName(entry.slice(PREFIX.length)), decodeReminder(bytes, this.#activation.name))
  }
}

/** What was read, or what another branch of the turn has made of it since: nothing may wait between this and its use. */
function asOfNow(activation: Activation, entry: string, read: Uint8Array | undefined): Uint8Array | undefined {
  const since = activation.entries.find(entry)
  return since === undefined ? read : since[1] ?? undefined
}

/** Takes a live reminder away, as part of the running turn; `due` as the store holds it, if that is known. */
export function removeReminder(activation: Activation, name: string, due?: number): void {
  const { entries } = activation
  entries.write([reminderEntry(name), null, null, due])
  entries.retally({ reminders: Math.max(0, entries.tally.reminders - 1) })
}
